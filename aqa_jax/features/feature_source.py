"""Where the features of dives come from."""

import abc
import pathlib
from collections.abc import Mapping

import ml_collections
import numpy as np
import tensorflow_datasets as tfds

from aqa_jax import own_parts
from aqa_jax.data.dive_split import DiveSplit
from tfds_mtl_aqa.input_error import InputError

_BUILT_IN = {
  'file': 'aqa_jax.features.feature_file:FeatureFile',
  'lstm': 'aqa_jax.features.lstm_features:LSTMFeatures',
  'network': 'aqa_jax.features.network_features:NetworkFeatures',
  'poses': 'aqa_jax.features.pose_features:PoseFeatures',
  'frames': 'aqa_jax.features.frame_features:FrameFeatures',
  'stages': 'aqa_jax.features.stage_features:StageFeatures',
}


class FeatureSource(abc.ABC):
  """Gives the features of every dive of a split."""

  # Whether it reads the dataset's videos.
  needs_video = False

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    info: tfds.core.DatasetInfo,
  ):
    """Keeps what it may need.

    Args:
      config: `features` of a config such as `configs/s3d.py`.
      workdir: folder of the run.
      info: of the dataset.
    """
    self.config = config
    self.workdir = workdir
    self.info = info

  @property
  def gives_sequences(self) -> bool:
    """Whether the features of a dive are a sequence.

    Raises:
      InputError: the config does not say what there is.
    """
    return False

  def check_gives(self, sequences: bool) -> None:
    """Checks what the features of a dive are.

    Args:
      sequences: whether sequences are wanted; otherwise one vector of a dive.

    Raises:
      InputError: it gives the other.
    """
    if self.gives_sequences == sequences:
      return
    source = self.config.source
    pool = '--config.features.pool=' + ('none' if sequences else 'mean')
    given, taken = 'one vector of a dive', 'the network takes a sequence'
    if not sequences:
      given, taken = 'a sequence of a dive', 'a regression takes one vector'
    raise InputError(
      f"config.features.source='{source}': gives {given}, but {taken}; give "
      f'{f"{pool}, or " * (source == "network")}another source.'
    )

  @abc.abstractmethod
  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, features], or sequences: see `gives_sequences`.

    Sequences are float64 [dives, steps, features].

    Args:
      split: name of the split.
      dives: its dives.

    Raises:
      InputError: there are none for a dive, or they can't be read.
    """

  def fingerprint(self, split: str) -> str:
    """Returns what tells what makes the features from another; '' for nothing.

    A training on the features, and a regression, is refused in a workdir that
    was begun with another.

    Args:
      split: name of the split that is trained on.

    Raises:
      InputError: what makes the features is not there, or is damaged.
    """
    del split
    return ''

  def have_seen_training_dives(self) -> bool:
    """Returns whether what makes the features was trained on such dives.

    Then the errors of a regression on training dives that it has not seen are
    too small, and no interval of a score can be made from them.
    """
    return False

  def is_of_same_dives(self, dataset: str) -> bool:
    """Returns whether a dataset has the dives of this one.

    Args:
      dataset: name, config and version; another version has the same dives.
    """
    same = self.info.full_name.rpartition('/')[0]
    return dataset.rpartition('/')[0] == same

  def facts(self) -> Mapping[str, str]:
    """Returns what the report says of the features, texts by name."""
    return {'features': str(self.config.source)}


def source_class(config: ml_collections.ConfigDict) -> type[FeatureSource]:
  """Returns the class that `config.features.source` names.

  Args:
    config: a config such as `configs/s3d.py`.

  Raises:
    InputError: there is no such source.
  """
  name = config.features.source
  field = f"config.features.source='{name}'"
  if name not in _BUILT_IN and ':' not in name:
    raise InputError(
      f'{field}: give {", ".join(_BUILT_IN)}, or package.module:Class.'
    )
  source = own_parts.imported(_BUILT_IN.get(name, name), field)
  if not (isinstance(source, type) and issubclass(source, FeatureSource)):
    raise InputError(
      f'{field}: is no subclass of '
      'aqa_jax.features.feature_source.FeatureSource.'
    )
  return source


def with_fingerprint(
  config: ml_collections.ConfigDict, source: FeatureSource
) -> ml_collections.ConfigDict:
  """Returns the config with `features.fingerprint`, for the workdir.

  Args:
    config: a config such as `configs/s3d.py`.
    source: of its features.

  Raises:
    InputError: see `FeatureSource.fingerprint`.
  """
  fingerprint = source.fingerprint(config.dataset.train_split)
  if not fingerprint:
    return config
  config = config.copy_and_resolve_references()
  with config.unlocked():
    config.features.fingerprint = fingerprint
  return config
