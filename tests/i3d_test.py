import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aqa_jax.layers.convolution import CONV_IMPLS
from aqa_jax.trunks.i3d import ENDPOINTS, I3D
from aqa_jax.trunks.i3d_logits import I3DLogits

# Frames, height, width: odd ones, and the smallest.
_SMALL = (11, 45, 34, 3)


def _shapes(model, *video_shape):
  return jax.eval_shape(
    lambda key: model.init_with_output(
      key, jnp.zeros((2, *video_shape)), train=False
    ),
    jax.random.key(0),
  )


def _num_values(tree):
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_full_size_has_the_published_shapes():
  output, variables = _shapes(I3D(), 64, 224, 224, 3)
  assert output.shape == (2, 8, 7, 7, 1024)
  logits, head = _shapes(I3DLogits(), *output.shape[1:])
  assert logits.shape == (2, 400)
  # 12.7 million: 12,279,984 of the trunk, 1024 * 400 + 400 of the logits.
  total = _num_values(variables['params']) + _num_values(head)
  assert total == 12_689_984
  assert set(variables['params']) == set(ENDPOINTS)
  first = variables['params']['Conv3d_1a_7x7']
  assert first['conv']['kernel'].shape == (7, 7, 7, 3, 64)
  assert set(first['batch_norm']) == {'bias'}


@pytest.mark.parametrize('size', [(8, 32, 32), (9, 33, 47), (17, 64, 65)])
def test_any_size(size):
  output, _ = _shapes(I3D(width=8), *size, 3)
  time, height, width = size
  assert output.shape == (
    2,
    math.ceil(time / 8),
    math.ceil(height / 32),
    math.ceil(width / 32),
    128,
  )


def test_final_endpoint_leaves_out_what_comes_behind():
  output, variables = _shapes(I3D(final_endpoint='Mixed_3c'), *_SMALL)
  assert output.shape == (2, 6, 6, 5, 480)
  assert tuple(variables['params']) == ENDPOINTS[:5]


@pytest.mark.parametrize(
  'model, size, told',
  [
    (I3D(), (7, 32, 32, 3), '8 frames of 32 x 32'),
    (I3D(), (8, 31, 32, 3), '8 frames of 32 x 32'),
    (I3D(final_endpoint='Mixed_3a'), _SMALL, "'Mixed_3a'.*Mixed_3b"),
    (I3D(width=4), _SMALL, 'multiple of 8'),
    (I3DLogits(), (1, 7, 7, 8), 'two steps of time, of 9 frames'),
  ],
)
def test_what_it_refuses(model, size, told):
  with pytest.raises(ValueError, match=told):
    _shapes(model, *size)


def test_compute_dtype_leaves_the_parameters_float32():
  model = I3D(width=8, dtype=jnp.bfloat16)
  output, variables = _shapes(model, *_SMALL)
  assert output.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(variables['params'])} == {
    jnp.dtype('float32')
  }
  logits, _ = _shapes(I3DLogits(dtype=jnp.bfloat16), *output.shape[1:])
  assert logits.dtype == jnp.float32


def test_logits_by_hand():
  model = I3DLogits(num_classes=2)
  # Three steps of time, the middle one counts twice: 1, 2 * 10, 100, over 4.
  features = jnp.array([1.0, 10, 100]).reshape(1, 3, 1, 1, 1)
  features = jnp.concatenate([features - 1, features + 1], axis=3)
  params = {'kernel': jnp.array([[1.0, -2]]), 'bias': jnp.array([0.5, 0])}
  logits = model.apply({'params': {'dense': params}}, features, train=False)
  np.testing.assert_allclose(logits, [[30.25 + 0.5, -60.5]], rtol=1e-6)


def test_dropout_of_the_logits_is_of_training_only():
  model = I3DLogits(num_classes=2, dropout=0.5)
  features = jnp.ones((1, 3, 1, 1, 64))
  variables = model.init(jax.random.key(0), features, train=False)
  plain = model.apply(variables, features, train=False)
  again = model.apply(variables, features, train=False)
  np.testing.assert_array_equal(plain, again)
  dropped = model.apply(
    variables, features, train=True, rngs={'dropout': jax.random.key(1)}
  )
  assert np.abs(dropped - plain).max() > 1e-3


