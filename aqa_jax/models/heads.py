"""The heads on the averaged feature: score and dive class."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from aqa_jax.models.initializers import dense
from tfds_mtl_aqa.labels import CLASS_NAMES


class ScoreRegressor(nn.Module):
  """One linear layer to the score.

  Attributes:
    initial: score to begin with, in units of `losses.SCORE_UNIT` points; 0 for
      PyTorch's initialisation of the bias.
  """

  initial: float = 0.0

  @nn.compact
  def __call__(self, features: jax.Array) -> jax.Array:
    """Returns the score in units of `losses.SCORE_UNIT` points.

    Args:
      features: float [batch, features].

    Returns:
      float32 [batch].
    """
    features = features.astype(jnp.float32)
    options = {'name': 'final_score'}
    if self.initial:
      options['bias_init'] = nn.initializers.constant(self.initial)
    return dense(1, features.shape[-1], **options)(features)[:, 0]


class DiveClassifier(nn.Module):
  """One linear layer for each of the five classification tasks."""

  @nn.compact
  def __call__(self, features: jax.Array) -> dict[str, jax.Array]:
    """Returns the logits of each task.

    Args:
      features: float [batch, features].

    Returns:
      By task, float32 [batch, classes].
    """
    features = features.astype(jnp.float32)
    return {
      task: dense(len(names), features.shape[-1], name=task)(features)
      for task, names in CLASS_NAMES.items()
    }
