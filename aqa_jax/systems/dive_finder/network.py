"""The network that finds the dives in a video."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task

# Of the convolutions over time. Their sum is how many frames an output sees to
# each side; one more comes from the frames' neighbours.
_DILATIONS = (1, 2, 4, 8, 16)
RADIUS = sum(_DILATIONS) + 1
_GROUPS = 8


class DiveFinder(nn.Module):
  """Gives the phases of dives for each frame of a video of any length.

  Attributes:
    tasks: only the task of the phases.
    width: channels of the first convolution; a multiple of 8.
    features: channels of the convolutions over time; a multiple of 8.
    dropout: share of each frame's features that is left out in training.
    conv_impl: ignored; its convolutions are 2D and 1D.
    dtype: dtype of the computation.
    remat: compute the frames' features again on the way back.
  """

  tasks: Sequence[Task]
  width: int = 8
  features: int = 96
  dropout: float = 0.3
  conv_impl: str = 'stacked_2d'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self, video: jax.Array, words: None = None, train: bool = False
  ) -> dict[str, jax.Array]:
    """Returns the logits of the phases for each frame.

    Args:
      video: float [batch, time, height, width, 3], normalised.
      words: ignored.
      train: apply dropout.

    Returns:
      phases: float32 [batch, time, phases] logits.
    """
    del words
    batch, time, height, width, _ = video.shape
    padded = jnp.pad(video, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)), 'edge')
    # The frame, and what changes before and after it.
    frames = jnp.concatenate(
      [video, video - padded[:, :-2], padded[:, 2:] - video], axis=-1
    )
    frames = frames.reshape(batch * time, height, width, 9).astype(self.dtype)
    cls = nn.remat(_FrameFeatures) if self.remat else _FrameFeatures
    features = cls(self.width, self.features, self.dtype, name='frames')(frames)
    features = features.reshape(batch, time, self.features)
    features = nn.Dropout(self.dropout, deterministic=not train)(features)
    for dilation in _DILATIONS:
      features = features + _over_time(
        features, self.features, dilation, self.dtype
      )
    (task,) = self.tasks
    ((name, units),) = task.layers.items()
    features = nn.relu(nn.LayerNorm(dtype=self.dtype)(features))
    dtype = at_least_float32(self.dtype)
    logits = nn.Dense(units, dtype=dtype, name=name)(features.astype(dtype))
    return {task.name: task.output({name: logits})}

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return {(name,) for task in self.tasks for name in task.layers}


class _FrameFeatures(nn.Module):
  """Reduces each frame to a vector.

  Attributes:
    width: channels of the first convolution.
    features: numbers of the vector.
    dtype: dtype of the computation.
  """

  width: int
  features: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, frames: jax.Array) -> jax.Array:
    """Returns float [frames, features] for [frames, height, width, 9]."""
    # The first convolution takes most of the time.
    for factor in (1, 3, 6, 12):
      frames = nn.Conv(
        factor * self.width, (3, 3), strides=2, dtype=self.dtype
      )(frames)
      frames = nn.relu(nn.GroupNorm(_GROUPS, dtype=self.dtype)(frames))
    # Not frames.max(): its gradient is 0 / 0 where XLA rounds twice.
    largest = nn.max_pool(frames, frames.shape[1:3])[:, 0, 0]
    pooled = jnp.concatenate([frames.mean(axis=(1, 2)), largest], axis=-1)
    return nn.Dense(self.features, dtype=self.dtype)(pooled)


def _over_time(
  features: jax.Array, channels: int, dilation: int, dtype: DTypeLike
) -> jax.Array:
  """Returns a convolution over time, float [batch, time, channels]."""
  hidden = nn.relu(nn.LayerNorm(dtype=dtype)(features))
  hidden = nn.Conv(channels, (3,), kernel_dilation=dilation, dtype=dtype)(
    hidden
  )
  return nn.Dense(channels, dtype=dtype)(nn.relu(hidden))
