"""A training on features, whose network gives features in its turn."""

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import ml_collections
import tensorflow_datasets as tfds

from aqa_jax.features.feature_source import FeatureSource, source_class
from aqa_jax.judging.user_path import user_path
from aqa_jax.weights.checkpoint import read_best, read_origin
from aqa_jax.weights.fingerprint import arrays_fingerprint
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError


class FeatureTraining:
  """The workdir of a training on features.

  Attributes:
    workdir: its folder.
    config: the config that it was begun with.
    source: gives what its network sees, of the dataset at hand; it keeps the
      features where the training keeps its own.
  """

  def __init__(
    self,
    field: str,
    workdir: str,
    network: str,
    info: tfds.core.DatasetInfo,
    otherwise: str = '',
  ):
    """Reads the config of the training.

    Args:
      field: of `config.features`, for errors.
      workdir: its value.
      network: the network that it has to be of; its config has the same name.
      info: of the dataset at hand, which may be another than was trained on.
      otherwise: what else the field may be, for errors.

    Raises:
      InputError: it is no such training.
    """
    wanted = f'a training of configs/{network}.py'
    if not workdir:
      raise InputError(
        f"config.features.{field}='': give the workdir of {wanted}."
      )
    try:
      self.workdir = user_path(workdir)
    except InputError as e:
      raise InputError(
        f'config.features.{field}: {e} Give the workdir of {wanted}{otherwise}.'
      ) from e
    recorded = recorded_config(self.workdir)
    if not recorded or recorded.get('network') != network:
      raise InputError(
        f"config.features.{field}='{workdir}': is not {wanted}; give the "
        f'workdir of one{otherwise}.'
      )
    self.config = ml_collections.ConfigDict(dict(recorded))
    self.source: FeatureSource = source_class(self.config)(
      self.config.features, self.workdir, info
    )

  @functools.cached_property
  def variables(self) -> Mapping[str, Any]:
    """The variables of its best checkpoint.

    Raises:
      InputError: there is none.
    """
    return read_best(self.workdir)[0]

  def fingerprint(self) -> str:
    """Returns what tells its network, and what that sees, from another.

    Raises:
      InputError: there is no checkpoint, or what the network was trained on is
        not there any more.
    """
    try:
      seen = self.source.fingerprint(self.config.dataset.train_split)
    except InputError as e:
      raise InputError(
        f'{self.workdir}: needs the features that it was trained on ({e}). Run '
        'in the folder where it was trained, or put there what is missing.'
      ) from e
    recorded = self.config.features.get('fingerprint', seen)
    if recorded != seen:
      raise InputError(
        f'{self.workdir}: was trained on other features than '
        f'{self.source.facts()["features"]} gives now; put back what it was '
        'trained on, or train it again in another folder.'
      )
    digest = hashlib.sha256(seen.encode())
    digest.update(arrays_fingerprint(self.variables).encode())
    return digest.hexdigest()

  def has_seen_training_dives(self) -> bool:
    """Returns whether it, or what it sees, was trained on the dataset."""
    trained_on = read_origin(self.workdir)['dataset']['name']
    return (
      self.source.is_of_same_dives(trained_on)
      or self.source.have_seen_training_dives()
    )
