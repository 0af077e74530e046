"""Measures of stage segmentation: which frames are of which stage of a dive.

Stages count from 0. An end is the first frame, from 0, of a later stage: frame
n has as its stage the number of ends that are n or less.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def stages_at(ends: np.ndarray, num_frames: int) -> np.ndarray:
  """Returns the stage of each frame, int64 [dives, frames].

  Args:
    ends: int [dives, ends]. They need not rise: two of UNLV-Dive's do not.
    num_frames: number of frames.
  """
  frames = np.arange(num_frames)
  return (np.asarray(ends)[:, None, :] <= frames[:, None]).sum(axis=-1)


def ends_of(stages: np.ndarray, num_ends: int) -> np.ndarray:
  """Returns where stages end, int64 [dives, ends].

  Args:
    stages: int [dives, frames], the stage of each frame.
    num_ends: number of stages that end.

  Returns:
    End k is the first frame whose stage is above k; the number of frames where
    there is none.
  """
  later = np.asarray(stages)[:, None, :] > np.arange(num_ends)[:, None]
  return np.where(later.any(axis=-1), later.argmax(axis=-1), later.shape[-1])


def measure(
  stages: np.ndarray, ends: np.ndarray, names: Sequence[str]
) -> dict[str, Any]:
  """Measures predicted stages.

  Args:
    stages: int [dives, frames], the predicted stage of each frame.
    ends: int [dives, ends], the true ends, at least 0.
    names: what ends, [ends].

  Returns:
    stage_accuracy: percent of the frames whose stage is right.
    stage_end_mae: by name, mean absolute error of the end, frames.

  Raises:
    ValueError: the shapes do not fit.
  """
  stages, ends = np.asarray(stages), np.asarray(ends)
  if stages.ndim != 2 or ends.shape != (len(stages), len(names)):
    raise ValueError(
      f'stages {stages.shape} and ends {ends.shape} of {list(names)}'
    )
  errors = np.abs(ends_of(stages, len(names)) - ends).mean(axis=0)
  right = stages == stages_at(ends, stages.shape[1])
  return {
    'stage_accuracy': 100 * float(right.mean()),
    'stage_end_mae': dict(zip(names, errors.tolist(), strict=True)),
  }
