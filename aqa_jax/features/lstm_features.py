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
from aqa_jax.features.feature_source import FeatureSource
from aqa_jax.features.feature_training import FeatureTraining
from aqa_jax.systems.chosen_system import chosen_system

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
      InputError: the workdir of the weights is none of a C3D-LSTM.
    """
    super().__init__(config, workdir, info)
    self._training = FeatureTraining('weights', config.weights, _NETWORK, info)

  def fingerprint(self, split: str) -> str:
    """Returns that of the LSTM and what it sees; see `FeatureSource`."""
    del split
    return self._training.fingerprint()

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, hidden]; see `FeatureSource`."""
    training = self._training
    system = chosen_system(_NETWORK)
    network = system.create_network(
      training.config, system.choose_tasks(training.config, Schema())
    )
    sequences = training.source.features(split, dives)
    outputs = jax.jit(functools.partial(network.apply, method='outputs'))(
      {'params': training.variables['params']},
      jnp.asarray(sequences, jnp.float32),
    )
    return np.asarray(outputs[:, -1], np.float64)

  def have_seen_training_dives(self) -> bool:
    """Returns whether the LSTM, or its trunk, was trained on this dataset."""
    return self._training.has_seen_training_dives()

  def facts(self) -> Mapping[str, str]:
    """Returns what the LSTM is, and what it sees."""
    training = self._training
    return {
      'LSTM': f'{training.config.model.hidden} units of {training.workdir}',
      **training.source.facts(),
    }
