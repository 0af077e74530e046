import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aqa_jax.layers.max_pool import max_pool


@pytest.mark.parametrize(
  'shape, window, padding',
  [
    ((2, 4, 6, 8, 3), (2, 2, 2), (0, 0, 0)),
    ((2, 4, 6, 8, 3), (1, 2, 2), (0, 0, 0)),
    ((1, 5, 7, 9, 2), (2, 2, 2), (0, 0, 0)),
    ((1, 2, 7, 7, 2), (2, 2, 2), (0, 1, 1)),
    ((1, 2, 8, 8, 2), (2, 2, 2), (0, 1, 1)),
    ((1, 3, 5, 5, 2), (3, 3, 3), (0, 1, 1)),
  ],
)
def test_max_pool_equals_flax(shape, window, padding):
  # All negative: padding with zeros would show.
  inputs = np.random.default_rng(1).normal(size=shape).astype(np.float32) - 9
  expected = nn.max_pool(
    inputs, window, strides=window, padding=[(p, p) for p in padding]
  )
  pooled = max_pool(inputs, window, padding)
  assert pooled.shape == tuple(
    [shape[0]]
    + [
      (size + 2 * pad - length) // length + 1
      for size, length, pad in zip(shape[1:4], window, padding, strict=True)
    ]
    + [shape[4]]
  )
  np.testing.assert_array_equal(pooled, expected)


def test_max_pool_as_pytorch_does_it():
  """By hand: torch.nn.MaxPool3d((1, 2, 2), padding=(0, 1, 1)), 3 x 3 values."""
  frame = -jnp.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
  pooled = max_pool(frame[None, None, :, :, None], (1, 2, 2), (0, 1, 1))
  np.testing.assert_array_equal(
    pooled[0, 0, :, :, 0], -jnp.array([[1.0, 2], [4, 5]])
  )
  # Without padding the last row and column belong to no window.
  pooled = max_pool(frame[None, None, :, :, None], (1, 2, 2))
  np.testing.assert_array_equal(pooled[0, 0, :, :, 0], [[-1.0]])


def test_gradient_of_max_pool():
  inputs = np.random.default_rng(2).normal(size=(2, 4, 5, 6, 3))
  inputs = inputs.astype(np.float32)
  weights = np.random.default_rng(3).normal(size=(2, 2, 3, 4, 3))
  weights = weights.astype(np.float32)

  def gradient(pool):
    def loss(inputs):
      return (pool(inputs) * weights).sum()

    return jax.jit(jax.grad(loss))(inputs)

  ours = gradient(lambda x: max_pool(x, (2, 2, 2), (0, 1, 1)))
  flax = gradient(
    lambda x: nn.max_pool(
      x, (2, 2, 2), strides=(2, 2, 2), padding=((0, 0), (1, 1), (1, 1))
    )
  )
  np.testing.assert_array_equal(ours, flax)
  again = gradient(lambda x: max_pool(x, (2, 2, 2), (0, 1, 1)))
  np.testing.assert_array_equal(ours, again)


def test_gradient_of_ties():
  """By hand, as PyTorch does it: the first of the largest has the gradient."""
  frame = jnp.array([[1.0, 3, 1, 5], [3, 0, 5, 2]])
  weights = jnp.array([6.0, 8.0]).reshape(1, 1, 1, 2, 1)

  def loss(frame):
    return (max_pool(frame[None, None, :, :, None], (1, 2, 2)) * weights).sum()

  np.testing.assert_array_equal(
    jax.grad(loss)(frame), [[0.0, 6, 0, 8], [0, 0, 0, 0]]
  )


@pytest.mark.parametrize('window', [(1, 2, 2), (2, 2, 2), (3, 3, 3)])
def test_every_window_passes_its_gradient_on(window):
  """Whatever XLA computes anew, and rounds otherwise, on the way back."""
  inputs = jax.random.normal(jax.random.key(0), (2, 6, 6, 6, 8))
  weights = jax.random.normal(jax.random.key(1), (8,))

  def loss(inputs):
    mean = inputs.mean((0, 1, 2, 3))
    normalized = (inputs - mean) * jax.lax.rsqrt(
      ((inputs - mean) ** 2).mean((0, 1, 2, 3)) + 1e-5
    )
    features = nn.relu(normalized * weights + 1.0)
    return max_pool(features, window).sum(), features

  def passed(inputs):
    return jax.grad(
      lambda added: max_pool(
        nn.relu(inputs * weights + 1.0) + added, window
      ).sum()
    )(jnp.zeros_like(inputs))

  gradient, _ = jax.jit(jax.grad(loss, has_aux=True))(inputs)
  assert np.isfinite(gradient).all()
  sums = jax.jit(passed)(inputs).sum()
  assert sums == inputs.size / np.prod(window)
