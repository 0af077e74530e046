"""Reads FineDiving's annotations: 3000 dives and the steps that they have."""

import dataclasses
import itertools
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from tfds_mtl_aqa import features, restricted_pickle
from tfds_mtl_aqa.manual_file import ManualFile

Key = tuple[str, int]  # event, number

# How many dives there are in each split.
NUM_DIVES = {'train': 2251, 'test': 749}
DIVE_TYPES = (
  '101B', '103B', '105B', '107B', '107C', '109B', '109C', '201A', '201B',
  '201C', '205B', '205C', '207B', '207C', '301B', '303C', '305B', '305C',
  '307C', '401B', '403B', '405B', '405C', '407B', '407C', '409C', '5132D',
  '5152B', '5154B', '5156B', '5172B', '5231D', '5233D', '5235D', '5237D',
  '5251B', '5253B', '5255B', '5331D', '5335D', '5337D', '5353B', '5355B',
  '612B', '6142D', '614B', '6241B', '6243D', '6245D', '626B', '626C', '636C',
)  # fmt: skip

_FOLDERS = (
  '',
  'Annotations',
  'FineDiving/Annotations',
  'FineDiving-main/Annotations',
  'Annotations/train_test_split',
  'train_test_split',
)
FILES = {
  role: ManualFile(
    (name,), _FOLDERS, 'github.com/xujinglin/FineDiving, Annotations/'
  )
  for role, name in {
    'coarse': 'FineDiving_coarse_annotation.pkl',
    'fine': 'FineDiving_fine-grained_annotation.pkl',
    'sub_actions': 'Sub_action_Types_Table.pkl',
    'train': 'train_split.pkl',
    'test': 'test_split.pkl',
  }.items()
}
# Events become parts of file names.
_EVENT = re.compile(r'[\w-]+')


@dataclasses.dataclass(frozen=True)
class FineDive:
  """One dive.

  Attributes:
    key: event and number.
    start_frame: number of its first frame in the event's video, from 1.
    end_frame: number of its last.
    final_score: in points.
    difficulty: of the dive.
    judge_scores: those that are known: of seven judges; or only the three, or
      in synchronised diving the five, that count.
    dive_number: one of `DIVE_TYPES`.
    frame_steps: of each frame, the number of its sub-action.
  """

  key: Key
  start_frame: int
  end_frame: int
  final_score: float
  difficulty: float
  judge_scores: tuple[float, ...]
  dive_number: str
  frame_steps: tuple[int, ...]

  @property
  def steps(self) -> list[tuple[int, int]]:
    """The sub-action of each step, and the place of its first frame, from 0."""
    steps, place = [], 0
    for sub_action, frames in itertools.groupby(self.frame_steps):
      steps.append((sub_action, place))
      place += len(list(frames))
    return steps

  @property
  def mtl_aqa_key(self) -> tuple[int, int] | None:
    """The key of the same dive in MTL-AQA; None where it is not from there."""
    event, number = self.key
    return (int(event), number) if re.fullmatch(r'\d\d', event) else None


@dataclasses.dataclass(frozen=True)
class Release:
  """All annotations.

  Attributes:
    dives: by key.
    splits: the keys of 'train' and of 'test', in the official order.
    sub_actions: names by number.
  """

  dives: Mapping[Key, FineDive]
  splits: Mapping[str, tuple[Key, ...]]
  sub_actions: Mapping[int, str]


