"""The heads on the averaged feature: score and dive class."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from aqa_jax.layers.initializers import dense
from tfds_mtl_aqa.labels import CLASS_NAMES


class ScoreRegressor(nn.Module):
  """One linear layer to the score.

  Attributes:
    initial: score to begin with, in units of `losses.SCORE_UNIT` points; 0 for
      PyTorch's initialisation of the bias.
    dtype: of the computation.
  """

  initial: float = 0.0
  dtype: object = jnp.float32

  @nn.compact
  def __call__(self, features: jax.Array) -> jax.Array:
    """Returns the score in units of `losses.SCORE_UNIT` points.

    Args:
      features: float [batch, features].

    Returns:
      `dtype` [batch].
    """
    features = features.astype(self.dtype)
    options = {'dtype': self.dtype, 'name': 'final_score'}
    if self.initial:
      options['bias_init'] = nn.initializers.constant(self.initial)
    return dense(1, features.shape[-1], **options)(features)[:, 0]


class DiveClassifier(nn.Module):
  """One linear layer for each of the five classification tasks.

  Attributes:
    dtype: of the computation.
  """

  dtype: object = jnp.float32

  @nn.compact
  def __call__(self, features: jax.Array) -> dict[str, jax.Array]:
    """Returns the logits of each task.

    Args:
      features: float [batch, features].

    Returns:
      By task, `dtype` [batch, classes].
    """
    features = features.astype(self.dtype)
    return {
      task: dense(len(names), features.shape[-1], self.dtype, name=task)(
        features
      )
      for task, names in CLASS_NAMES.items()
    }
