import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from aqa_jax.configs import c3davg
from aqa_jax.training import optimizer
from tfds_mtl_aqa.input_error import InputError


def _config(**changes):
  return ml_collections.ConfigDict(
    {
      'name': 'adam',
      'learning_rate': 0.1,
      'muon_learning_rate': 0.02,
      'schedule': 'constant',
      'warmup': '0 steps',
      'scaling': 'none',
      'reference_batch_size': 3,
      'clip_norm': 0.0,
      'weight_decay': 0.0,
    }
    | changes
  )


def _run(config, params, gradients):
  """Returns params after a step for each gradient."""
  transform = optimizer.create_optimizer(
    config,
    num_steps=10,
    batch_size=3,
    num_examples=30,
    output_layers={('final_score',)},
  )
  state = transform.init(params)
  for gradient in gradients:
    updates, state = transform.update(gradient, state, params)
    params = jax.tree.map(jnp.add, params, updates)
  return params


def _numpy_adam(params, gradients, rate=0.1, decay=0.0):
  first = second = np.zeros_like(params)
  for step, gradient in enumerate(gradients, 1):
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    corrected = first / (1 - 0.9**step), second / (1 - 0.999**step)
    params = params - rate * (
      corrected[0] / (np.sqrt(corrected[1]) + 1e-8) + decay * params
    )
  return params


@pytest.mark.parametrize('decay', [0.0, 0.3])
def test_is_the_rmsprop_of_keras(decay):
  params = expected = np.array([1.0, -2.0, 3.0])
  gradients = [np.array([3e-8, -4.0, 0.5]), np.array([1.0, 2.0, -0.5])]
  mean_square = np.zeros(3)
  for gradient in gradients:
    mean_square = 0.9 * mean_square + 0.1 * gradient**2
    expected = expected - 0.1 * (
      gradient / (np.sqrt(mean_square) + 1e-8) + decay * expected
    )
  config = _config(name='rmsprop', weight_decay=decay)
  found = _run(config, jnp.float32(params), [jnp.float32(g) for g in gradients])
  np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize('decay', [0.0, 0.3])
def test_is_adam(decay):
  params = np.array([1.0, -2.0, 3.0], np.float32)
  gradients = [
    np.array(g, np.float32) for g in ([1, -4, 0.1], [0.5, 2, 0], [-3, 1, 0.2])
  ]
  np.testing.assert_allclose(
    _run(_config(weight_decay=decay), params, gradients),
    _numpy_adam(params, gradients, decay=decay),
    rtol=1e-5,
  )


def test_clipping_scales_the_whole_gradient():
  params = {'a': jnp.zeros(1), 'b': jnp.zeros(1)}
  big = {'a': jnp.array([30.0]), 'b': jnp.array([40.0])}
  small = {'a': jnp.array([0.3]), 'b': jnp.array([0.4])}
  # Adam does not see a common factor in its first step, but in its second.
  clipped = _run(_config(clip_norm=0.5), params, [big, small])
  steady = _run(_config(), params, [small, small])
  free = _run(_config(), params, [big, small])
  for name in params:
    np.testing.assert_allclose(clipped[name], steady[name], rtol=1e-5)
    assert abs(float(free[name][0] - steady[name][0])) > 0.01


def test_constant_schedule():
  schedule = optimizer.learning_rate_schedule(_config(), 0.1, 10, warmup=0)
  assert [float(schedule(step)) for step in (0, 5, 100)] == pytest.approx(
    [0.1] * 3
  )


def test_cosine_schedule_with_warm_up():
  schedule = optimizer.learning_rate_schedule(
    _config(schedule='cosine'), 0.1, 12, warmup=4
  )
  expected = {0: 0, 1: 0.025, 4: 0.1, 8: 0.05, 12: 0, 20: 0}
  for step, rate in expected.items():
    assert float(schedule(step)) == pytest.approx(rate, abs=1e-7)


def test_halved_schedule_with_warm_up():
  schedule = optimizer.learning_rate_schedule(
    _config(schedule='halved'), 0.1, 12, warmup=2
  )
  expected = {0: 0, 1: 0.05, 2: 0.1, 5: 0.1, 6: 0.05, 12: 0.05}
  for step, rate in expected.items():
    assert float(schedule(step)) == pytest.approx(rate, abs=1e-7)


def test_constant_schedule_with_warm_up():
  schedule = optimizer.learning_rate_schedule(_config(), 0.1, 12, warmup=2)
  assert [float(schedule(step)) for step in range(4)] == pytest.approx(
    [0, 0.05, 0.1, 0.1]
  )


