"""Reads the lists of AQA-7: which clips there are, and their scores."""

import dataclasses
import io
import pathlib

import numpy as np

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.manual_file import ManualFile

# In the order of the lists' numbers, from 1: how many clips there are to train
# on and to test on. The trampoline is not in the lists.
ACTIONS = {
  'diving': (300, 70),
  'gym_vault': (120, 56),
  'ski_big_air': (120, 55),
  'snowboard_big_air': (140, 66),
  'sync_diving_3m': (60, 28),
  'sync_diving_10m': (63, 28),
}
_FOLDERS = (
  '',
  'Split_4',
  'info',
  'AQA-7',
  'AQA-7/Split_4',
  'Seven/Split_4',
  'AQA_Seven/Split_4',
)
FILES = {
  split: ManualFile(
    (f'split_4_{split}_list.mat', f'consolidated_{split}_list.mat'),
    _FOLDERS,
    'AQA-7 (rtis.oit.unlv.edu/datasets.html), Split_4/',
  )
  for split in ('train', 'test')
}


@dataclasses.dataclass(frozen=True)
class Clip:
  """One clip of an action.

  Attributes:
    action: its number, from 1: place in `ACTIONS` plus 1.
    clip_id: its number among those of the action, from 1.
    final_score: in points.
  """

  action: int
  clip_id: int
  final_score: float


def read(paths: dict[str, pathlib.Path]) -> dict[str, list[Clip]]:
  """Returns the clips of each split, in the order of the lists.

  Args:
    paths: MATLAB files of 'train' and of 'test', each with an array
      `consolidated_train_list` or `..._test_list`: float64 [clips, 3], number
      of the action, number of the clip, a hundred times the score.

  Raises:
    InputError: a file can't be read or has other content, or the two share a
      clip.
  """
  clips = {split: _read_list(path, split) for split, path in paths.items()}
  keys = {
    split: {(clip.action, clip.clip_id) for clip in part}
    for split, part in clips.items()
  }
  if shared := keys['train'] & keys['test']:
    raise FILES['test'].malformed(
      paths['test'],
      f'shares {len(shared)} clips with {paths["train"]}',
    )
  return clips


def _read_list(path: pathlib.Path, split: str) -> list[Clip]:
  # Slow to import.
  import scipy.io

  file, name = FILES[split], f'consolidated_{split}_list'
  try:
    content = path.read_bytes()
  except OSError as e:
    raise input_error.unreadable(path, e) from e
  try:
    rows = np.asarray(scipy.io.loadmat(io.BytesIO(content))[name], np.float64)
  except Exception as e:  # A damaged file may raise anything.
    raise file.malformed(path, f'holds no {name} ({type(e).__name__})') from e
  if rows.ndim != 2 or rows.shape[1] != 3 or not np.isfinite(rows).all():
    raise file.malformed(path, f'its {name} is not three columns of numbers')
  expected = [counts[split == 'test'] for counts in ACTIONS.values()]
  numbers = range(1, 1 + len(ACTIONS))
  found = [int((rows[:, 0] == number).sum()) for number in numbers]
  if found != expected or len(rows) != sum(expected):
    raise file.malformed(
      path, f'has {len(rows)} clips, by action {found}, not {expected}'
    )
  if (rows[:, 1] != rows[:, 1].astype(int)).any() or rows[:, 1].min() < 1:
    raise file.malformed(path, 'has numbers of clips that do not count from 1')
  clips = [
    Clip(int(action), int(clip_id), round(hundredfold / 100, 2))
    for action, clip_id, hundredfold in rows.tolist()
  ]
  if len({(clip.action, clip.clip_id) for clip in clips}) != len(clips):
    raise file.malformed(path, 'names a clip twice')
  return clips
