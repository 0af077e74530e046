"""Convolution and max pooling with TensorFlow's SAME padding.

Where a stride does not divide a size evenly, SAME pads less before than after,
which PyTorch's symmetric padding can't express.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from aqa_jax.layers import onednn_convolution
from aqa_jax.layers.convolution import convolve_stacked_2d
from aqa_jax.layers.precision import precision_of

_ONES = (1, 1, 1)
# In time, height and width.
_Sizes = tuple[int, int, int]


def same_convolution(
  inputs: jax.Array,
  features: int,
  kernel_size: _Sizes,
  strides: _Sizes = _ONES,
  *,
  conv_impl: str = 'direct',
  dtype: DTypeLike = jnp.float32,
  name: str | None = None,
) -> jax.Array:
  """3D convolution without bias; for use within a compact module.

  Args:
    inputs: float [batch, time, height, width, channels].
    features: channels of the output.
    kernel_size: of the kernel, in time, height and width.
    strides: in time, height and width.
    conv_impl: one of `convolution.CONV_IMPLS`: 'direct', XLA's 3D convolution;
      'stacked_2d', which runs it as a 2D one of stacked frames, and a kernel of
      one value as a matrix product; or 'onednn', which runs it by oneDNN where
      that fits, and else as 'stacked_2d'. Same parameters, same result to
      rounding. 'hopper' is the same as 'stacked_2d' here: its kernels were not
      tried on I3D's layers.
    dtype: dtype of the computation; parameters are float32.
    name: name of the module; None where it is set by Flax.

  Returns:
    `dtype` [batch, time', height', width', features], size' = ceil(size /
    stride).
  """
  pads = lax.padtype_to_pads(inputs.shape[1:4], kernel_size, strides, 'SAME')
  return nn.Conv(
    features,
    kernel_size=kernel_size,
    strides=strides,
    padding=pads,
    use_bias=False,
    dtype=dtype,
    precision=precision_of(dtype),
    conv_general_dilated=_IMPLEMENTATIONS[conv_impl],
    name=name,
  )(inputs)


def _convolve_stacked(
  inputs: jax.Array,
  kernel: jax.Array,
  window_strides: Sequence[int],
  padding: Sequence[tuple[int, int]],
  lhs_dilation: Sequence[int] | None = None,
  rhs_dilation: Sequence[int] | None = None,
  dimension_numbers: lax.ConvDimensionNumbers | None = None,
  feature_group_count: int = 1,
  precision: lax.Precision | None = None,
) -> jax.Array:
  """Computes a 3D convolution without dilation by 2D ones.

  The signature is that of `lax.conv_general_dilated`.
  """
  del lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count
  length, *size = kernel.shape[:3]
  stride, *strides = window_strides
  if kernel.shape[:3] == _ONES == tuple(window_strides):
    return jnp.einsum(
      '...c,cf->...f', inputs, kernel[0, 0, 0], precision=precision
    )
  if kernel.shape[:3] == (3, 3, 3) and tuple(window_strides) == _ONES:
    # Its gradient is faster than the one that JAX would derive.
    return convolve_stacked_2d(
      inputs, kernel, _ONES, padding, precision=precision
    )
  batch, _, *frame = inputs.shape
  padded = jnp.pad(inputs, ((0, 0), padding[0], (0, 0), (0, 0), (0, 0)))
  time = (padded.shape[1] - length) // stride + 1
  stacked = jnp.concatenate(
    [
      padded[:, first : first + (time - 1) * stride + 1 : stride]
      for first in range(length)
    ],
    axis=-1,
  )
  # [height, width, length * channels, features]
  flat_kernel = kernel.transpose(1, 2, 0, 3, 4).reshape(
    *size, -1, kernel.shape[-1]
  )
  outputs = lax.conv_general_dilated(
    stacked.reshape(batch * time, *frame[:2], -1),
    flat_kernel,
    window_strides=strides,
    padding=padding[1:],
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=precision,
  )
  return outputs.reshape(batch, time, *outputs.shape[1:])


def _convolve_onednn(
  inputs: jax.Array,
  kernel: jax.Array,
  window_strides: Sequence[int],
  padding: Sequence[tuple[int, int]],
  lhs_dilation: Sequence[int] | None = None,
  rhs_dilation: Sequence[int] | None = None,
  dimension_numbers: lax.ConvDimensionNumbers | None = None,
  feature_group_count: int = 1,
  precision: lax.Precision | None = None,
) -> jax.Array:
  """Computes a 3D convolution by oneDNN, or as `_convolve_stacked` does."""
  # A kernel of one value is a matrix product, in which XLA is faster.
  if kernel.shape[:3] != _ONES:
    convolution = onednn_convolution.described(
      *(inputs, kernel, window_strides, padding),
      *(lhs_dilation, rhs_dilation, feature_group_count),
    )
    if convolution is not None:
      return onednn_convolution.onednn_convolve(inputs, kernel, convolution)
  return _convolve_stacked(
    inputs, kernel, window_strides, padding, precision=precision
  )


_IMPLEMENTATIONS = {
  'direct': None,
  'stacked_2d': _convolve_stacked,
  'hopper': _convolve_stacked,
  'onednn': _convolve_onednn,
}


def same_max_pool(
  inputs: jax.Array, window: _Sizes, strides: _Sizes
) -> jax.Array:
  """Max-pools windows that may overlap; padding never is the maximum.

  Written as maxima of shifted slices, one axis after the other: the gradient is
  deterministic on GPU, which that of `nn.max_pool` is not. Where values tie,
  they share the gradient.

  Args:
    inputs: float [batch, time, height, width, channels].
    window: size in time, height and width.
    strides: in time, height and width.

  Returns:
    float [batch, time', height', width', channels], size' = ceil(size /
    stride).
  """
  pads = lax.padtype_to_pads(inputs.shape[1:4], window, strides, 'SAME')
  minus_infinity = jnp.array(-jnp.inf, inputs.dtype)
  for axis, (length, stride, (before, after)) in enumerate(
    zip(window, strides, pads, strict=True), start=1
  ):
    if length == 1 == stride:
      continue
    padding = [(0, 0, 0)] * inputs.ndim
    padding[axis] = (before, after, 0)
    padded = lax.pad(inputs, minus_infinity, padding)
    span = padded.shape[axis] - length + 1
    pieces = [
      lax.slice_in_dim(padded, first, first + span, stride, axis)
      for first in range(length)
    ]
    inputs = functools.reduce(jnp.maximum, pieces)
  return inputs
