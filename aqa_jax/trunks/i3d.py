"""I3D, the inflated Inception (Carreira & Zisserman, CVPR 2017), for RGB.

"Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset". Layers
have the names that its authors gave them.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.batch_norm import BatchNorm
from aqa_jax.layers.same_padding import same_convolution, same_max_pool

_Sizes = tuple[int, int, int]

# Channels, and the size and the stride of the kernel along each axis.
_CONVOLUTIONS = {
  'Conv3d_1a_7x7': (64, 7, 2),
  'Conv3d_2b_1x1': (64, 1, 1),
  'Conv3d_2c_3x3': (192, 3, 1),
}
# Channels of branch 0, of the two layers of branches 1 and 2, of branch 3.
_MIXED = {
  'Mixed_3b': (64, 96, 128, 16, 32, 32),
  'Mixed_3c': (128, 128, 192, 32, 96, 64),
  'Mixed_4b': (192, 96, 208, 16, 48, 64),
  'Mixed_4c': (160, 112, 224, 24, 64, 64),
  'Mixed_4d': (128, 128, 256, 24, 64, 64),
  'Mixed_4e': (112, 144, 288, 32, 64, 64),
  'Mixed_4f': (256, 160, 320, 32, 128, 128),
  'Mixed_5b': (256, 160, 320, 32, 128, 128),
  'Mixed_5c': (384, 192, 384, 48, 128, 128),
}
# Window and strides of the pooling before a layer.
_POOLINGS: dict[str, tuple[_Sizes, _Sizes]] = {
  'Conv3d_2b_1x1': ((1, 3, 3), (1, 2, 2)),
  'Mixed_3b': ((1, 3, 3), (1, 2, 2)),
  'Mixed_4b': ((3, 3, 3), (2, 2, 2)),
  'Mixed_5b': ((2, 2, 2), (2, 2, 2)),
}
ENDPOINTS = (*_CONVOLUTIONS, *_MIXED)

# One value of the last layer stands for so many frames and pixels; a smaller
# video would be padding for the most part.
LEAST_FRAMES = 8
LEAST_PIXELS = 32
_EPSILON = 1e-3


@dataclasses.dataclass(frozen=True)
class _Options:
  """Fields of `I3D` that all layers share."""

  statistics_groups: int
  momentum: float
  conv_impl: str
  dtype: DTypeLike


class _Unit(nn.Module):
  """Convolution, BatchNorm without scale, ReLU."""

  channels: int
  options: _Options
  size: int = 1
  stride: int = 1

  @nn.compact
  def __call__(self, features: jax.Array, train: bool) -> jax.Array:
    """Returns `dtype` [batch, time', height', width', channels]."""
    features = same_convolution(
      features,
      self.channels,
      (self.size,) * 3,
      (self.stride,) * 3,
      conv_impl=self.options.conv_impl,
      dtype=self.options.dtype,
      name='conv',
    )
    features = BatchNorm(
      use_running_average=not train,
      use_scale=False,
      statistics_groups=self.options.statistics_groups,
      momentum=self.options.momentum,
      epsilon=_EPSILON,
      dtype=self.options.dtype,
      name='batch_norm',
    )(features)
    return nn.relu(features)


class _Mixed(nn.Module):
  """Four branches side by side, as in Inception."""

  channels: tuple[int, ...]
  options: _Options

  @nn.compact
  def __call__(self, features: jax.Array, train: bool) -> jax.Array:
    """Returns `dtype` [batch, time, height, width, sum of the last layers']."""

    def unit(features: jax.Array, name: str, index: int) -> jax.Array:
      size = 3 if name.endswith('3x3') else 1
      return _Unit(self.channels[index], self.options, size, name=name)(
        features, train
      )

    branches = [unit(features, 'Branch_0_Conv3d_0a_1x1', 0)]
    for branch, first in ((1, 1), (2, 3)):
      reduced = unit(features, f'Branch_{branch}_Conv3d_0a_1x1', first)
      branches.append(
        unit(reduced, f'Branch_{branch}_Conv3d_0b_3x3', first + 1)
      )
    pooled = same_max_pool(features, (3, 3, 3), (1, 1, 1))
    branches.append(unit(pooled, 'Branch_3_Conv3d_0b_1x1', 5))
    return jnp.concatenate(branches, axis=-1)


class I3D(nn.Module):
  """I3D for RGB, up to the last Mixed block or an earlier layer.

  Attributes:
    width: channels of the first convolution, a multiple of 8; 64 in the paper.
      The others are as many times as wide.
    final_endpoint: the layer whose output is returned, one of ENDPOINTS; what
      comes behind it is not made.
    statistics_groups: see `BatchNorm`.
    momentum: share of BatchNorm's running statistics that a step keeps.
    conv_impl: how to run the convolutions; see `same_convolution`.
    dtype: dtype of the computation.
    remat: keep only the input of each layer of ENDPOINTS for the backward pass,
      which then computes the rest again.
  """

  width: int = 64
  final_endpoint: str = 'Mixed_5c'
  statistics_groups: int = 1
  momentum: float = 0.9
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> jax.Array:
    """Returns the feature maps.

    Args:
      video: float [batch, time, height, width, 3], RGB from -1 to 1; at least 8
        frames of 32 x 32 pixels. 64 frames of 224 x 224 in the paper.
      train: use the batch's own statistics in BatchNorm.

    Returns:
      `dtype` [batch, time', height', width', channels] of the endpoint. Of the
      last one ceil(time / 8), ceil(height / 32), ceil(width / 32) and
      16 * width: 8, 7, 7, 1024 in the paper.

    Raises:
      ValueError: the video is too small, or no video; or a field is wrong.
    """
    if (
      video.ndim != 5
      or video.shape[1] < LEAST_FRAMES
      or min(video.shape[2:4]) < LEAST_PIXELS
    ):
      raise ValueError(
        f'video of shape {video.shape}: give [batch, time, height, width, 3], '
        f'at least {LEAST_FRAMES} frames of {LEAST_PIXELS} x {LEAST_PIXELS}'
      )
    if self.final_endpoint not in ENDPOINTS or self.width % 8:
      raise ValueError(
        f'final_endpoint={self.final_endpoint!r}, width={self.width}: give one '
        f'of {", ".join(ENDPOINTS)}, and a multiple of 8'
      )

    def layer(module: I3D, features: jax.Array, name: str) -> jax.Array:
      if name in _POOLINGS:
        features = same_max_pool(features, *_POOLINGS[name])
      return module._layer(name)(features, train)

    if self.remat:
      layer = nn.remat(layer, static_argnums=(2,))
    features = video.astype(self.dtype)
    for name in ENDPOINTS:
      features = layer(self, features, name)
      if name == self.final_endpoint:
        break
    return features

  def _layer(self, name: str) -> nn.Module:
    """Returns the layer of a name."""
    options = _Options(
      self.statistics_groups, self.momentum, self.conv_impl, self.dtype
    )
    if name in _MIXED:
      channels = tuple(count * self.width // 64 for count in _MIXED[name])
      return _Mixed(channels, options, name=name)
    count, size, stride = _CONVOLUTIONS[name]
    return _Unit(count * self.width // 64, options, size, stride, name=name)
