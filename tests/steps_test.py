import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from dive_tasks import ALL, dive_tasks

from aqa_jax import sharding
from aqa_jax.layers.normalize import normalize
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.train_state import abstract_train_state, create_train_state
from aqa_jax.training import steps
from tfds_mtl_aqa.labels import CLASS_NAMES

_WEIGHTS = {'score': 1.0, 'classes': 1.0, 'captions': 0.01}
_FRAMES, _CROP, _LENGTH, _BATCH = 6, 16, 8, 8
_OPTIMIZER = optax.adam(3e-3)


def _model(**changes):
  return C3DAVG(
    **{
      'tasks': dive_tasks(words=11, length=_LENGTH),
      'clips': 3,
      'width': 2,
      'fc6': 16,
      'batch_norm': True,
      'conv_impl': 'stacked_2d',
      'caption_length': _LENGTH,
      'caption_hidden': 8,
      'caption_embedding': 5,
      'caption_dropout': 0.5,
    }
    | changes
  )


def _batch(batch=_BATCH):
  rng = np.random.default_rng(0)
  words = rng.integers(2, 11, size=(batch, _LENGTH)).astype(np.int32)
  words[:, 0], words[:, -1] = 1, 0
  shape = (batch, _FRAMES, _CROP, _CROP, 3)
  return {
    'video': rng.integers(0, 256, size=shape, dtype=np.uint8),
    'flip': np.arange(batch) % 2 == 0,
    'score': rng.uniform(20, 90, batch).astype(np.float32),
    'difficulty': np.full(batch, 3.0, np.float32),
    'words': words,
    'word_mask': np.ones(words.shape, np.float32),
  } | {
    task: rng.integers(0, len(names), batch).astype(np.int32)
    for task, names in CLASS_NAMES.items()
  }


@functools.cache
def _initial_state(batch_norm=True, optimizer=_OPTIMIZER):
  """The state before the first step, on the host: compiling it takes long."""
  mesh = sharding.make_mesh(1)
  model = _model(batch_norm=batch_norm)
  shape = (_FRAMES, _CROP, _CROP, 3)
  return jax.device_get(
    create_train_state(model, optimizer, 0, shape, _LENGTH, mesh)
  )


@functools.cache
def _train_step(num_devices, dropout, seed):
  mesh = sharding.make_mesh(num_devices)
  model = _model(caption_dropout=dropout)
  return steps.make_train_step(model, _OPTIMIZER, _WEIGHTS, seed, mesh)


def _train(num_devices, num_steps, dropout=0.5, seed=0, first_step=0):
  """Returns the losses of every step, and the last state."""
  mesh = sharding.make_mesh(num_devices)
  state = _initial_state().replace(step=jnp.int32(first_step))
  state = jax.device_put(state, sharding.replicated(mesh))
  batch = sharding.shard(_batch(), mesh)
  step = _train_step(num_devices, dropout, seed)
  rows = []
  for _ in range(num_steps):
    state, scalars = step(state, batch)
    rows.append(jax.device_get(scalars))
  return rows, jax.device_get(state)


@pytest.fixture(name='on_eight', scope='module')
def fixture_on_eight():
  return _train(8, 4)


def _as_array(rows):
  return np.array([[row[name] for name in sorted(row)] for row in rows])


def test_normalize_by_hand():
  video = np.zeros((2, 1, 1, 2, 3), np.uint8)
  video[0, 0, 0] = [[255, 0, 51], [0, 255, 102]]
  video[1] = video[0]
  normalized = normalize(video, jnp.array([False, True]))
  expected = [
    [
      [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225],
      [-0.485 / 0.229, (1 - 0.456) / 0.224, (0.4 - 0.406) / 0.225],
    ]
  ]
  np.testing.assert_allclose(normalized[0, 0], expected, rtol=1e-5, atol=1e-6)
  # Mirrored: the two pixels change places, the colours do not.
  np.testing.assert_array_equal(normalized[1], normalized[0, :, :, ::-1])


