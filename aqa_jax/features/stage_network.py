"""A trained segmentation of dives into stages, to cut dives by."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import tensorflow_datasets as tfds

from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.evaluation import stage_segmentation
from aqa_jax.features.feature_source import FeatureSource, source_class
from aqa_jax.judging.user_path import user_path
from aqa_jax.systems import ed_tcn
from aqa_jax.tasks.stages import StagesTask
from aqa_jax.weights.checkpoint import read_best
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES

_DIVES_AT_ONCE = 32


class StageNetwork:
  """The network of a training with `configs/ed_tcn.py`."""

  def __init__(self, workdir: str, info: tfds.core.DatasetInfo):
    """Reads the config of the training.

    Args:
      workdir: folder of the training.
      info: of the dataset whose dives are to be cut.

    Raises:
      InputError: it is no such training.
    """
    self._workdir = user_path(workdir)
    self._info = info
    recorded = recorded_config(self._workdir)
    if not recorded or recorded.get('network') != 'ed_tcn':
      raise InputError(
        f"config.features.stages='{workdir}': is no training with "
        "configs/ed_tcn.py; give its workdir, or '' for the labels."
      )
    self._config = ml_collections.ConfigDict(dict(recorded))

  def stage_ends(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns where stages end, int64 [dives, 4], stored frames.

    The features that the network sees are taken from the cache of its training,
    or computed.

    Args:
      split: name of the split.
      dives: its dives.

    Raises:
      InputError: there is no checkpoint, or the network does not take the
        dives.
    """
    config = self._config
    variables = read_best(self._workdir)[0]
    features = self._source.features(split, dives).astype(np.float32)
    num_frames = self._info.features['video'].shape[0]
    # The kernel of the first layer: [time, features, channels].
    wanted = variables['params']['encoder_0']['kernel'].shape[1]
    if features.shape[1:] != (num_frames, wanted):
      raise InputError(
        f'{self._workdir}: its network takes {wanted} features of each frame, '
        f'and {self._info.full_name} has {num_frames} frames of a dive; the '
        f'features have the shape {list(features.shape[1:])}. Give a '
        'segmentation for these dives.'
      )
    network = ed_tcn.SYSTEM.create_network(config, (StagesTask(),))

    @jax.jit
    def stages_of(rows: np.ndarray) -> jax.Array:
      outputs: Any = network.apply(variables, rows)
      return jnp.argmax(outputs['stages'], axis=-1)

    stages = [
      np.asarray(stages_of(features[first : first + _DIVES_AT_ONCE]))
      for first in range(0, len(features), _DIVES_AT_ONCE)
    ]
    return stage_segmentation.ends_of(np.concatenate(stages), len(STAGES))

  def has_seen_training_dives(self) -> bool:
    """Returns whether it, or what it sees, was trained on this dataset."""
    name = self._config.dataset.name.partition(':')[0]
    return (
      name == self._info.full_name.rpartition('/')[0]
      or self._source.have_seen_training_dives()
    )

  @functools.cached_property
  def _source(self) -> FeatureSource:
    """Gives what the network sees."""
    config = self._config
    return source_class(config)(config.features, self._workdir, self._info)
