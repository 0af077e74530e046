"""Features of dives from a trained C3D-LSTM: C3D-LSTM-SVR."""

import functools
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import tensorflow_datasets as tfds

from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.schema import Schema
from aqa_jax.features.feature_source import FeatureSource, source_class
from aqa_jax.judging.user_path import user_path
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.weights.checkpoint import read_best, read_origin
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError

_NETWORK = 'c3d_lstm'


class LSTMFeatures(FeatureSource):
  """The last output of the LSTM of a C3D-LSTM (Parmar & Morris, 2017).

  What the LSTM sees comes from the source that it was trained on, whose
  features are kept where its training keeps them.

  Field of its config: weights, the workdir of a training of
  `configs/c3d_lstm.py`.
  """

  needs_video = True

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    info: tfds.core.DatasetInfo,
  ):
    """Reads the LSTM.

    Args:
      config: `features` of a config such as `configs/c3d_lstm_svr.py`.
      workdir: folder of the run.
      info: of the dataset.

    Raises:
      InputError: the workdir of the weights is none of a C3D-LSTM, or has no
        checkpoint.
    """
    super().__init__(config, workdir, info)
    if not config.weights:
      raise InputError(
        "config.features.weights='': give the workdir of a training of "
        'configs/c3d_lstm.py.'
      )
    self._trained_in = user_path(config.weights)
    recorded = recorded_config(self._trained_in)
    if not recorded or recorded.get('network') != _NETWORK:
      raise InputError(
        f"config.features.weights='{config.weights}': is no training of "
        'configs/c3d_lstm.py; give the workdir of one.'
      )
    self._recorded = ml_collections.ConfigDict(dict(recorded))
    self._variables, _ = read_best(self._trained_in)
    # The source of what the LSTM sees.
    self._inner = source_class(self._recorded)(
      self._recorded.features, self._trained_in, info
    )

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, hidden]; see `FeatureSource`."""
    system = chosen_system(_NETWORK)
    network = system.create_network(
      self._recorded, system.choose_tasks(self._recorded, Schema())
    )
    sequences = self._inner.features(split, dives)
    outputs = jax.jit(functools.partial(network.apply, method='outputs'))(
      {'params': self._variables['params']}, jnp.asarray(sequences, jnp.float32)
    )
    return np.asarray(outputs[:, -1], np.float64)

  def have_seen_training_dives(self) -> bool:
    """Returns whether the LSTM, or its trunk, was trained on this dataset."""
    trained_on = read_origin(self._trained_in)['dataset']['name']
    return (
      self.is_of_same_dives(trained_on)
      or self._inner.have_seen_training_dives()
    )

  def facts(self) -> Mapping[str, str]:
    """Returns what the LSTM is, and what it sees."""
    return {
      'LSTM': f'{self._recorded.model.hidden} units of {self._trained_in}',
      **self._inner.facts(),
    }
