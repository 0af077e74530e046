import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aqa_jax.layers.convolution import CONV_IMPLS
from aqa_jax.trunks.c3d import C3D

# name -> (input, output channels) of the published network.
_CHANNELS = {
  'conv1': (3, 64), 'conv2': (64, 128), 'conv3a': (128, 256),
  'conv3b': (256, 256), 'conv4a': (256, 512), 'conv4b': (512, 512),
  'conv5a': (512, 512), 'conv5b': (512, 512),
}  # fmt: skip


def _shapes(model, *video_shape):
  return jax.eval_shape(
    lambda key: model.init_with_output(
      key, jnp.zeros((2, *video_shape)), train=False
    ),
    jax.random.key(0),
  )


def _numpy_c3d(params, video):
  """C3D by sums over shifted copies, channels last, as [b, t, h, w, c]."""

  def convolve(x, kernel, bias):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)))
    _, time, height, width, _ = x.shape
    total = 0
    for t, y, z in np.ndindex(3, 3, 3):
      piece = padded[:, t : t + time, y : y + height, z : z + width]
      total = total + piece @ kernel[t, y, z]
    return np.maximum(total + bias, 0)

  def pool(x, window, pad):
    x = np.pad(
      x,
      ((0, 0), (0, 0), (pad, pad), (pad, pad), (0, 0)),
      constant_values=-np.inf,
    )
    time, height, width = (
      size // length for size, length in zip(x.shape[1:4], window, strict=True)
    )
    pooled = np.empty((x.shape[0], time, height, width, x.shape[4]))
    for t, y, z in np.ndindex(time, height, width):
      pooled[:, t, y, z] = x[
        :,
        window[0] * t : window[0] * (t + 1),
        2 * y : 2 * y + 2,
        2 * z : 2 * z + 2,
      ].max(axis=(1, 2, 3))
    return pooled

  for names, window, pad in (
    (['conv1'], (1, 2, 2), 0),
    (['conv2'], (2, 2, 2), 0),
    (['conv3a', 'conv3b'], (2, 2, 2), 0),
    (['conv4a', 'conv4b'], (2, 2, 2), 0),
    (['conv5a', 'conv5b'], (2, 2, 2), 1),
  ):
    for name in names:
      video = convolve(video, params[name]['kernel'], params[name]['bias'])
    video = pool(video, window, pad)
  return video


def test_full_size_has_the_published_shapes():
  output, variables = _shapes(C3D(), 16, 112, 112, 3)
  assert output.shape == (2, 8192)
  assert jax.tree.map(lambda leaf: leaf.shape, variables['params']) == {
    name: {'kernel': (3, 3, 3, *channels), 'bias': channels[1:]}
    for name, channels in _CHANNELS.items()
  }
  assert 'batch_stats' not in variables


@pytest.mark.parametrize('conv_impl', CONV_IMPLS)
def test_equals_an_independent_c3d(conv_impl):
  model = C3D(width=2, conv_impl=conv_impl)
  video = np.random.default_rng(0).normal(size=(2, 16, 48, 24, 3))
  video = video.astype(np.float32)
  params = model.init(jax.random.key(1), video, train=False)['params']
  # Biases that are not zero, as they are at first.
  params = jax.tree.map(
    lambda leaf: leaf if leaf.ndim > 1 else 0.1 * jnp.arange(leaf.size), params
  )
  features = jax.jit(model.apply, static_argnames='train')(
    {'params': params}, video, train=False
  )
  expected = _numpy_c3d(
    jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params),
    video.astype(np.float64),
  )
  assert expected.shape == (2, 1, 2, 1, 16)
  # Channels first, then time, height and width: torch's order.
  expected = expected.transpose(0, 4, 1, 2, 3).reshape(2, -1)
  np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_clips_shorter_than_sixteen_frames():
  output, _ = _shapes(C3D(width=1), 6, 16, 32, 3)
  assert output.shape == (2, 8 * 1 * 1 * 2)


def test_batch_norm_follows_every_convolution():
  model = C3D(width=1, batch_norm=True)
  _, variables = _shapes(model, 4, 32, 32, 3)
  names = {name.replace('conv', 'bn') for name in _CHANNELS}
  assert set(variables['batch_stats']) == names
  assert set(variables['params']) == names | set(_CHANNELS)


def test_batch_norm_uses_the_batch_in_training_only():
  model = C3D(width=1, batch_norm=True)
  video = np.random.default_rng(0).normal(size=(4, 4, 32, 32, 3))
  variables = model.init(jax.random.key(0), video, train=False)

  def run(video, train):
    return model.apply(variables, video, train=train, mutable=['batch_stats'])

  alone, _ = run(video[:1], False)
  together, unchanged = run(video, False)
  np.testing.assert_allclose(together[:1], alone, rtol=1e-4, atol=1e-5)
  jax.tree.map(
    np.testing.assert_array_equal,
    unchanged['batch_stats'],
    variables['batch_stats'],
  )
  _, updated = run(video, True)
  # The running mean goes a tenth of the way: momentum 0.9.
  conv1 = np.asarray(
    jax.lax.conv_general_dilated(
      video.astype(np.float32),
      variables['params']['conv1']['kernel'],
      (1, 1, 1),
      ((1, 1),) * 3,
      dimension_numbers=('NDHWC', 'DHWIO', 'NDHWC'),
    )
  )
  np.testing.assert_allclose(
    updated['batch_stats']['bn1']['mean'],
    0.1 * conv1.mean(axis=(0, 1, 2, 3)),
    rtol=1e-3,
    atol=1e-5,
  )


def test_compute_dtype_leaves_the_parameters_float32():
  output, variables = _shapes(C3D(width=1, dtype=jnp.bfloat16), 4, 32, 32, 3)
  assert output.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {
    jnp.dtype('float32')
  }


def test_no_operation_of_the_gradient_depends_on_the_order_of_threads():
  """What XLA's deterministic mode on GPU would refuse or run slowly."""
  model = C3D(width=1)
  video = jnp.ones((1, 4, 32, 32, 3))
  variables = model.init(jax.random.key(0), video, False)
  gradient = jax.jit(
    jax.grad(lambda v, x: model.apply(v, x, True).sum())
  ).lower(variables, video)
  assert 'convolution' in gradient.as_text()
  for name in ('select_and_scatter', '.scatter'):
    assert name not in gradient.as_text(), name
