"""A trunk with a classifier of actions, to pretrain the trunk."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.initializers import dense
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task
from aqa_jax.trunks.c3d import C3D
from aqa_jax.trunks.dilated_c3d import DilatedC3D


class ActionClassifier(nn.Module):
  """C3D or the dilated C3D, and layers that name the action.

  Behind C3D stand fc6 and fc7 with dropout, as in Tran et al. (ICCV 2015);
  behind the dilated trunk, the average over time and space.

  Attributes:
    tasks: only the task of the actions.
    trunk: 'c3d' or 'dilated_c3d'.
    width: channels of the trunk's first convolution.
    fc6: units of fc6 and fc7; ignored for the dilated trunk.
    dropout: behind fc6 and fc7, or at the end of the dilated trunk.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the trunk's computation.
    remat: see the trunks.
  """

  tasks: Sequence[Task]
  trunk: str = 'c3d'
  width: int = 64
  fc6: int = 4096
  dropout: float = 0.5
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self, video: jax.Array, words: None = None, train: bool = False
  ) -> dict[str, jax.Array]:
    """Returns the logits of the actions for each clip.

    Args:
      video: float [batch, time, height, width, 3], normalised.
      words: ignored; dives have captions, actions have none.
      train: apply dropout, and the batch's own statistics in BatchNorm.

    Returns:
      actions: float32 [batch, classes] logits; float64 with a trunk of float64.
    """
    del words
    if self.trunk == 'c3d':
      features = C3D(
        self.width,
        conv_impl=self.conv_impl,
        dtype=self.dtype,
        remat=self.remat,
        name='c3d',
      )(video, train)
      for name in ('fc6', 'fc7'):
        features = nn.relu(
          dense(self.fc6, features.shape[-1], dtype=self.dtype, name=name)(
            features
          )
        )
        features = nn.Dropout(self.dropout, deterministic=not train)(features)
    else:
      features = DilatedC3D(
        self.width,
        self.dropout,
        conv_impl=self.conv_impl,
        dtype=self.dtype,
        remat=self.remat,
        name='c3d',
      )(video, train)
      features = features.mean(axis=(1, 2, 3))
    dtype = at_least_float32(self.dtype)
    features = features.astype(dtype)
    (task,) = self.tasks
    ((name, units),) = task.layers.items()
    layer = dense(units, features.shape[-1], dtype, name=name)
    return {task.name: task.output({name: layer(features)})}

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return {(name,) for task in self.tasks for name in task.layers}
