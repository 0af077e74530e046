"""ED-TCN: stages of a dive from features of its frames (Lea et al., 2017)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task

_POOL = 2
# Keeps frames without any activation at 0.
_EPSILON = 1e-5


class EDTCN(nn.Module):
  """An encoder and a decoder over time, and a classifier of each frame.

  Attributes:
    tasks: only the task of the stages.
    nodes: channels of the encoder's convolutions; the decoder has them the
      other way round. Behind each convolution of the encoder time is halved.
    kernel: frames of a convolution.
    dropout: share of the channels that is left out, each for all frames of a
      dive, in training.
    conv_impl: ignored; its convolutions are 1D.
    dtype: dtype of the computation.
    remat: ignored; its activations are small.
  """

  tasks: Sequence[Task]
  nodes: Sequence[int] = (256, 512)
  kernel: int = 10
  dropout: float = 0.3
  conv_impl: str = 'stacked_2d'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self, features: jax.Array, words: None = None, train: bool = False
  ) -> dict[str, jax.Array]:
    """Returns the logits of the stages for each frame.

    Args:
      features: float [batch, frames, features]; any number of frames.
      words: ignored.
      train: apply dropout.

    Returns:
      stages: float32 [batch, frames, stages]; float64 for float64.
    """
    del words
    nodes = tuple(self.nodes)
    num_frames = features.shape[1]
    # Zeros behind the last frame, as the authors have them.
    missing = -num_frames % _POOL ** len(nodes)
    hidden = jnp.pad(features, ((0, 0), (0, missing), (0, 0)))
    hidden = hidden.astype(self.dtype)
    for place, channels in enumerate(nodes):
      hidden = self._layer(hidden, channels, f'encoder_{place}', train)
      hidden = nn.max_pool(hidden, (_POOL,), (_POOL,))
    for place, channels in enumerate(reversed(nodes)):
      hidden = jnp.repeat(hidden, _POOL, axis=1)
      hidden = self._layer(hidden, channels, f'decoder_{place}', train)
    (task,) = self.tasks
    ((name, units),) = task.layers.items()
    dtype = at_least_float32(self.dtype)
    layer = nn.Dense(
      units,
      dtype=dtype,
      kernel_init=nn.initializers.glorot_uniform(),
      name=name,
    )
    logits = layer(hidden[:, :num_frames].astype(dtype))
    return {task.name: task.output({name: logits})}

  def _layer(
    self, hidden: jax.Array, channels: int, name: str, train: bool
  ) -> jax.Array:
    """Returns a convolution behind spatial dropout and the normalised ReLU."""
    hidden = nn.Conv(
      channels,
      (self.kernel,),
      dtype=self.dtype,
      kernel_init=nn.initializers.glorot_uniform(),
      name=name,
    )(hidden)
    dropout = nn.Dropout(
      self.dropout, broadcast_dims=(1,), deterministic=not train
    )
    return normalized_relu(dropout(hidden))

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return {(name,) for task in self.tasks for name in task.layers}


def normalized_relu(hidden: jax.Array) -> jax.Array:
  """Returns ReLU divided by its largest activation of the frame.

  Args:
    hidden: float [batch, frames, channels].
  """
  hidden = nn.relu(hidden)
  return hidden / (hidden.max(axis=-1, keepdims=True) + _EPSILON)
