"""Where the stages of dives end, as their dataset has it."""

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES

# In its clips S3D's authors have marked the stages.
_OF_UNLV_DIVE = 'unlv_dive/clips_151_171x128'


def stage_ends(
  labels: Mapping[str, Any], info: tfds.core.DatasetInfo
) -> np.ndarray:
  """Returns the ends of the stages of dives, int [dives, 4].

  They count in the stored frames, of a dataset that has no videos in those of
  the clips in which they were marked.

  Args:
    labels: labels of a `DiveSplit`.
    info: of its dataset.

  Raises:
    InputError: the dataset has none, or not of every dive.
  """
  check_features(info.features, info.full_name)
  return checked(labels, info.full_name)


def check_features(features: Container[str], dataset: str) -> None:
  """Checks that a dataset has stages, counted in its stored frames.

  Args:
    features: names of its features.
    dataset: its name, perhaps with its version.

  Raises:
    InputError: it has not.
  """
  if 'stage_ends' not in features:
    if dataset.startswith('simulated_dives/'):
      name = '/'.join(dataset.split('/')[:2])
      raise InputError(
        f'{dataset}: was prepared before its dives had stage_ends; run python '
        f'-m tfds_mtl_aqa.prepare {name} with the same --data_dir again.'
      )
    raise InputError(
      f'{dataset}: has no stage_ends, int [{len(STAGES)}]; give '
      f'{_OF_UNLV_DIVE}, simulated_dives, or a dataset of your own that has.'
    )
  is_of_unlv_dive = dataset.split('/')[0] == 'unlv_dive'
  if (
    is_of_unlv_dive
    and 'video' in features
    and not dataset.startswith(_OF_UNLV_DIVE)
  ):
    raise InputError(
      f'{dataset}: has other frames than those in which its stages are marked; '
      f'give {_OF_UNLV_DIVE}.'
    )


def checked(labels: Mapping[str, Any], dataset: str) -> np.ndarray:
  """Returns the ends of the stages of dives, all of them known.

  Args:
    labels: labels of a `DiveSplit`.
    dataset: name of its dataset.

  Raises:
    InputError: those of a dive are not known.
  """
  ends = np.asarray(labels['stage_ends'])
  unknown = int((ends < 0).any(axis=1).sum())
  if unknown:
    raise InputError(
      f'{dataset}: the stage_ends of {unknown} of {len(ends)} dives are not '
      'known; remove the prepared dataset, and prepare it with the file of the '
      'stages in --manual_dir: see its README.'
    )
  return ends
