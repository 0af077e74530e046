import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from aqa_jax.layers.same_padding import same_convolution, same_max_pool

# Time, height and width: even, odd, and smaller than the kernel.
_CONVOLUTIONS = [
  ((2, 4, 6, 8, 3), (7, 7, 7), (2, 2, 2), 'stacked_2d'),
  ((1, 5, 7, 9, 2), (7, 7, 7), (2, 2, 2), 'stacked_2d'),
  ((1, 1, 2, 3, 2), (7, 7, 7), (2, 2, 2), 'direct'),
  ((1, 5, 7, 9, 2), (3, 3, 3), (1, 1, 1), 'stacked_2d'),
  ((1, 5, 7, 9, 2), (1, 1, 1), (1, 1, 1), 'stacked_2d'),
  ((2, 4, 6, 8, 3), (1, 1, 1), (2, 1, 2), 'stacked_2d'),
  ((1, 1, 2, 3, 2), (2, 3, 1), (1, 2, 3), 'stacked_2d'),
]
_POOLINGS = [
  ((2, 4, 6, 8, 3), (1, 3, 3), (1, 2, 2)),
  ((1, 5, 7, 9, 2), (1, 3, 3), (1, 2, 2)),
  ((2, 4, 6, 8, 3), (3, 3, 3), (2, 2, 2)),
  ((1, 5, 7, 9, 2), (3, 3, 3), (1, 1, 1)),
  ((1, 5, 7, 9, 2), (2, 2, 2), (2, 2, 2)),
  ((1, 1, 2, 3, 2), (3, 3, 3), (2, 2, 2)),
  ((2, 4, 6, 8, 3), (1, 1, 1), (2, 1, 3)),
]


class _Convolution(nn.Module):
  kernel_size: tuple[int, int, int]
  strides: tuple[int, int, int]
  conv_impl: str

  @nn.compact
  def __call__(self, inputs):
    return same_convolution(
      inputs, 4, self.kernel_size, self.strides, conv_impl=self.conv_impl
    )


def _inputs(shape):
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _outputs_and_gradients(run, *arguments):
  """Returns the outputs, and a gradient that differs from place to place."""

  @jax.jit
  def results(*arguments):
    outputs, pull_back = jax.vjp(run, *arguments)
    return outputs, *pull_back(jnp.cos(outputs))

  return results(*arguments)


def _assert_equal(ours, native):
  for mine, theirs in zip(ours, native, strict=True):
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
  'shape, kernel_size, strides, conv_impl', _CONVOLUTIONS
)
def test_convolution_equals_that_of_lax(shape, kernel_size, strides, conv_impl):
  model = _Convolution(kernel_size, strides, conv_impl)
  inputs = _inputs(shape)
  kernel = 0.1 * _inputs((*kernel_size, shape[-1], 4))
  shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)
  assert jax.tree.map(lambda leaf: leaf.shape, shapes) == {
    'params': {'Conv_0': {'kernel': kernel.shape}}
  }

  def ours(kernel, inputs):
    return model.apply({'params': {'Conv_0': {'kernel': kernel}}}, inputs)

  def native(kernel, inputs):
    return lax.conv_general_dilated(
      inputs,
      kernel,
      strides,
      'SAME',
      dimension_numbers=('NDHWC', 'DHWIO', 'NDHWC'),
    )

  _assert_equal(
    _outputs_and_gradients(ours, kernel, inputs),
    _outputs_and_gradients(native, kernel, inputs),
  )


@pytest.mark.parametrize('shape, window, strides', _POOLINGS)
def test_max_pool_equals_flax(shape, window, strides):
  inputs = _inputs(shape) - 9  # All negative: padding with zeros would show.
  _assert_equal(
    _outputs_and_gradients(lambda x: same_max_pool(x, window, strides), inputs),
    _outputs_and_gradients(
      lambda x: nn.max_pool(x, window, strides, 'SAME'), inputs
    ),
  )


def test_padding_is_at_the_end_first():
  """By hand: four values, window 3, stride 2: nothing before, one after."""
  row = jnp.array([4.0, 1, 2, 3]).reshape(1, 1, 1, 4, 1)
  pooled = same_max_pool(row, (1, 1, 3), (1, 1, 2))
  np.testing.assert_array_equal(pooled.ravel(), [4, 3])