def test_eight_devices_train_as_one_does(on_eight):
  """With dropout, and with BatchNorm over the whole batch."""
  rows, state = on_eight
  one_rows, _ = _train(1, 4)
  np.testing.assert_allclose(
    _as_array(rows[:1]), _as_array(one_rows[:1]), rtol=1e-5
  )
  # Adam's first step turns the rounding of gradients near zero into whole
  # steps, so that later ones agree less.
  np.testing.assert_allclose(_as_array(rows), _as_array(one_rows), rtol=2e-3)
  _, state = _train(8, 1)
  _, one_state = _train(1, 1)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    state.batch_stats,
    one_state.batch_stats,
  )


def test_losses_are_those_of_the_model(on_eight):
  """The first step's, computed outside of the step."""
  rows, _ = on_eight
  model, batch = _model(), _batch()
  state = _initial_state()
  video = normalize(batch['video'], jnp.asarray(batch['flip']))
  outputs, _ = model.apply(
    {'params': state.params, 'batch_stats': state.batch_stats},
    video,
    batch['words'],
    train=True,
    rngs={'dropout': jax.random.fold_in(jax.random.key(0), 0)},
    mutable=['batch_stats'],
  )
  error = outputs['score'] - batch['score'] / 17
  score = np.mean(error**2) + np.mean(np.abs(error))
  assert rows[0]['score'] == pytest.approx(float(score), rel=1e-4)
  assert rows[0]['loss'] == pytest.approx(
    rows[0]['score'] + rows[0]['classes'] + 0.01 * rows[0]['captions'],
    rel=1e-5,
  )


def test_the_same_seed_trains_the_same_bits(on_eight):
  rows, state = on_eight
  again_rows, again_state = _train(8, 4)
  np.testing.assert_array_equal(_as_array(rows), _as_array(again_rows))
  jax.tree.map(np.testing.assert_array_equal, state, again_state)
  assert int(state.step) == 4


def test_dropout_depends_on_seed_and_step(on_eight):
  rows, _ = on_eight
  other, _ = _train(8, 1, seed=1)
  assert other[0]['captions'] != rows[0]['captions']
  assert other[0]['score'] == pytest.approx(rows[0]['score'], rel=1e-5)
  # The same parameters at another step.
  later, _ = _train(8, 1, first_step=1)
  assert later[0]['captions'] != rows[0]['captions']
  assert later[0]['score'] == pytest.approx(rows[0]['score'], rel=1e-5)


def test_one_batch_can_be_learned():
  rows, state = _train(8, 60, dropout=0.0)
  assert rows[-1]['loss'] < 0.5 * rows[0]['loss']
  for task in ALL:
    assert rows[-1][task] < 0.9 * rows[0][task]
  # The learned parameters, in use, predict in points.
  mesh = sharding.make_mesh(8)
  predict = steps.make_predict_step(_model(), mesh)
  batch = _batch() | {
    'index': np.arange(_BATCH, dtype=np.int32),
    'is_real': np.ones(_BATCH, bool),
  }
  outputs = predict(
    state.params, state.batch_stats, sharding.shard(batch, mesh)
  )
  assert np.abs(outputs['score'] - batch['score']).mean() < 17
  assert outputs['score'].mean() > 17


