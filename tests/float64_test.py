"""What is float64 stays so, and nothing else becomes it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_tasks

from aqa_jax.layers.batch_norm import BatchNorm
from aqa_jax.layers.captioner import Captioner
from aqa_jax.layers.gru import GRULayer
from aqa_jax.layers.normalize import normalize
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.systems.action_classifier.network import ActionClassifier
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.tasks.actions import ActionsTask
from aqa_jax.tasks.captions import caption_loss
from aqa_jax.tasks.classes import class_loss
from aqa_jax.tasks.score import score_loss
from aqa_jax.training import steps
from tfds_mtl_aqa.labels import CLASS_NAMES

_LENGTH, _WORDS = 5, 7
_CAPTIONS = {
  'caption_length': _LENGTH,
  'caption_hidden': 4,
  'caption_embedding': 3,
}
_TASKS = dive_tasks(words=_WORDS, length=_LENGTH)
_NETWORKS = {
  'c3davg': C3DAVG(
    _TASKS, clips=2, width=2, fc6=4, batch_norm=True, **_CAPTIONS
  ),
  'mscadc': MSCADC(_TASKS, width=2, head_channels=2, **_CAPTIONS),
  'classifier': ActionClassifier((ActionsTask(3),), width=2, fc6=4),
}
# By dtype of a trunk, that of all parameters, heads and losses.
_DTYPES = {'float64': 'float64', 'float32': 'float32', 'bfloat16': 'float32'}


@pytest.fixture(name='x64', autouse=True)
def fixture_x64():
  """Without it JAX makes float32 of everything, and so hides mistakes."""
  with jax.enable_x64(True):
    yield


def _float_dtypes(tree):
  leaves = [leaf.dtype.name for leaf in jax.tree.leaves(tree)]
  return {name for name in leaves if 'float' in name}


def _as(dtype, tree):
  return jax.tree.map(
    lambda leaf: jnp.asarray(leaf, dtype) if leaf.dtype == 'float32' else leaf,
    tree,
  )


def _batch(dtype):
  return {
    'video': jnp.zeros((2, 16, 24, 24, 3), dtype),
    'words': jnp.ones((2, _LENGTH), jnp.int32),
    'word_mask': jnp.ones((2, _LENGTH), jnp.float32),
    'score': jnp.ones(2, dtype),
    'action': jnp.ones(2, jnp.int32),
    **{task: jnp.ones(2, jnp.int32) for task in CLASS_NAMES},
  }


@pytest.mark.parametrize('dtype', ['float64', 'bfloat16'])
@pytest.mark.parametrize('name', _NETWORKS)
def test_heads_losses_and_gradients_follow_the_trunk(name, dtype):
  expected = _DTYPES[dtype]
  model = _NETWORKS[name].clone(dtype=jnp.dtype(dtype), conv_impl='stacked_2d')
  batch = _batch(expected)

  def loss_of(params, batch_stats):
    outputs, updated = model.apply(
      {'params': params, 'batch_stats': batch_stats},
      batch['video'],
      batch['words'],
      train=True,
      rngs={'dropout': jax.random.key(0)},
      mutable=['batch_stats'],
    )
    by_task = steps.task_losses(model.tasks, outputs, batch)
    return sum(by_task.values()), (outputs, by_task, updated)

  def everything():
    variables = model.init(jax.random.key(0), batch['video'], batch['words'])
    assert _float_dtypes(variables) == {'float32'}
    variables = _as(expected, variables)
    (loss, found), gradients = jax.value_and_grad(loss_of, has_aux=True)(
      variables['params'], variables.get('batch_stats', {})
    )
    # Without words: greedily, which is a scan and minds its dtypes.
    return loss, found, gradients, model.apply(variables, batch['video'])

  assert _float_dtypes(jax.eval_shape(everything)) == {expected}


def test_batch_norm_in_float64():
  random = np.random.default_rng(0)
  features = random.normal(1, 3, size=(6, 2, 3, 2, 5))
  scale, bias, mean, var = random.uniform(0.5, 1.5, (4, 5))
  variables = {
    'params': {'scale': scale, 'bias': bias},
    'batch_stats': {'mean': mean, 'var': var, 'count': np.int32(7)},
  }
  model = BatchNorm(use_running_average=False, dtype=jnp.float64)
  normalized, updated = model.apply(
    variables, features, mutable=['batch_stats']
  )
  assert _float_dtypes((normalized, updated)) == {'float64'}
  flat = features.reshape(-1, 5)
  expected = (features - flat.mean(axis=0)) / np.sqrt(flat.var(axis=0) + 1e-5)
  np.testing.assert_allclose(normalized, expected * scale + bias, rtol=1e-12)
  running = updated['batch_stats']
  np.testing.assert_allclose(
    running['mean'], 0.9 * mean + 0.1 * flat.mean(axis=0), rtol=1e-14
  )
  np.testing.assert_allclose(
    running['var'], 0.9 * var + 0.1 * flat.var(axis=0, ddof=1), rtol=1e-14
  )


@pytest.mark.parametrize('dtype', _DTYPES)
def test_a_step_keeps_the_dtype_of_running_statistics(dtype):
  """Another one would compile the next step anew."""
  model = BatchNorm(use_running_average=False, dtype=jnp.dtype(dtype))
  features = jnp.zeros((2, 3), dtype)
  variables = model.init(jax.random.key(0), features)
  normalized, updated = model.apply(
    variables, features, mutable=['batch_stats']
  )
  assert normalized.dtype == dtype
  assert _float_dtypes(updated) == {'float32'}


def test_gru_layer_in_float64():
  """Against plain steps, in the value and in the gradient."""
  layer = GRULayer(4, jnp.float64)
  random = np.random.default_rng(0)
  inputs = random.normal(size=(2, 6, 3))
  weights = random.normal(size=(2, 6, 4))

  def layerwise(layer, inputs):
    return layer(layer.project(inputs))

  def step_by_step(layer, inputs):
    carry, outputs = jnp.zeros((2, 4)), []
    for step in range(inputs.shape[1]):
      carry = layer.step(carry, layer.project(inputs[:, step]))
      outputs.append(carry)
    return jnp.stack(outputs, axis=1)

  params = layer.init(jax.random.key(0), inputs, method=layerwise)
  params = _as('float64', params)

  def of(method):
    def weighted(params, inputs):
      outputs = layer.apply(params, inputs, method=method)
      return (outputs * weights).sum()

    return jax.value_and_grad(weighted, argnums=(0, 1))(params, inputs)

  found = of(layerwise)
  assert _float_dtypes(found) == {'float64'}
  jax.tree.map(
    lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-11),
    found,
    of(step_by_step),
  )


def test_captions_of_float32_weights_in_float64():
  """As in the networks: parameters begin float32, and are taken as they are."""
  captioner = Captioner(_WORDS, _LENGTH, 4, 3, 0.0, dtype=jnp.float64)
  features = np.random.default_rng(0).normal(size=(2, 3, 6))
  words = np.ones((2, _LENGTH), np.int32)
  variables = captioner.init(
    jax.random.key(0), features, words, False, method='teacher_forced'
  )
  assert _float_dtypes(variables) == {'float32'}

  def logits_of(variables):
    return captioner.apply(
      variables, features, words, False, method='teacher_forced'
    )

  logits = logits_of(variables)
  assert logits.dtype == 'float64'
  np.testing.assert_allclose(
    logits, logits_of(_as('float64', variables)), rtol=1e-12
  )
  gradient = jax.grad(lambda variables: logits_of(variables).sum())(variables)
  assert _float_dtypes(gradient) == {'float32'}


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
def test_losses_follow_the_outputs(dtype):
  random = np.random.default_rng(0)
  predicted = jnp.asarray(random.normal(size=2), dtype)
  points = jnp.asarray(random.uniform(20, 100, 2), dtype)
  logits = jnp.asarray(random.normal(size=(2, 4, _WORDS)), dtype)
  words = jnp.asarray(random.integers(0, _WORDS, (2, 5)), jnp.int32)
  mask = jnp.ones((2, 5), jnp.float32)
  by_task = {
    'score': score_loss(predicted, points),
    'captions': caption_loss(logits, words, mask),
    'classes': class_loss(
      dict.fromkeys(CLASS_NAMES, logits[:, 0, :2]),
      dict.fromkeys(CLASS_NAMES, jnp.array([0, 1], jnp.int32)),
    ),
  }
  total = steps.total_loss(by_task, dict.fromkeys(by_task, 0.5))
  assert _float_dtypes((by_task, total)) == {dtype}
  rtol = 1e-13 if dtype == 'float64' else 1e-5
  error = np.asarray(predicted) - np.asarray(points) / 17
  np.testing.assert_allclose(
    by_task['score'], (error**2 + abs(error)).mean(), rtol=rtol
  )
  log_p = np.array(logits, np.float64)
  log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
  said = np.take_along_axis(log_p, np.array(words)[:, 1:, None], axis=2)
  np.testing.assert_allclose(by_task['captions'], -said.sum() / 2, rtol=rtol)


@pytest.mark.parametrize(
  'dtype, expected',
  [('uint8', 'float32'), ('float32', 'float32'), ('float64', 'float64')],
)
def test_normalized_video(dtype, expected):
  video = jnp.full((1, 1, 2, 2, 3), 100, dtype)
  normalized = normalize(video, jnp.zeros(1, bool))
  assert normalized.dtype == expected
  np.testing.assert_allclose(
    normalized[0, 0, 0, 0],
    (100 / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225],
    rtol=1e-12 if expected == 'float64' else 1e-4,
  )


@pytest.mark.parametrize('dtype', _DTYPES)
def test_at_least_float32(dtype):
  assert at_least_float32(jnp.dtype(dtype)) == _DTYPES[dtype]
