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
  of `nn.max_pool`. Where values tie, they share the gradient.

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
  maxima = _windows(inputs, window)
  # One axis after the other: on CPU a reduction of all three takes longer than
  # the convolution before it.
  for axis in reversed(_WINDOW_AXES):
    maxima = functools.reduce(jnp.maximum, _pieces(maxima, axis))
  return maxima


def _forward(
  inputs: jax.Array, window: _Window
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  maxima = _pool(inputs, window)
  return maxima, (inputs, maxima)


def _backward(
  window: _Window,
  residuals: tuple[jax.Array, jax.Array],
  gradient: jax.Array,
) -> tuple[jax.Array]:
  # By a comparison with the maxima: the gradient that JAX finds writes a padded
  # array for each piece of a window, and computes what stands before it anew.
  inputs, maxima = residuals
  is_largest = _windows(inputs, window) == jnp.expand_dims(maxima, _WINDOW_AXES)
  ties = is_largest.astype(gradient.dtype)
  for axis in reversed(_WINDOW_AXES):
    ties = functools.reduce(jnp.add, _pieces(ties, axis))
  shares = jnp.expand_dims(gradient / ties, _WINDOW_AXES)
  return (jnp.where(is_largest, shares, 0).reshape(inputs.shape),)


_pool.defvjp(_forward, _backward)


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
