"""Max-pooling of non-overlapping windows."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

# Size and stride in time, height and width.
_Window = tuple[int, int, int]
# Axes of [batch, time', window, height', window, width', window, channels].
_WINDOW_AXES = (2, 4, 6)


def max_pool(
  inputs: jax.Array,
  window: _Window,
  padding: tuple[int, int, int] = (0, 0, 0),
) -> jax.Array:
  """Max-pools non-overlapping windows, as PyTorch's MaxPool3d does.

  Its gradient is deterministic on GPU and several times faster on CPU than that
  of `nn.max_pool`. Where values tie, the first has the gradient.

  Args:
    inputs: float [batch, time, height, width, channels].
    window: size and stride in time, height and width.
    padding: on both sides of time, height and width, with minus infinity;
      windows that would reach past the padding are dropped.

  Returns:
    float [batch, time', height', width', channels], with
    size' = (size + 2 * padding - window) // window + 1.
  """
  sizes = inputs.shape[1:-1]
  pads = [(0, 0, 0)]
  for size, length, pad in zip(sizes, window, padding, strict=True):
    count = (size + 2 * pad - length) // length + 1
    # Padding at the end, or (negative) cutting off what no window covers.
    pads.append((pad, count * length - size - pad, 0))
  pads.append((0, 0, 0))
  minus_infinity = jnp.array(-jnp.inf, inputs.dtype)
  return _pool(lax.pad(inputs, minus_infinity, pads), window)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _pool(inputs: jax.Array, window: _Window) -> jax.Array:
  """Returns the maxima of windows that cover the inputs."""
  return _maxima(inputs, window)[0]


def _maxima(inputs: jax.Array, window: _Window) -> tuple[jax.Array, jax.Array]:
  """Returns the maxima, and the place of each in its window, from 0, int8."""
  maxima = _windows(inputs, window)
  places = _places(window)
  # One axis after the other: on CPU a reduction of all three takes longer than
  # the convolution before it.
  for axis in reversed(_WINDOW_AXES):
    of_values, of_places = _pieces(maxima, axis), _pieces(places, axis)
    maxima, places = of_values[0], of_places[0]
    for value, place in zip(of_values[1:], of_places[1:], strict=True):
      places = jnp.where(value > maxima, place, places)
      maxima = jnp.maximum(maxima, value)
  return maxima, jnp.broadcast_to(places, maxima.shape)


def _forward(inputs: jax.Array, window: _Window) -> tuple[jax.Array, jax.Array]:
  return _maxima(inputs, window)


def _backward(
  window: _Window, places: jax.Array, gradient: jax.Array
) -> tuple[jax.Array]:
  # By the places: the gradient that JAX finds writes a padded array for each
  # piece of a window, and computes what stands before it anew. And not by a
  # comparison of inputs and maxima: XLA may compute the inputs twice, and round
  # them otherwise.
  is_largest = jnp.expand_dims(places, _WINDOW_AXES) == _places(window)
  of_inputs = jnp.where(is_largest, jnp.expand_dims(gradient, _WINDOW_AXES), 0)
  batch, *counts, channels = gradient.shape
  sizes = [n * length for n, length in zip(counts, window, strict=True)]
  return (of_inputs.reshape(batch, *sizes, channels),)


_pool.defvjp(_forward, _backward)


def _places(window: _Window) -> jax.Array:
  """Returns the places in a window, int8 [1, 1, window, 1, window, ...]."""
  time, height, width = window
  numbers = jnp.arange(time * height * width, dtype=jnp.int8)
  return numbers.reshape(1, 1, time, 1, height, 1, width, 1)


def _windows(inputs: jax.Array, window: _Window) -> jax.Array:
  # [batch, time', window, height', window, width', window, channels]
  batch, *sizes, channels = inputs.shape
  split = [
    part
    for size, length in zip(sizes, window, strict=True)
    for part in (size // length, length)
  ]
  return inputs.reshape(batch, *split, channels)


def _pieces(windows: jax.Array, axis: int) -> Sequence[jax.Array]:
  """Returns the arrays along an axis, without it."""
  return [
    lax.index_in_dim(windows, index, axis, keepdims=False)
    for index in range(windows.shape[axis])
  ]
