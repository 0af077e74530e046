"""A trained segmentation of dives into stages, to cut dives by."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow_datasets as tfds

from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.evaluation import stage_segmentation
from aqa_jax.features.feature_training import FeatureTraining
from aqa_jax.systems import ed_tcn
from aqa_jax.tasks.stages import StagesTask
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES

_DIVES_AT_ONCE = 32


class StageNetwork(FeatureTraining):
  """The network of a training with `configs/ed_tcn.py`."""

  def __init__(self, workdir: str, info: tfds.core.DatasetInfo):
    """Reads the config of the training; see `FeatureTraining`.

    Args:
      workdir: folder of the training.
      info: of the dataset whose dives are to be cut.

    Raises:
      InputError: it is no such training.
    """
    super().__init__(
      'stages', workdir, 'ed_tcn', info, ", or '' for the dataset's labels"
    )

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
    variables = self.variables
    features = self.source.features(split, dives).astype(np.float32)
    info = self.source.info
    num_frames = info.features['video'].shape[0]
    # The kernel of the first layer: [time, features, channels].
    wanted = variables['params']['encoder_0']['kernel'].shape[1]
    if features.shape[1:] != (num_frames, wanted):
      raise InputError(
        f'{self.workdir}: its network takes {wanted} features of each frame, '
        f'and {info.full_name} has {num_frames} frames of a dive; the '
        f'features have the shape {list(features.shape[1:])}. Give a '
        'segmentation for these dives.'
      )
    network = ed_tcn.SYSTEM.create_network(self.config, (StagesTask(),))

    @jax.jit
    def stages_of(rows: np.ndarray) -> jax.Array:
      outputs: Any = network.apply(variables, rows)
      return jnp.argmax(outputs['stages'], axis=-1)

    stages = [
      np.asarray(stages_of(features[first : first + _DIVES_AT_ONCE]))
      for first in range(0, len(features), _DIVES_AT_ONCE)
    ]
    return stage_segmentation.ends_of(np.concatenate(stages), len(STAGES))
