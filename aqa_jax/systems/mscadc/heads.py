"""The heads of MSCADC: a context net, and output layers.

Parmar & Morris, section 4.2 and table 3. The context net is that of Yu &
Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions" (ICLR 2016),
in three dimensions.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike

from aqa_jax.layers.batch_norm import BatchNorm, convolution_block
from aqa_jax.layers.convolution import convolution
from aqa_jax.layers.initializers import pytorch_uniform
from aqa_jax.layers.max_pool import max_pool
from aqa_jax.layers.precision import precision_of

# Of conv1 to conv5: channels, as multiples of the head's, and dilation.
_CONTEXT_LAYERS = ((2, 1), (2, 1), (4, 2), (8, 4), (8, 1))
# Together they shorten each side by so much.
_CONTEXT_PADDING = sum(dilation for _, dilation in _CONTEXT_LAYERS)


def _pointwise(
  channels: int, fan_in: int, padding: int, dtype: DTypeLike, name: str
) -> nn.Conv:
  """Returns a 1 x 1 x 1 convolution."""
  uniform = pytorch_uniform(fan_in)
  return nn.Conv(
    channels,
    kernel_size=(1, 1, 1),
    padding=((padding, padding),) * 3,
    kernel_init=uniform,
    bias_init=uniform,
    dtype=dtype,
    precision=precision_of(dtype),
    name=name,
  )


class ContextNet(nn.Module):
  """Five convolutions of growing context, which keep the size of the maps.

  Attributes:
    statistics_groups: see `BatchNorm`.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the computation.
  """

  statistics_groups: int = 1
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, features: jax.Array, train: bool) -> jax.Array:
    """Returns the features in context.

    Args:
      features: float [batch, time, height, width, channels]; 12 channels in
        the paper.
      train: use the batch's own statistics in BatchNorm.

    Returns:
      `dtype`, of the same shape.
    """
    head_channels = features.shape[-1]
    sides = (_CONTEXT_PADDING, _CONTEXT_PADDING)
    features = jnp.pad(
      features, ((0, 0), sides, sides, sides, (0, 0)), mode='edge'
    )
    for number, (multiple, dilation) in enumerate(_CONTEXT_LAYERS, start=1):
      features = convolution_block(
        features,
        multiple * head_channels,
        f'conv{number}',
        train,
        statistics_groups=self.statistics_groups,
        conv_impl=self.conv_impl,
        dtype=self.dtype,
        padding=0,
        dilation=dilation,
      )
    conv6 = _pointwise(
      head_channels, features.shape[-1], 0, self.dtype, 'conv6'
    )
    return conv6(features)


class HeadFeatures(nn.Module):
  """The first layers of a head; each head has its own.

  Attributes:
    channels: channels of its features; 12 in the paper.
    statistics_groups: see `BatchNorm`.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the computation.
  """

  channels: int = 12
  statistics_groups: int = 1
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, features: jax.Array, train: bool) -> jax.Array:
    """Returns the head's feature maps.

    Args:
      features: float [batch, time, height, width, channels], of the trunk.
      train: use the batch's own statistics in BatchNorm.

    Returns:
      `dtype` [batch, (time + 2) // 2, (height + 2) // 2, (width + 2) // 2,
      channels]: 2, 11, 11, 12 in the paper.
    """
    features = features.astype(self.dtype)
    # The official code pads this one too. The border, of bias values, restores
    # the size that conv5b took away.
    conv1 = _pointwise(
      self.channels, features.shape[-1], 1, self.dtype, 'conv1'
    )
    features = ContextNet(
      self.statistics_groups, self.conv_impl, self.dtype, name='context_net'
    )(conv1(features), train)
    features = BatchNorm(
      use_running_average=not train,
      statistics_groups=self.statistics_groups,
      dtype=self.dtype,
      name='bn1',
    )(features)
    features = max_pool(nn.relu(features), (2, 2, 2))
    return convolution_block(
      features,
      self.channels,
      'conv2',
      train,
      statistics_groups=self.statistics_groups,
      conv_impl=self.conv_impl,
      dtype=self.dtype,
    )


class _Head(nn.Module):
  """Head features, and convolutions of them.

  Attributes:
    channels: channels of its features; 12 in the paper.
    statistics_groups: see `BatchNorm`.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the computation.
  """

  channels: int = 12
  statistics_groups: int = 1
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32

  def _features(self, features: jax.Array, train: bool) -> jax.Array:
    """Returns `dtype` [batch, time', height', width', self.channels]."""
    return HeadFeatures(
      self.channels,
      self.statistics_groups,
      self.conv_impl,
      self.dtype,
      name='features',
    )(features, train)

  def _convolve(
    self,
    features: jax.Array,
    channels: int,
    name: str,
    initial: float = 0.0,
  ) -> jax.Array:
    """Returns `dtype` [batch, time', height', width', channels]."""
    uniform = pytorch_uniform(27 * features.shape[-1])

    def about_initial(
      key: jax.Array,
      shape: Sequence[int | Any],
      dtype: DTypeLike | None = None,
      out_sharding: NamedSharding | PartitionSpec | None = None,
    ) -> jax.Array:
      return initial + uniform(key, shape, dtype, out_sharding)

    return convolution(
      channels,
      self.conv_impl,
      self.dtype,
      kernel_init=uniform,
      bias_init=about_initial,
      name=name,
    )(features)


def layer_names(units: Iterable[str]) -> list[str]:
  """Returns what the modules of output layers are called.

  Args:
    units: names of the layers.
  """
  names = list(units)
  return ['conv3'] if len(names) == 1 else [f'conv3_{name}' for name in names]


class OutputHead(_Head):
  """Trunk features to a task's outputs, each the mean over time and space.

  Attributes:
    units: (name, number of outputs) of each layer.
    initial: mean of the first values of the biases.
  """

  units: tuple[tuple[str, int], ...] = ()
  initial: float = 0.0

  @nn.compact
  def __call__(self, features: jax.Array, train: bool) -> dict[str, jax.Array]:
    """Returns the outputs of each layer.

    Args:
      features: float [batch, time, height, width, channels], of the trunk.
      train: use the batch's own statistics in BatchNorm.

    Returns:
      By layer, `dtype` [batch, units].
    """
    features = self._features(features, train)
    names = layer_names(dict(self.units))
    return {
      layer: self._convolve(features, units, name, self.initial).mean(
        axis=(1, 2, 3)
      )
      for (layer, units), name in zip(self.units, names, strict=True)
    }


class CaptionHead(_Head):
  """Trunk features to the one vector that the captioner reads."""

  @nn.compact
  def __call__(self, features: jax.Array, train: bool) -> jax.Array:
    """Returns the vector.

    Args:
      features: float [batch, time, height, width, channels], of the trunk.
      train: use the batch's own statistics in BatchNorm.

    Returns:
      `dtype` [batch, 1, channels * time' * height' * width'], flattened
      channels first, the order that the official GRU weights expect: 1200 in
      the paper, from 12 x 1 x 10 x 10.
    """
    features = self._features(features, train)
    features = _max_of_neighbours(
      self._convolve(features, self.channels, 'conv3')
    )
    # [batch, channels, time', height', width']
    features = features.transpose(0, 4, 1, 2, 3)
    return features.reshape(features.shape[0], 1, -1)


def _max_of_neighbours(features: jax.Array) -> jax.Array:
  """Max-pools windows of 2 x 2 x 2 that overlap, at stride 1.

  Args:
    features: float [batch, time, height, width, channels].

  Returns:
    Each of the three sizes less 1, unless it was 1.
  """
  for axis in (1, 2, 3):
    last = features.shape[axis] - 1
    if last:
      part = functools.partial(jax.lax.slice_in_dim, features, axis=axis)
      features = jnp.maximum(part(0, last), part(1, last + 1))
  return features
