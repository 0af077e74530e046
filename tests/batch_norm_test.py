import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from aqa_jax.layers.batch_norm import BatchNorm


def _variables():
  rng = np.random.default_rng(2)
  scale, bias, mean, var = rng.uniform(0.5, 1.5, (4, 5)).astype(np.float32)
  return {
    'params': {'scale': scale, 'bias': bias},
    'batch_stats': {'mean': mean, 'var': var, 'count': np.int32(7)},
  }


def _features(batch=6):
  rng = np.random.default_rng(0)
  return rng.normal(1, 3, size=(batch, 2, 3, 2, 5)).astype(np.float32)


def _normalize(features, groups, **changes):
  model = BatchNorm(
    use_running_average=False, statistics_groups=groups, **changes
  )
  variables = _variables()
  normalized, updated = jax.jit(
    lambda variables, features: model.apply(
      variables, features, mutable=['batch_stats']
    )
  )(variables, features)
  return variables, normalized, updated['batch_stats']


@pytest.mark.parametrize('groups', [1, 2, 3, 6])
def test_batch_norm_of_each_group(groups):
  features = _features()
  variables, normalized, running = _normalize(features, groups)
  params, before = variables['params'], variables['batch_stats']
  parts = [
    part.reshape(-1, 5)
    for part in np.split(features.astype(np.float64), groups)
  ]
  expected = np.concatenate(
    [(p - p.mean(axis=0)) / np.sqrt(p.var(axis=0) + 1e-5) for p in parts]
  ).reshape(features.shape)
  np.testing.assert_allclose(
    normalized, expected * params['scale'] + params['bias'], atol=1e-5
  )
  mean = np.mean([part.mean(axis=0) for part in parts], axis=0)
  variance = np.mean([part.var(axis=0, ddof=1) for part in parts], axis=0)
  np.testing.assert_allclose(
    running['mean'], 0.9 * before['mean'] + 0.1 * mean, rtol=1e-5, atol=1e-6
  )
  np.testing.assert_allclose(
    running['var'], 0.9 * before['var'] + 0.1 * variance, rtol=1e-5
  )
  assert running['count'] == 8


@pytest.mark.parametrize('groups', [1, 2])
def test_batch_norm_over_devices_is_that_of_one(groups):
  features = _features(4)
  mesh = Mesh(np.array(jax.devices()[:2]), ('data',))
  spread = jax.device_put(features, NamedSharding(mesh, PartitionSpec('data')))
  _, normalized, running = _normalize(features, groups)
  _, of_two, running_of_two = _normalize(spread, groups)
  np.testing.assert_allclose(of_two, normalized, atol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
    running_of_two,
    running,
  )


def test_batch_norm_with_running_statistics():
  features = _features()
  model = BatchNorm(use_running_average=True, statistics_groups=4)
  variables = _variables()
  # Groups mean nothing here: 6 is no multiple of 4.
  normalized, updated = model.apply(
    variables, features, mutable=['batch_stats']
  )
  params, running = variables['params'], variables['batch_stats']
  expected = (features - running['mean']) / np.sqrt(running['var'] + 1e-5)
  np.testing.assert_allclose(
    normalized, expected * params['scale'] + params['bias'], atol=1e-5
  )
  jax.tree.map(np.testing.assert_array_equal, updated['batch_stats'], running)


def test_batch_norm_refuses_what_has_no_statistics():
  with pytest.raises(ValueError, match='4 statistics groups'):
    _normalize(_features(), 4)
  with pytest.raises(ValueError, match='one value of each channel'):
    _normalize(np.ones((3, 1, 1, 1, 5), np.float32), 3)


def test_begins_as_the_identity():
  features = _features()
  model = BatchNorm(use_running_average=True, epsilon=0.0)
  normalized, variables = model.init_with_output(jax.random.key(0), features)
  assert jax.tree.map(np.shape, variables) == jax.tree.map(
    np.shape, _variables()
  )
  np.testing.assert_array_equal(normalized, features)


def test_without_scale():
  variables, normalized, _ = _normalize(_features(), 1)
  scale = variables['params'].pop('scale')
  model = BatchNorm(use_running_average=False, use_scale=False)
  assert set(model.init(jax.random.key(0), _features())['params']) == {'bias'}
  unscaled, _ = model.apply(variables, _features(), mutable=['batch_stats'])
  bias = variables['params']['bias']
  np.testing.assert_allclose(
    (unscaled - bias) * scale + bias, normalized, atol=1e-5
  )


def test_arrays_of_the_caller_stay_as_they_are():
  variables = _variables()
  variables['batch_stats']['count'] = np.array(7, np.int32)
  model = BatchNorm(use_running_average=False)
  _, updated = model.apply(variables, _features(), mutable=['batch_stats'])
  assert updated['batch_stats']['count'] == 8
  assert variables['batch_stats']['count'] == 7
