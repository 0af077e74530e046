"""3D convolution and pooling, each with the form that the backend runs best."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax


def convolve_by_time_shifts(
  inputs: jax.Array,
  kernel: jax.Array,
  window_strides: tuple[int, ...],
  padding: object,
  lhs_dilation: tuple[int, ...] | None = None,
  rhs_dilation: tuple[int, ...] | None = None,
  dimension_numbers: object = None,
  feature_group_count: int = 1,
  precision: object = None,
) -> jax.Array:
  """A 3 x 3 x 3 convolution as one 2D convolution of three shifted frames.

  XLA's CPU backend has fast kernels for 2D convolutions only. Stacking the
  previous, present and next frame in the channels turns the temporal taps into
  channels; a training step then takes under half the time.

  The signature is that of `lax.conv_general_dilated`, so that `nn.Conv` takes
  it as its `conv_general_dilated`.

  Args:
    inputs: float [batch, time, height, width, channels].
    kernel: float [3, 3, 3, channels, features].
    window_strides: all 1.
    padding: ((1, 1), (1, 1), (1, 1)), zeros.
    lhs_dilation: None or all 1.
    rhs_dilation: None or all 1.
    dimension_numbers: channels last, as `nn.Conv` gives them.
    feature_group_count: 1.
    precision: ignored; CPU has one.

  Returns:
    float [batch, time, height, width, features].

  Raises:
    ValueError: for any other convolution.
  """
  del dimension_numbers, precision
  ones = (1, 1, 1)
  if (
    kernel.shape[:3] != (3, 3, 3)
    or tuple(window_strides) != ones
    or tuple(map(tuple, padding)) != ((1, 1),) * 3
    or tuple(lhs_dilation or ones) != ones
    or tuple(rhs_dilation or ones) != ones
    or feature_group_count != 1
  ):
    raise ValueError('only 3 x 3 x 3, stride 1, padding 1 has this form')
  return _convolve(inputs, kernel)


@jax.custom_vjp
def _convolve(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
  batch, time, height, width, channels = inputs.shape
  padded = jnp.pad(inputs, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
  stacked = jnp.concatenate(
    [padded[:, shift : shift + time] for shift in range(3)], axis=-1
  )
  stacked = stacked.reshape(batch * time, height, width, 3 * channels)
  # [3, 3, 3 * channels, features]
  flat_kernel = kernel.transpose(1, 2, 0, 3, 4).reshape(3, 3, 3 * channels, -1)
  outputs = lax.conv_general_dilated(
    stacked,
    flat_kernel,
    window_strides=(1, 1),
    padding=((1, 1), (1, 1)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  return outputs.reshape(batch, time, height, width, -1)


def _convolve_forward(inputs, kernel):
  return _convolve(inputs, kernel), (inputs, kernel)


def _convolve_backward(residuals, gradient):
  inputs, kernel = residuals
  flipped = jnp.flip(kernel, (0, 1, 2)).transpose(0, 1, 2, 4, 3)
  inputs_gradient = _convolve(gradient, flipped)
  # One matrix product for each tap of the kernel, in a loop: two to three times
  # as fast as the convolution that XLA would make of it.
  padded = jnp.pad(inputs, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)))
  channels, features = kernel.shape[3:]
  flat_gradient = gradient.reshape(-1, features)

  def tap_gradient(tap):
    shifted = lax.dynamic_slice(padded, (0, *tap, 0), inputs.shape)
    return shifted.reshape(-1, channels).T @ flat_gradient

  taps = jnp.stack(
    jnp.meshgrid(*(jnp.arange(3),) * 3, indexing='ij'), axis=-1
  ).reshape(27, 3)
  kernel_gradient = lax.map(tap_gradient, taps)
  return inputs_gradient, kernel_gradient.reshape(kernel.shape)


_convolve.defvjp(_convolve_forward, _convolve_backward)


def convolution(
  features: int, by_time_shifts: bool, dtype: object, name: str
) -> nn.Conv:
  """Returns a 3 x 3 x 3 convolution with zero padding 1, stride 1, and bias.

  Args:
    features: output channels.
    by_time_shifts: run it as `convolve_by_time_shifts`. Same parameters, same
      result to rounding.
    dtype: of the computation; parameters are float32.
    name: of the module.
  """
  return nn.Conv(
    features,
    kernel_size=(3, 3, 3),
    padding=((1, 1), (1, 1), (1, 1)),
    kernel_init=nn.initializers.he_normal(),
    dtype=dtype,
    conv_general_dilated=convolve_by_time_shifts if by_time_shifts else None,
    name=name,
  )


def max_pool(
  inputs: jax.Array,
  window: tuple[int, int, int],
  padding: tuple[int, int, int] = (0, 0, 0),
) -> jax.Array:
  """Max-pools non-overlapping windows, as PyTorch's MaxPool3d does.

  Written as a reshape and maxima: its gradient is deterministic on GPU and
  several times faster on CPU than that of `nn.max_pool`. Where values tie, they
  share the gradient.

  Args:
    inputs: float [batch, time, height, width, channels].
    window: size and stride in time, height and width.
    padding: on both sides of time, height and width, with minus infinity;
      windows that would reach past the padding are dropped.

  Returns:
    float [batch, time', height', width', channels], with
    size' = (size + 2 * padding - window) // window + 1.
  """
  batch, *sizes, channels = inputs.shape
  pads, counts = [(0, 0, 0)], []
  for size, length, pad in zip(sizes, window, padding, strict=True):
    count = (size + 2 * pad - length) // length + 1
    counts.append(count)
    # Padding at the end, or (negative) cutting off what no window covers.
    pads.append((pad, count * length - size - pad, 0))
  pads.append((0, 0, 0))
  minus_infinity = jnp.array(-jnp.inf, inputs.dtype)
  inputs = lax.pad(inputs, minus_infinity, pads)
  split = [size for pair in zip(counts, window, strict=True) for size in pair]
  # [batch, time', window, height', window, width', window, channels]
  pooled = inputs.reshape(batch, *split, channels)
  for axis, length in ((6, window[2]), (4, window[1]), (2, window[0])):
    # Pairs rather than `max`: its gradient counts the ties in a reduction,
    # which XLA's CPU backend makes slower than the convolution before it.
    pieces = [
      lax.index_in_dim(pooled, index, axis, keepdims=False)
      for index in range(length)
    ]
    pooled = functools.reduce(jnp.maximum, pieces)
  return pooled
