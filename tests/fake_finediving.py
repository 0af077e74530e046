"""Annotations of FineDiving, made up for tests: 3000 dives."""

import pathlib
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfds_mtl_aqa.finediving import annotations

TABLE = {4: 'Inward', 25: '3.5 Soms.Tuck', 36: 'Entry'}
# By key: number of the first frame, and the sub-action of each frame. These are
# MTL-AQA's too: see fake_mtl_aqa.py.
Dives = Mapping[tuple[str, int], tuple[int, Sequence[int]]]
_STEPS = np.repeat([4, 25, 36], [10, 30, 80]).tolist()
FIRST: Dives = {
  ('03', 3): (81, _STEPS),
  ('03', 2): (31, _STEPS),
  ('02', 2): (31, _STEPS),
}


def content(first: Dives = FIRST) -> dict[str, Any]:
  """Returns the content of every file.

  Args:
    first: the first dives, at least three.
  """
  dives = dict(first)
  for k in range(3000 - len(first)):
    length = 120 if k < 2 else 70
    dives['Final_r1', k] = 151 - length, _STEPS[:length]
  coarse, fine = {}, {}
  for place, (key, (start, steps)) in enumerate(dives.items()):
    dive_type = annotations.DIVE_TYPES[place % 52].lower()
    coarse[key] = {
      'action_type': dive_type,
      'start_frame': start,
      'end_frame': start + len(steps) - 1,
      'dive_score': np.float64(50 + place / 100),
      'difficulty': 3.2,
      'judge_scores': [7.0, 7.5, 8.0][: 3 if place else 2],
    }
    fine[key] = {
      'action_type': dive_type,
      'dive_score': 50 + place / 100,
      'difficulty': 3.2,
      'steps_transit_frames': np.array([9, 39]),
      'frames_labels': np.array(steps),
      'sub-action_types': TABLE,
    }
  keys = list(dives)
  return {
    'coarse': coarse, 'fine': fine, 'sub_actions': dict(TABLE),
    'train': [keys[0], *keys[3:2253]], 'test': [*keys[1:3], *keys[2253:]],
  }  # fmt: skip


def write(folder: pathlib.Path, role: str, content: object) -> pathlib.Path:
  """Writes a file where `manual_dir` may have it; returns its path."""
  path = folder / 'Annotations' / annotations.FILES[role].names[0]
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(pickle.dumps(content))
  return path
