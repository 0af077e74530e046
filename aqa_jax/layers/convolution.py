"""3D convolution, in forms that XLA runs fast."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from aqa_jax.layers import onednn_convolution
from aqa_jax.layers.precision import precision_of

# Zeros (before, after) each of time, height and width.
_Padding = tuple[tuple[int, int], ...]


def convolve_stacked_2d(
  inputs: jax.Array,
  kernel: jax.Array,
  window_strides: tuple[int, ...],
  padding: Sequence[tuple[int, int]],
  lhs_dilation: tuple[int, ...] | None = None,
  rhs_dilation: tuple[int, ...] | None = None,
  dimension_numbers: lax.ConvDimensionNumbers | None = None,
  feature_group_count: int = 1,
  precision: lax.Precision | None = None,
) -> jax.Array:
  """Computes a 3 x 3 x 3 convolution as a 2D one of three stacked frames.

  Previous, present and next frame become channels of one frame. Faster, because
  on CPU XLA has fast kernels for 2D convolutions only, and on GPU it puts the
  channels of 3D ones first, which cuDNN then reverses. A training step takes
  less than half the time on CPU, and half of it in float32 on an H100.

  The signature is that of `lax.conv_general_dilated`, so that `nn.Conv` takes
  it as its `conv_general_dilated`.

  Args:
    inputs: float [batch, time, height, width, channels].
    kernel: float [3, 3, 3, channels, features].
    window_strides: all 1.
    padding: zeros (before, after) in time, height and width; at most twice the
      dilation.
    lhs_dilation: None or all 1.
    rhs_dilation: dilation of the kernel in time, height and width; None for all
      1.
    dimension_numbers: channels last, as `nn.Conv` gives them.
    feature_group_count: 1.
    precision: precision of the products.

  Returns:
    float [batch, time', height', width', features], with
    size' = size + before + after - 2 * dilation.

  Raises:
    ValueError: kernel, stride, padding or groups are others.
  """
  del dimension_numbers
  ones = (1, 1, 1)
  dilation = tuple(rhs_dilation or ones)
  pads = tuple((before, after) for before, after in padding)
  if (
    kernel.shape[:3] != (3, 3, 3)
    or tuple(window_strides) != ones
    or tuple(lhs_dilation or ones) != ones
    or feature_group_count != 1
    or any(
      not 0 <= pad <= 2 * step
      for sides, step in zip(pads, dilation, strict=True)
      for pad in sides
    )
  ):
    raise ValueError(
      'only 3 x 3 x 3, stride 1, padding up to twice the dilation has this form'
    )
  return _convolve(inputs, kernel, pads, dilation, precision)


def _convolve_stacked(
  inputs: jax.Array,
  kernel: jax.Array,
  padding: _Padding,
  dilation: tuple[int, ...],
  precision: lax.Precision | None,
) -> jax.Array:
  batch, _, height, width, channels = inputs.shape
  padded = jnp.pad(inputs, ((0, 0), padding[0], (0, 0), (0, 0), (0, 0)))
  time = padded.shape[1] - 2 * dilation[0]
  stacked = jnp.concatenate(
    [
      padded[:, start : start + time]
      for start in (0, dilation[0], 2 * dilation[0])
    ],
    axis=-1,
  )
  stacked = stacked.reshape(batch * time, height, width, 3 * channels)
  # [3, 3, 3 * channels, features]
  flat_kernel = kernel.transpose(1, 2, 0, 3, 4).reshape(3, 3, 3 * channels, -1)
  outputs = lax.conv_general_dilated(
    stacked,
    flat_kernel,
    window_strides=(1, 1),
    padding=padding[1:],
    rhs_dilation=dilation[1:],
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=precision,
  )
  return outputs.reshape(batch, time, *outputs.shape[1:])


_convolve = jax.custom_vjp(_convolve_stacked, nondiff_argnums=(2, 3, 4))


def _convolve_forward(
  inputs: jax.Array,
  kernel: jax.Array,
  padding: _Padding,
  dilation: tuple[int, ...],
  precision: lax.Precision | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  outputs = _convolve_stacked(inputs, kernel, padding, dilation, precision)
  return outputs, (inputs, kernel)


def _convolve_backward(
  padding: _Padding,
  dilation: tuple[int, ...],
  precision: lax.Precision | None,
  residuals: tuple[jax.Array, jax.Array],
  gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  inputs, kernel = residuals
  flipped = jnp.flip(kernel, (0, 1, 2)).transpose(0, 1, 2, 4, 3)
  opposite_padding = tuple(
    (2 * step - before, 2 * step - after)
    for (before, after), step in zip(padding, dilation, strict=True)
  )
  inputs_gradient = _convolve(
    gradient, flipped, opposite_padding, dilation, precision
  )

  def by_convolution(
    inputs: jax.Array, kernel: jax.Array, gradient: jax.Array
  ) -> jax.Array:
    _, pull_back = jax.vjp(
      lambda k: _convolve_stacked(inputs, k, padding, dilation, precision),
      kernel,
    )
    return pull_back(gradient)[0]

  def by_taps(
    inputs: jax.Array, kernel: jax.Array, gradient: jax.Array
  ) -> jax.Array:
    # One matrix product for each tap of the kernel, in a loop: on CPU two to
    # three times as fast as the convolution that XLA would make of it.
    padded = jnp.pad(inputs, ((0, 0), *padding, (0, 0)))
    channels, features = kernel.shape[3:]
    flat_gradient = gradient.reshape(-1, features)
    window = (*gradient.shape[:4], channels)

    def tap_gradient(offset: jax.Array) -> jax.Array:
      shifted = lax.dynamic_slice(padded, (0, *offset, 0), window)
      return shifted.reshape(-1, channels).T @ flat_gradient

    taps = jnp.stack(
      jnp.meshgrid(*(jnp.arange(3),) * 3, indexing='ij'), axis=-1
    ).reshape(27, 3)
    kernel_gradient = lax.map(tap_gradient, taps * jnp.array(dilation))
    return kernel_gradient.reshape(kernel.shape)

  kernel_gradient = lax.platform_dependent(
    inputs, kernel, gradient, cpu=by_taps, default=by_convolution
  )
  return inputs_gradient, kernel_gradient


_convolve.defvjp(_convolve_forward, _convolve_backward)


def convolve_hopper(
  inputs: jax.Array,
  kernel: jax.Array,
  window_strides: tuple[int, ...],
  padding: Sequence[tuple[int, int]],
  lhs_dilation: tuple[int, ...] | None = None,
  rhs_dilation: tuple[int, ...] | None = None,
  dimension_numbers: lax.ConvDimensionNumbers | None = None,
  feature_group_count: int = 1,
  precision: lax.Precision | None = None,
) -> jax.Array:
  """Computes a 3 x 3 x 3 convolution by `hopper_convolve` where that fits.

  It needs a Hopper GPU. Elsewhere, as in float32 or for the three channels of a
  video, by `convolve_stacked_2d`, whose arguments and errors it has.
  """
  ones = (1, 1, 1)
  dilation = tuple(rhs_dilation or ones)
  if (
    inputs.dtype == kernel.dtype == jnp.bfloat16
    and kernel.shape[:3] == (3, 3, 3)
    and tuple(window_strides) == ones
    and tuple(lhs_dilation or ones) == ones
    and feature_group_count == 1
    and [tuple(sides) for sides in padding] == [(s, s) for s in dilation]
  ):
    from aqa_jax.layers import hopper_convolution

    if hopper_convolution.fits(inputs.shape, kernel.shape[-1], dilation):
      return hopper_convolution.hopper_convolve(inputs, kernel, dilation)
  return convolve_stacked_2d(
    inputs,
    kernel,
    window_strides,
    padding,
    lhs_dilation,
    rhs_dilation,
    dimension_numbers,
    feature_group_count,
    precision,
  )


def convolve_onednn(
  inputs: jax.Array,
  kernel: jax.Array,
  window_strides: tuple[int, ...],
  padding: Sequence[tuple[int, int]],
  lhs_dilation: tuple[int, ...] | None = None,
  rhs_dilation: tuple[int, ...] | None = None,
  dimension_numbers: lax.ConvDimensionNumbers | None = None,
  feature_group_count: int = 1,
  precision: lax.Precision | None = None,
) -> jax.Array:
  """Computes a 3 x 3 x 3 convolution by `onednn_convolve` where that fits.

  It needs one CPU device and the package of oneDNN. Elsewhere, as in bfloat16,
  by `convolve_stacked_2d`, whose arguments and errors it has.
  """
  if kernel.shape[:3] == (3, 3, 3) and tuple(window_strides) == (1, 1, 1):
    convolution = onednn_convolution.described(
      *(inputs, kernel, window_strides, padding),
      *(lhs_dilation, rhs_dilation, feature_group_count),
    )
    if convolution is not None:
      return onednn_convolution.onednn_convolve(inputs, kernel, convolution)
  return convolve_stacked_2d(
    inputs,
    kernel,
    window_strides,
    padding,
    lhs_dilation,
    rhs_dilation,
    dimension_numbers,
    feature_group_count,
    precision,
  )


# None: XLA's own 3D convolution.
_IMPLEMENTATIONS = {
  'direct': None,
  'stacked_2d': convolve_stacked_2d,
  'hopper': convolve_hopper,
  'onednn': convolve_onednn,
}
CONV_IMPLS = tuple(_IMPLEMENTATIONS)


def convolution(
  features: int,
  conv_impl: str,
  dtype: DTypeLike,
  padding: int = 1,
  dilation: int = 1,
  *,
  kernel_init: nn.initializers.Initializer | None = None,
  bias_init: nn.initializers.Initializer | None = None,
  name: str | None = None,
) -> nn.Conv:
  """Returns a 3 x 3 x 3 convolution with zero padding, stride 1, and bias.

  Args:
    features: output channels.
    conv_impl: one of CONV_IMPLS: 'direct', XLA's 3D convolution;
      'stacked_2d', see `convolve_stacked_2d`; 'hopper', see `convolve_hopper`;
      or 'onednn', see `convolve_onednn`. Same parameters, same result to
      rounding.
    dtype: dtype of the computation; parameters are float32.
    padding: on every side.
    dilation: dilation of the kernel.
    kernel_init: initializer of the kernel; None for Flax's default.
    bias_init: initializer of the bias; None for zeros, Flax's default.
    name: name of the module; None where it is set by Flax.
  """
  return nn.Conv(
    features,
    kernel_size=(3, 3, 3),
    padding=((padding, padding),) * 3,
    kernel_dilation=dilation,
    dtype=dtype,
    precision=precision_of(dtype),
    conv_general_dilated=_IMPLEMENTATIONS[conv_impl],
    kernel_init=kernel_init or nn.initializers.lecun_normal(),
    bias_init=bias_init or nn.initializers.zeros_init(),
    name=name,
  )
