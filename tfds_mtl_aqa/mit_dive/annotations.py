"""Reads MIT-Dive's annotations, and finds its dives in MTL-AQA."""

import dataclasses
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from tfds_mtl_aqa.manual_file import ManualFile, read_text

NUM_DIVES = 159
NUM_TRAIN = 100
FILE = ManualFile(
  ('Diving.txt', 'diving_annotations.txt'),
  ('', 'diving', 'MIT_Dive', 'mit_dive', 'action_quality_dataset/diving'),
  "MIT's Olympic scores dataset (Pirsiavash et al., 2014) or a copy of it, "
  'such as diving_annotations.txt of github.com/gitskim/Pasion',
)

_NUMBER = r'(\d+(?:\.\d+)?)'
_FRAMES = re.compile(r'(\d+) (\d+) A')
_SCORE = re.compile(rf'(\d+) Score {_NUMBER} {_NUMBER}')
# Both datasets have scores of two decimals.
_TOLERANCE = 0.011


@dataclasses.dataclass(frozen=True)
class MitDive:
  """One dive.

  Attributes:
    start_frame: number of its first frame in the video of the event.
    end_frame: number of its last.
    score_frame: number of a frame that shows the score.
    final_score: in points.
    difficulty: of the dive.
  """

  start_frame: int
  end_frame: int
  score_frame: int
  final_score: float
  difficulty: float


def read(path: pathlib.Path) -> list[MitDive]:
  """Returns the 159 dives, in the order of the competition.

  Args:
    path: of the file. It has two lines for each dive: first and last frame and
      an A; the frame that shows the score, the word Score, score, difficulty.

  Raises:
    InputError: the file can't be read, or has other content.
  """
  lines = [
    (number, ' '.join(line.split()))
    for number, line in enumerate(read_text(path).splitlines(), start=1)
    if line.strip() and not line.startswith('#')
  ]
  if len(lines) != 2 * NUM_DIVES:
    raise FILE.malformed(
      path, f'has {len(lines)} lines of dives, not {2 * NUM_DIVES}'
    )
  dives = []
  for (number, frames), (_, score) in zip(lines[::2], lines[1::2], strict=True):
    found = _FRAMES.fullmatch(frames), _SCORE.fullmatch(score)
    if not (found[0] and found[1]):
      raise FILE.malformed(
        path, f'line {number} and the one after it do not describe a dive'
      )
    dive = MitDive(
      start_frame=int(found[0][1]),
      end_frame=int(found[0][2]),
      score_frame=int(found[1][1]),
      final_score=float(found[1][2]),
      difficulty=float(found[1][3]),
    )
    if not dive.start_frame < dive.end_frame or dive.difficulty <= 0:
      raise FILE.malformed(path, f'the dive of line {number} is impossible')
    dives.append(dive)
  return dives


def align(
  dives: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]
) -> list[int | None]:
  """Finds the same dives in two lists of one competition.

  Args:
    dives: (score, difficulty) of each, in order.
    others: the same of another list, which may have dives that the first lacks,
      and may lack some.

  Returns:
    For each of `dives` its place in `others`, or None: as many as possible have
    a place, and the places rise. Those of one pair have equal values.
  """
  first, second = (np.reshape(part, (-1, 2)) for part in (dives, others))
  equal = (np.abs(first[:, None] - second) < _TOLERANCE).all(axis=2)
  # Of the rest of both lists, how many can be paired.
  pairs = np.zeros((len(first) + 1, len(second) + 1), np.int64)
  for i in reversed(range(len(first))):
    for j in reversed(range(len(second))):
      pairs[i, j] = max(
        pairs[i + 1, j], pairs[i, j + 1], pairs[i + 1, j + 1] + equal[i, j]
      )
  places: list[int | None] = [None] * len(first)
  i = j = 0
  while i < len(first) and j < len(second):
    if equal[i, j] and pairs[i, j] == pairs[i + 1, j + 1] + 1:
      places[i] = j
      i, j = i + 1, j + 1
    elif pairs[i + 1, j] == pairs[i, j]:
      i += 1
    else:
      j += 1
  return places


def random_split(seed: int) -> tuple[list[int], list[int]]:
  """Draws the dives of one trial, as in the published protocol.

  The paper's figures are means over trials of 100 random dives to train on and
  the 59 others to test on.

  Args:
    seed: of the trial, at least 0.

  Returns:
    The numbers of the dives to train on and to test on, from 1, rising.
  """
  order = np.random.default_rng(seed).permutation(NUM_DIVES) + 1
  train, test = np.sort(order[:NUM_TRAIN]), np.sort(order[NUM_TRAIN:])
  return list(train.tolist()), list(test.tolist())
