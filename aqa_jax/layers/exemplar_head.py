"""A head that compares a video with others whose scores it knows.

CoRe (Yu et al., ICCV 2021). The features of the exemplars are kept in memory:
those of the training's last dives, as the network was when it saw them. They
are variables beside BatchNorm's statistics, so that each checkpoint and each
model has its own. The authors have no such memory: in training they draw a dive
for each of the batch and compute its features, too, and at inference they
compute those of ten dives for each.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.regression_tree import RegressionTree

# Of the distance of two difficulties, which differ by a tenth: so one of those
# that are equally near is drawn.
_NOISE = 1e-3


class ExemplarHead(nn.Module):
  """A regression tree on pairs of a video and an exemplar.

  Attributes:
    memory: exemplars that are kept.
    leaves: see `RegressionTree`.
    units: see `RegressionTree`.
    highest: the score that counts as 1 for the tree.
    dtype: dtype of the computation.
  """

  memory: int = 256
  leaves: int = 16
  units: int = 256
  highest: float = 30.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    features: jax.Array,
    labels: Mapping[str, jax.Array] | None = None,
    train: bool = False,
  ) -> dict[str, jax.Array]:
    """Returns what the tree says of pairs; see `RegressionTree`.

    In training a dive is paired with one of the batch or of the memory, one
    whose difficulty is the nearest, which is drawn; both compare with each
    other. Then the batch takes the place of the oldest in the memory.

    Args:
      features: float [batch, features].
      labels: in training, execution and difficulty, float [batch] each.
      train: whether to pair, and to remember.

    Returns:
      In training, [2, batch, ...] each, first of the dive against its exemplar,
      then of that against the dive: log_leaves and places, float [..., leaves],
      and relative, the execution of the one less that of the other; and
      is_pair, bool [batch], False for a dive without an exemplar.
      In evaluation, for each of the exemplars, [batch, memory, ...]: log_leaves
      and places; execution and difficulty, float, of the exemplar. A place in
      the memory that is empty has a difficulty of 0.

    Raises:
      ValueError: it is in training, without labels.
    """
    features = features.astype(self.dtype)
    batch, size = features.shape

    def kept(name: str, *shape: int) -> nn.Variable[jax.Array]:
      return self.variable(
        'batch_stats', f'exemplar_{name}', jnp.zeros, (self.memory, *shape)
      )

    known = kept('features', size)
    execution, difficulty = kept('execution'), kept('difficulty')
    tree = RegressionTree(self.leaves, self.units, self.dtype, name='tree')
    if not train:
      log_leaves, places = tree(
        known.value, features[:, None], execution.value / self.highest
      )
      shape = (batch, self.memory)
      return {
        'log_leaves': log_leaves,
        'places': places,
        'execution': jnp.broadcast_to(execution.value, shape),
        'difficulty': jnp.broadcast_to(difficulty.value, shape),
      }
    if labels is None:
      raise ValueError('a head with exemplars is trained with labels')
    own = {name: labels[name] for name in ('execution', 'difficulty')}
    # The batch, and behind it the memory.
    all_features = jnp.concatenate([features, known.value.astype(self.dtype)])
    executions = jnp.concatenate([own['execution'], execution.value])
    difficulties = jnp.concatenate([own['difficulty'], difficulty.value])
    distance = jnp.abs(own['difficulty'][:, None] - difficulties)
    is_other = jnp.arange(batch)[:, None] != jnp.arange(len(difficulties))
    distance += jax.random.uniform(
      self.make_rng('dropout'), distance.shape, maxval=_NOISE
    )
    distance = jnp.where(is_other & (difficulties > 0), distance, jnp.inf)
    chosen = jnp.argmin(distance, axis=1)
    exemplar, score = all_features[chosen], executions[chosen]
    pairs = (
      jnp.stack([exemplar, features]),
      jnp.stack([score, own['execution']]),
    )
    log_leaves, places = tree(pairs[0], pairs[0][::-1], pairs[1] / self.highest)
    difficulty.value = difficulties[: self.memory]
    execution.value = executions[: self.memory]
    known.value = all_features[: self.memory].astype(known.value.dtype)
    return {
      'log_leaves': log_leaves,
      'places': places,
      'relative': pairs[1][::-1] - pairs[1],
      'is_pair': jnp.isfinite(distance.min(axis=1)),
    }
