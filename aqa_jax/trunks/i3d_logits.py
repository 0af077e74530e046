"""The layers that make a classifier of I3D."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.precision import at_least_float32, precision_of

# Frames of which I3D leaves the two steps of time that are averaged.
LEAST_FRAMES = 9


class I3DLogits(nn.Module):
  """Logits of actions, given the last feature maps of I3D.

  Attributes:
    num_classes: number of actions; 400 for Kinetics-400.
    dropout: dropout rate behind the pooling.
    dtype: dtype of the trunk; the layer computes in float32, or in float64 for
      float64.
  """

  num_classes: int = 400
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, features: jax.Array, train: bool) -> jax.Array:
    """Returns the logits.

    They are averaged over space, over every two steps of time that follow one
    another, and, behind the linear layer, over time.

    Args:
      features: float [batch, time', height', width', channels], of at least two
        steps of time: of I3D for 9 frames or more.
      train: apply dropout.

    Returns:
      float32 [batch, num_classes]; float64 for `dtype` float64.

    Raises:
      ValueError: there are fewer steps of time.
    """
    if features.ndim != 5 or features.shape[1] < 2:
      raise ValueError(
        f'features of shape {features.shape}: give [batch, time, height, '
        f'width, channels] with two steps of time, of {LEAST_FRAMES} frames'
      )
    dtype = at_least_float32(self.dtype)
    steps = features.astype(dtype).mean(axis=(2, 3))
    pairs = (steps[:, :-1] + steps[:, 1:]) / 2
    pairs = nn.Dropout(self.dropout, deterministic=not train)(pairs)
    logits = nn.Dense(
      self.num_classes, dtype=dtype, precision=precision_of(dtype), name='dense'
    )(pairs)
    return logits.mean(axis=1)
