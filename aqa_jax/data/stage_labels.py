"""Where the stages of dives end, as their dataset has it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES

# Of the clips in which S3D's authors have marked them.
_UNLV_DIVE_FRAMES = 151


def stage_ends(
  labels: Mapping[str, Any], info: tfds.core.DatasetInfo
) -> np.ndarray:
  """Returns the ends of the stages of dives, int [dives, 4], frames.

  They count in the stored frames; UNLV-Dive's in its clips of 151 frames.

  Args:
    labels: labels of a `DiveSplit`.
    info: of its dataset.

  Raises:
    InputError: the dataset has none, or not of every dive.
  """
  check_known(info.features, info.full_name)
  ends = np.asarray(labels['stage_ends'])
  if ends.min() < 0:
    raise InputError(
      f'{info.full_name}: the stage_ends of '
      f'{int((ends < 0).any(axis=1).sum())} dives are not known; remove the '
      'prepared dataset, and prepare it with the file of the stages in '
      '--manual_dir: see its README.'
    )
  return ends


def check_known(features: Any, name: str) -> None:
  """Checks that a dataset has stages.

  Args:
    features: names of its features.
    name: of the dataset, perhaps with its version.

  Raises:
    InputError: it has no feature `stage_ends`.
  """
  if 'stage_ends' in features:
    return
  if name.startswith('simulated_dives/'):
    dataset = '/'.join(name.split('/')[:2])
    raise InputError(
      f'{name}: was prepared before its dives had stage_ends; run python -m '
      f'tfds_mtl_aqa.prepare {dataset} with the same --data_dir again.'
    )
  raise InputError(
    f'{name}: has no stage_ends, int [{len(STAGES)}]; give unlv_dive, '
    'simulated_dives, or a dataset of your own that has.'
  )


def check_counted_in_frames(info: tfds.core.DatasetInfo) -> None:
  """Checks that the stages of a dataset are counted in its stored frames.

  Raises:
    InputError: they count in other frames.
  """
  if info.name != 'unlv_dive' or 'video' not in info.features:
    return
  if info.features['video'].shape[0] != _UNLV_DIVE_FRAMES:
    raise InputError(
      f'{info.full_name}: its stages are marked in the clips of '
      f'{_UNLV_DIVE_FRAMES} frames; give unlv_dive/clips_151_171x128.'
    )
