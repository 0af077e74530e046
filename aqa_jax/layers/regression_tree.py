"""The group-aware regression tree of CoRe (Yu et al., ICCV 2021, section 3.3).

As in the authors' code: each node has a layer for its two children, and a
linear one that tells their probabilities; each leaf, a group of relative
scores, has a linear layer that tells the place within the group.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.initializers import pytorch_uniform
from aqa_jax.layers.precision import precision_of


class RegressionTree(nn.Module):
  """A binary tree on the features of two videos, and the score of one of them.

  Attributes:
    leaves: a power of 2, 2 or more; 16 in the authors' code, a depth of 5.
    units: units of each node; 256 there.
    dtype: dtype of the computation.
  """

  leaves: int = 16
  units: int = 256
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, exemplar: jax.Array, query: jax.Array, score: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Returns what the tree says of pairs.

    The leading axes, [...], of the three are broadcast.

    Args:
      exemplar: float [..., features], of the video whose score is known.
      query: float [..., features], of the other.
      score: float [...], the known one, 0 to 1.

    Returns:
      Logarithms of the probabilities of the leaves, and the place in each leaf,
      about 0 to 1; both `dtype` [..., leaves].
    """
    features = exemplar.shape[-1]
    size = 2 * features + 1
    # Of the three inputs next to each other: the parts are computed apart, as
    # one query has many exemplars.
    kernel = self.param(
      'inputs', pytorch_uniform(size), (size, self.units), jnp.float32
    ).astype(self.dtype)
    bias = self.param(
      'inputs_bias', pytorch_uniform(size), (self.units,), jnp.float32
    ).astype(self.dtype)
    parts = [
      jnp.matmul(inputs.astype(self.dtype), weights, precision=self._precision)
      for inputs, weights in (
        (exemplar, kernel[:features]),
        (query, kernel[features : 2 * features]),
      )
    ]
    known = score.astype(self.dtype)[..., None] * kernel[-1]
    nodes = nn.relu(parts[0] + parts[1] + known + bias)[..., None, :]
    log_leaves = jnp.zeros((1,), self.dtype)
    level = 0
    while (count := nodes.shape[-2]) < self.leaves:
      level += 1
      choice = self._grouped(nodes, 2, f'choice{level}')
      children = jax.nn.log_softmax(choice) + log_leaves[..., None]
      log_leaves = children.reshape(*children.shape[:-2], 2 * count)
      nodes = nn.relu(self._grouped(nodes, 2 * self.units, f'nodes{level}'))
      nodes = nodes.reshape(*nodes.shape[:-2], 2 * count, self.units)
    places = self._grouped(nodes, 1, 'places')
    return log_leaves, places[..., 0]

  @property
  def _precision(self) -> jax.lax.Precision | None:
    return precision_of(self.dtype)

  def _grouped(self, nodes: jax.Array, outputs: int, name: str) -> jax.Array:
    """Returns a linear layer of each node, [..., nodes, outputs]."""
    count, units = nodes.shape[-2:]
    # Not 'kernel': these are many small matrices, which Muon is not for.
    weights, bias = (
      self.param(name + end, pytorch_uniform(units), shape, jnp.float32).astype(
        self.dtype
      )
      for end, shape in (
        ('', (count, units, outputs)),
        ('_bias', (count, outputs)),
      )
    )
    product = jnp.einsum(
      '...nu,nuo->...no', nodes, weights, precision=self._precision
    )
    return product + bias