def test_unknown_schedule():
  with pytest.raises(InputError, match="schedule='step': give 'constant'"):
    optimizer.create_optimizer(_config(schedule='step'), 10, 3, 30)


def test_unknown_name():
  with pytest.raises(InputError, match="name='sgd': give 'adam', 'muon' or"):
    optimizer.create_optimizer(_config(name='sgd'), 10, 3, 30)


def test_muon_makes_the_update_of_a_kernel_orthogonal():
  rng = np.random.default_rng(0)
  params = {
    'fc6': {
      'kernel': np.zeros((6, 4), np.float32),
      'bias': np.zeros(4, np.float32),
    },
    'final_score': {'kernel': np.zeros((4, 1), np.float32)},
  }
  gradient = jax.tree.map(
    lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), params
  )
  after = _run(_config(name='muon'), params, [gradient])
  # All singular values near one another, however those of the gradient are.
  before = np.linalg.svd(gradient['fc6']['kernel'], compute_uv=False)
  values = np.linalg.svd(after['fc6']['kernel'], compute_uv=False)
  assert before.max() / before.min() > 2
  assert values.max() / values.min() < 1.8
  # The rest takes the first step of Adam with Nesterov's momentum (Dozat,
  # 2016), as far in every direction: 1 + 0.9 * 0.1 / (1 - 0.9**2).
  for module, name in (('fc6', 'bias'), ('final_score', 'kernel')):
    np.testing.assert_allclose(
      after[module][name],
      -0.1 * (1 + 0.09 / 0.19) * np.sign(gradient[module][name]),
      rtol=1e-4,
    )


def test_muon_treats_each_gate_of_a_gru_for_itself():
  rng = np.random.default_rng(0)
  gate = rng.normal(size=(6, 4)).astype(np.float32)
  # The second gate's gradient is a thousandth of the first's.
  kernel = np.stack([gate, 1e-3 * gate, -gate], axis=1)
  params = {'gru': {'carry': {'kernel': np.zeros((6, 3, 4), np.float32)}}}
  gradient = {'gru': {'carry': {'kernel': kernel}}}
  after = _run(_config(name='muon'), params, [gradient])
  gates = np.moveaxis(after['gru']['carry']['kernel'], 1, 0)
  np.testing.assert_allclose(gates[1], gates[0], rtol=1e-2, atol=1e-3)
  np.testing.assert_allclose(gates[2], -gates[0], rtol=1e-4, atol=1e-6)


def test_the_paper_trains_with_plain_adam():
  config = c3davg.get_config().optimizer
  params, gradient = np.ones(2, np.float32), np.array([1, -1], np.float32)
  np.testing.assert_allclose(
    _run(config, params, [gradient]), [1 - 1e-4, 1 + 1e-4], rtol=1e-7
  )


@pytest.mark.parametrize(
  'scaling, factor', [('none', 1), ('linear', 16), ('sqrt', 4)]
)
def test_a_larger_batch_raises_the_learning_rate(scaling, factor):
  """48 examples a step, with the learning rate of 3."""
  config = _config(scaling=scaling)
  transform = optimizer.create_optimizer(
    config, num_steps=10, batch_size=48, num_examples=480
  )
  params = np.array([1.0, -2.0], np.float32)
  gradient = np.array([3.0, -0.1], np.float32)
  updates, _ = transform.update(gradient, transform.init(params), params)
  # The first step of Adam is the learning rate, whatever the gradient.
  np.testing.assert_allclose(
    updates, -0.1 * factor * np.sign(gradient), rtol=1e-5
  )


def test_an_unknown_rule_of_scaling():
  with pytest.raises(InputError, match="scaling='cubic': give none, linear"):
    optimizer.create_optimizer(
      _config(scaling='cubic'), num_steps=10, batch_size=3, num_examples=30
    )


def test_trunk_factor_is_of_the_trunk_alone():
  params = {
    name: {'bias': np.array([1.0, -2.0])} for name in ('c3d', 'i3d', 'fc6')
  }
  gradients = [jax.tree.map(lambda p: 0.3 * p, params)] * 2
  found = _run(_config(trunk_factor=0.1), params, gradients)
  whole = _run(_config(), params, gradients)
  for name, factor in (('c3d', 0.1), ('i3d', 0.1), ('fc6', 1.0)):
    np.testing.assert_allclose(
      found[name]['bias'] - params[name]['bias'],
      factor * (whole[name]['bias'] - params[name]['bias']),
      rtol=1e-5,
    )