def read(paths: Mapping[str, pathlib.Path]) -> Release:
  """Reads the files of the release.

  Args:
    paths: the file of every role in `FILES`.

  Raises:
    InputError: a file can't be read or has other content, or two files
      contradict each other.
  """
  coarse = _dictionary('coarse', paths)
  fine = _dictionary('fine', paths)
  sub_actions = {}
  for number, name in _dictionary('sub_actions', paths).items():
    if not isinstance(number, int) or not isinstance(name, str):
      raise _malformed('sub_actions', paths, 'is not a table of sub-actions')
    sub_actions[number] = name
  splits = {split: _split(split, paths) for split in NUM_DIVES}
  keys = [key for part in splits.values() for key in part]
  if len(set(keys)) != len(keys):
    raise _malformed('test', paths, f'shares dives with {paths["train"]}')
  for role, content in (('coarse', coarse), ('fine', fine)):
    if absent := [key for key in keys if key not in content]:
      raise _malformed(
        role, paths, f'lacks {len(absent)} dives, such as {absent[0]}'
      )
  dives = {}
  for key in keys:
    try:
      dives[key] = _dive(key, coarse[key], fine[key], sub_actions)
    except (KeyError, TypeError, ValueError, OverflowError) as e:
      raise _malformed(
        'fine', paths, f'dive {key} is wrong here or in {paths["coarse"]} ({e})'
      ) from e
  return Release(dives, splits, sub_actions)


def _dictionary(role: str, paths: Mapping[str, pathlib.Path]) -> dict[Any, Any]:
  content = restricted_pickle.load(paths[role])
  if not isinstance(content, dict):
    raise _malformed(role, paths, 'holds no dictionary')
  return content


def _split(split: str, paths: Mapping[str, pathlib.Path]) -> tuple[Key, ...]:
  content = restricted_pickle.load(paths[split])
  if not isinstance(content, list) or len(content) != NUM_DIVES[split]:
    raise _malformed(split, paths, f'is not a list of {NUM_DIVES[split]} dives')
  keys = []
  for key in content:
    try:
      event, number = key
      is_key = _EVENT.fullmatch(event) and number == int(number) >= 0
    except (TypeError, ValueError):
      is_key = None
    if not is_key:
      raise _malformed(split, paths, f'has {key!r}, which is no dive')
    keys.append((event, int(number)))
  return tuple(keys)


def _dive(
  key: Key,
  coarse: Mapping[str, Any],
  fine: Mapping[str, Any],
  sub_actions: Mapping[int, str],
) -> FineDive:
  """Returns a dive.

  Raises:
    KeyError, TypeError, ValueError, OverflowError: a field is absent or wrong.
  """
  dive = FineDive(
    key=key,
    start_frame=int(coarse['start_frame']),
    end_frame=int(coarse['end_frame']),
    final_score=float(coarse['dive_score']),
    difficulty=float(coarse['difficulty']),
    judge_scores=tuple(map(float, coarse['judge_scores'])),
    dive_number=str(coarse['action_type']).upper(),
    frame_steps=tuple(map(int, fine['frames_labels'])),
  )
  num_frames = dive.end_frame - dive.start_frame + 1
  if len(dive.frame_steps) != num_frames:
    raise ValueError(
      f'{len(dive.frame_steps)} of {num_frames} frames have a step'
    )
  if unknown := set(dive.frame_steps) - set(sub_actions):
    raise ValueError(f'its step {min(unknown)} is not in the table')
  if dive.dive_number not in DIVE_TYPES:
    raise ValueError(f'its type is {dive.dive_number!r}')
  if dive.start_frame < 1 or not dive.frame_steps:
    raise ValueError('it has no frames')
  numbers = dive.final_score, dive.difficulty, *dive.judge_scores
  if not all(map(math.isfinite, numbers)) or min(numbers) < 0:
    raise ValueError('its score is impossible')
  if len(dive.judge_scores) > features.NUM_JUDGES:
    raise ValueError(f'it has {len(dive.judge_scores)} judges')
  if (coarse['action_type'], coarse['dive_score']) != (
    fine['action_type'],
    fine['dive_score'],
  ):
    raise ValueError('the two files differ')
  return dive


def _malformed(
  role: str, paths: Mapping[str, pathlib.Path], reason: str
) -> Exception:
  return FILES[role].malformed(paths[role], reason)
