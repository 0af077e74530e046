"""The output layers of a task on one vector."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.initializers import dense


class OutputLayers(nn.Module):
  """A linear layer for each output of a task.

  Attributes:
    units: (name, number of outputs) of each layer.
    initial: first value of the biases; 0 for PyTorch's initialisation.
    dtype: dtype of the computation.
  """

  units: tuple[tuple[str, int], ...]
  initial: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, features: jax.Array) -> dict[str, jax.Array]:
    """Returns the outputs of each layer.

    Args:
      features: float [batch, features].

    Returns:
      By layer, `dtype` [batch, units].
    """
    features = features.astype(self.dtype)
    bias_init = nn.initializers.constant(self.initial) if self.initial else None
    return {
      name: dense(units, features.shape[-1], self.dtype, bias_init, name)(
        features
      )
      for name, units in self.units
    }