def test_no_operation_of_the_gradient_depends_on_the_order_of_threads():
  """What XLA's deterministic mode on GPU would refuse or run slowly."""
  model = I3D(width=8, final_endpoint='Mixed_3b')
  _, variables = _shapes(model, *_SMALL)
  video = jax.ShapeDtypeStruct((1, *_SMALL), jnp.float32)
  gradient = jax.jit(
    jax.grad(lambda p, v, x: model.apply({'params': p, **v}, x, False).sum())
  ).lower(variables['params'], {'batch_stats': variables['batch_stats']}, video)
  assert 'convolution' in gradient.as_text()
  for name in ('select_and_scatter', '.scatter'):
    assert name not in gradient.as_text(), name


# Beside PyTorch.


@pytest.fixture(name='replica', scope='module')
def fixture_replica():
  """(torch, a seeded network of width 8 and 5 classes, our variables)."""
  torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  torch.set_num_threads(1)
  import torch_i3d

  network = torch_i3d.seeded(width=8, classes=5)
  for name, tensor in network.state_dict().items():
    if name.endswith('bn.weight'):
      tensor.fill_(1)  # Ours has none.
  return torch, network, *torch_i3d.as_flax(network)


@pytest.fixture(name='video', scope='module')
def fixture_video():
  video = np.random.default_rng(0).uniform(-1, 1, (3, *_SMALL))
  return video.astype(np.float32)


def _assert_close(ours, theirs, tolerance=1e-5):
  theirs = np.asarray(theirs.detach())
  if theirs.ndim == 5:
    theirs = theirs.transpose(0, 2, 3, 4, 1)
  assert ours.shape == theirs.shape
  error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
  assert error < tolerance


@pytest.mark.parametrize('conv_impl', CONV_IMPLS)
def test_equals_pytorch(replica, video, conv_impl):
  torch, network, trunk, logits = replica
  with torch.inference_mode():
    theirs = network.eval()(torch.tensor(video).permute(0, 4, 1, 2, 3))
  model = I3D(width=8, conv_impl=conv_impl)
  features = jax.jit(lambda v, x: model.apply(v, x, train=False))(trunk, video)
  _assert_close(features, theirs['Mixed_5c'])
  ours = I3DLogits(5).apply(logits, features, train=False)
  _assert_close(ours, theirs['logits'])
  if conv_impl == 'direct':
    early = I3D(width=8, final_endpoint='Conv3d_2c_3x3')
    features = early.apply(trunk, video, train=False)
    _assert_close(features, theirs['Conv3d_2c_3x3'])


@pytest.mark.parametrize('remat', [False, True])
def test_training_equals_pytorch(replica, video, remat):
  """Outputs, gradients and running statistics, in a network cut short."""
  torch, network, trunk, _ = replica
  import torch_i3d

  last = 'Mixed_3c'
  before = {k: v.clone() for k, v in network.state_dict().items()}
  network.train().zero_grad()
  theirs = network(torch.tensor(video).permute(0, 4, 1, 2, 3))[last]
  torch.cos(theirs).mean().backward()
  expected, _ = torch_i3d.as_flax(network, of_gradients=True)
  running, _ = torch_i3d.as_flax(network)
  network.load_state_dict(before)
  model = I3D(8, last, conv_impl='stacked_2d', remat=remat)

  @jax.jit
  def loss(params, video):
    output, updated = model.apply(
      trunk | {'params': params}, video, train=True, mutable=['batch_stats']
    )
    return jnp.cos(output).mean(), (output, updated['batch_stats'])

  gradients, (output, updated) = jax.grad(loss, has_aux=True)(
    trunk['params'], video
  )
  _assert_close(output, theirs, 1e-4)
  for name in ENDPOINTS[:5]:
    for ours, others in (
      (gradients[name], expected['params'][name]),
      (updated[name], running['batch_stats'][name]),
    ):
      jax.tree.map(
        lambda mine, other: np.testing.assert_allclose(
          mine, other, rtol=1e-3, atol=1e-3 * np.abs(other).max()
        ),
        ours,
        others,
      )