def test_predictions_are_whole_and_in_points():
  batch = _batch() | {
    'index': np.arange(_BATCH, dtype=np.int32)[::-1].copy(),
    'is_real': np.arange(_BATCH) < 5,
  }
  model = _model(tasks=dive_tasks(('score', 'classes')))
  predicted = {}
  state = _initial_state()
  params = {n: p for n, p in state.params.items() if n != 'captioner'}
  for devices in (1, 8):
    mesh = sharding.make_mesh(devices)
    outputs = steps.make_predict_step(model, mesh)(
      params, state.batch_stats, sharding.shard(batch, mesh)
    )
    assert all(leaf.is_fully_replicated for leaf in jax.tree.leaves(outputs))
    predicted[devices] = jax.device_get(outputs)
  outputs = predicted[8]
  assert set(outputs) == {
    'index',
    'is_real',
    'score',
    'classes',
    'class_probabilities',
  }
  np.testing.assert_array_equal(outputs['index'], batch['index'])
  np.testing.assert_array_equal(outputs['is_real'], batch['is_real'])
  raw = jax.jit(model.apply)(
    {'params': params, 'batch_stats': state.batch_stats},
    normalize(batch['video'], jnp.asarray(batch['flip'])),
  )
  np.testing.assert_allclose(outputs['score'], 17 * raw['score'], rtol=1e-4)
  np.testing.assert_allclose(outputs['score'], predicted[1]['score'], rtol=1e-4)
  for task, logits in raw['classes'].items():
    np.testing.assert_array_equal(
      outputs['classes'][task], np.argmax(logits, axis=-1)
    )
    powers = np.exp(np.asarray(logits, np.float64))
    np.testing.assert_allclose(
      outputs['class_probabilities'][task],
      powers / powers.sum(axis=-1, keepdims=True),
      atol=1e-5,
    )


_SGD = optax.sgd(1.0)


@functools.cache
def _one_sgd_step(num_devices=1, accumulation=1, **model):
  """Returns the changes of a step of plain gradient descent, and its scalars.

  Without dropout and BatchNorm: no example sees another.
  """
  mesh = sharding.make_mesh(num_devices)
  options = {'batch_norm': False, 'caption_dropout': 0.0}
  network = _model(**options, **model)
  state = _initial_state(batch_norm=False, optimizer=_SGD)
  before = state.params
  state = jax.device_put(state, sharding.replicated(mesh))
  step = steps.make_train_step(network, _SGD, _WEIGHTS, 0, mesh, accumulation)
  state, scalars = step(state, sharding.shard(_batch(), mesh))
  changes = jax.tree.map(np.subtract, jax.device_get(state.params), before)
  return changes, jax.device_get(scalars)


def _assert_same_gradients(one, other, rtol):
  """Of every array, relative to its norm; that of all is about 10."""
  for change, reference in zip(
    jax.tree.leaves(one), jax.tree.leaves(other), strict=True
  ):
    assert np.linalg.norm(reference) > 0
    difference = np.linalg.norm(change - reference)
    # Some are next to nothing, and all rounding.
    assert difference <= rtol * (np.linalg.norm(reference) + 1e-3)


@pytest.mark.parametrize('num_devices, accumulation', [(1, 2), (2, 2)])
def test_the_gradients_of_parts_are_those_of_the_batch(
  num_devices, accumulation
):
  whole, scalars = _one_sgd_step()
  parts, of_parts = _one_sgd_step(num_devices, accumulation)
  _assert_same_gradients(parts, whole, rtol=1e-4)
  for name in ('loss', 'score', 'classes', 'captions', 'gradient_norm'):
    assert of_parts[name] == pytest.approx(scalars[name], rel=1e-5)


def test_rematerialisation_changes_no_gradient():
  whole, scalars = _one_sgd_step()
  again, of_again = _one_sgd_step(remat=True)
  _assert_same_gradients(again, whole, rtol=1e-5)
  assert of_again['loss'] == pytest.approx(scalars['loss'], rel=1e-6)


def test_bfloat16_leaves_parameters_losses_and_statistics_float32():
  network = _model(dtype=jnp.bfloat16)
  mesh = sharding.make_mesh(1)
  shape = (_FRAMES, _CROP, _CROP, 3)
  state = abstract_train_state(network, _OPTIMIZER, shape, _LENGTH)
  step = steps.make_train_step(network, _OPTIMIZER, _WEIGHTS, 0, mesh)
  batch = sharding.shard(_batch(), mesh)
  program = step.lower(state, batch).as_text()
  assert 'bf16' in program
  new_state, scalars = jax.eval_shape(step, state, batch)
  floats = [
    leaf.dtype
    for leaf in jax.tree.leaves((new_state, scalars))
    if jnp.issubdtype(leaf.dtype, jnp.floating)
  ]
  assert set(floats) == {jnp.dtype('float32')}
