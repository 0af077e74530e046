"""3D convolution in bfloat16 on the tensor cores of Hopper GPUs.

A convolution is laid out as products of shifted rows; see `hopper_products`.
Time comes first, so that a shift in time is one by whole time steps, and each
row holds a pixel with its left and right neighbour, so that all other shifts
are by whole image rows. What that takes of time: docs/scaling.md.

It imports Pallas, which takes some 0.15 s: import it where it is used.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from aqa_jax.layers import hopper_outer_products, hopper_products


def fits(
  shape: tuple[int, ...], features: int, dilation: tuple[int, ...]
) -> bool:
  """Returns whether `hopper_convolve` takes an input.

  Args:
    shape: of the input, [batch, time, height, width, channels].
    features: channels of the result.
    dilation: of the kernel, in time, height and width.
  """
  batch, _, height, width, channels = shape
  rows = batch * (height + dilation[1]) * _padded(width)
  return (
    channels % 64 == 0
    and features % 128 == 0
    and hopper_products.fits(rows, 3 * channels, features)
  )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def hopper_convolve(
  inputs: jax.Array,
  kernel: jax.Array,
  dilation: tuple[int, int, int] = (1, 1, 1),
  interpret: Any = False,
) -> jax.Array:
  """Computes a 3 x 3 x 3 convolution that keeps the size, with stride 1.

  Args:
    inputs: bfloat16 [batch, time, height, width, channels]; see `fits`.
    kernel: bfloat16 [3, 3, 3, channels, features].
    dilation: of the kernel, in time, height and width. Padding is as much.
    interpret: parameters of Pallas' interpreter, for tests on CPU.

  Returns:
    bfloat16 [batch, time, height, width, features]; sums are float32.
  """
  return _forward(inputs, kernel, dilation, interpret)[0]


def _forward(
  inputs: jax.Array,
  kernel: jax.Array,
  dilation: tuple[int, int, int],
  interpret: Any,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  rows = _with_neighbours(inputs, dilation)
  *_, channels, features = kernel.shape
  products = hopper_products.shifted_products(
    rows,
    # [time, height, width * channels, features]
    kernel.reshape(3, 3, 3 * channels, features),
    *_steps(inputs, dilation),
    interpret,
  )
  outputs = _as_video(products, inputs, dilation)
  return outputs, (rows, kernel)


def _backward(
  dilation: tuple[int, int, int],
  interpret: Any,
  residuals: tuple[jax.Array, jax.Array],
  gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  rows, kernel = residuals
  *_, channels, features = kernel.shape
  steps = _steps(gradient, dilation)
  # The convolution with the flipped kernel.
  flipped = jnp.flip(kernel, (0, 1, 2)).swapaxes(3, 4)
  if channels < features:
    # Three results for each row, of which the neighbours take their part, are
    # fewer numbers than each row with its neighbours.
    gradient_rows, columns = _as_rows(gradient, dilation), (0, features)
    products = hopper_products.shifted_products(
      gradient_rows,
      # [time, height, features, width * channels]
      flipped.transpose(0, 1, 3, 2, 4).reshape(3, 3, features, 3 * channels),
      *steps,
      interpret,
    )
    parts = _as_video(products, gradient, dilation)
    inputs_gradient = _sum_of_parts(parts, dilation[2])
  else:
    gradient_rows = _with_neighbours(gradient, dilation)
    columns = features, features
    products = hopper_products.shifted_products(
      gradient_rows,
      flipped.reshape(3, 3, 3 * features, channels),
      *steps,
      interpret,
    )
    inputs_gradient = _as_video(products, gradient, dilation)
  kernel_gradient = hopper_outer_products.shifted_outer_products(
    rows, gradient_rows, columns, *steps, interpret
  )
  # [time, height, features, width, channels]
  kernel_gradient = kernel_gradient.reshape(3, 3, features, 3, channels)
  return (
    inputs_gradient.astype(gradient.dtype),
    kernel_gradient.transpose(0, 1, 3, 4, 2).astype(kernel.dtype),
  )


hopper_convolve.defvjp(_forward, _backward)


def _sum_of_parts(parts: jax.Array, step: int) -> jax.Array:
  """Returns the sum of what the left, the own and the right pixel get.

  Args:
    parts: bfloat16 [batch, time, height, width, 3 * channels].
    step: from a pixel to its neighbour.

  Returns:
    float32 [batch, time, height, width, channels].
  """
  left, own, right = jnp.split(parts.astype(jnp.float32), 3, axis=-1)
  return own + _moved(left, step) + _moved(right, -step)


def _padded(width: int) -> int:
  return width + -width % 8


def _steps(video: jax.Array, dilation: tuple[int, int, int]) -> tuple[int, int]:
  """Returns the shifts in time, and in rows for one in height."""
  return dilation[0], dilation[1] * _padded(video.shape[3])


def _as_rows(video: jax.Array, dilation: tuple[int, int, int]) -> jax.Array:
  """Returns [time, batch * (height + dilation) * padded width, channels].

  Zeros above an image are also those below the image before it.
  """
  time_first = video.swapaxes(0, 1)
  width = video.shape[3]
  padding = (0, 0), (0, 0), (dilation[1], 0), (0, -width % 8), (0, 0)
  padded = jnp.pad(time_first, padding)
  return padded.reshape(padded.shape[0], -1, padded.shape[-1])


def _with_neighbours(
  video: jax.Array, dilation: tuple[int, int, int]
) -> jax.Array:
  """Returns `_as_rows` with the channels of left, own and right pixel."""
  step = dilation[2]
  neighbours = [_moved(video, step), video, _moved(video, -step)]
  return _as_rows(jnp.concatenate(neighbours, axis=-1), dilation)


def _moved(video: jax.Array, pixels: int) -> jax.Array:
  """Returns a video moved to the right, with zeros where nothing comes."""
  width = video.shape[3]
  padding = [(0, 0)] * 5
  padding[3] = (max(pixels, 0), max(-pixels, 0))
  first = max(-pixels, 0)
  return jnp.pad(video, padding)[:, :, :, first : first + width]


def _as_video(
  rows: jax.Array, like: jax.Array, dilation: tuple[int, int, int]
) -> jax.Array:
  """Returns rows as [batch, time, height, width, channels]."""
  batch, time, height, width, _ = like.shape
  padded = rows.reshape(
    time, batch, height + dilation[1], _padded(width), rows.shape[-1]
  )
  return padded[:, :, dilation[1] :, :width].swapaxes(0, 1)
