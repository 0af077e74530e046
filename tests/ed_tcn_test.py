import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from jax.test_util import check_grads

from aqa_jax.data.schema import Schema
from aqa_jax.evaluation.stage_segmentation import stages_at
from aqa_jax.predictions import Predictions
from aqa_jax.systems.ed_tcn import choose_tasks
from aqa_jax.systems.ed_tcn.network import EDTCN, normalized_relu
from aqa_jax.tasks.stages import StagesTask
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES

_TASKS = (StagesTask(),)


def _convolved(frames, kernel, bias):
  """A convolution of Keras with padding 'same', place by place, float64."""
  width = len(kernel)
  before = (width - 1) // 2
  padded = np.pad(frames, ((before, width - 1 - before), (0, 0)))
  return np.stack(
    [
      np.einsum('kc,kcd->d', padded[place : place + width], kernel) + bias
      for place in range(len(frames))
    ]
  )


def _normalized(frames):
  frames = np.maximum(frames, 0)
  return frames / (np.abs(frames).max(axis=1, keepdims=True) + 1e-5)


def _transcribed(params, features):
  """ED-TCN of one dive, layer by layer as in the authors' code."""
  layers = {
    name: (np.float64(layer['kernel']), np.float64(layer['bias']))
    for name, layer in params.items()
  }
  frames = np.zeros((-(-len(features) // 4) * 4, features.shape[1]))
  frames[: len(features)] = features
  for name in ('encoder_0', 'encoder_1'):
    frames = _normalized(_convolved(frames, *layers[name]))
    frames = frames.reshape(len(frames) // 2, 2, -1).max(axis=1)
  for name in ('decoder_0', 'decoder_1'):
    frames = np.repeat(frames, 2, axis=0)
    frames = _normalized(_convolved(frames, *layers[name]))
  kernel, bias = layers['stages']
  return frames[: len(features)] @ kernel + bias


@pytest.mark.parametrize(
  ('num_frames', 'kernel'), [(1, 10), (16, 10), (23, 10), (10, 3)]
)
def test_is_the_network_of_the_authors(num_frames, kernel):
  rng = np.random.default_rng(num_frames)
  features = rng.normal(size=(2, num_frames, 7)).astype(np.float32)
  network = EDTCN(_TASKS, nodes=(6, 9), kernel=kernel)
  params = jax.jit(network.init)(jax.random.key(0), features)['params']
  # Biases begin at 0.
  params = jax.tree.map(
    lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape), params
  )
  logits = network.apply({'params': params}, features)['stages']
  assert logits.shape == (2, num_frames, 5)
  for found, dive in zip(logits, features, strict=True):
    np.testing.assert_allclose(found, _transcribed(params, dive), atol=1e-5)


def test_has_the_published_layers():
  network = EDTCN(_TASKS)
  variables = jax.eval_shape(
    network.init, jax.random.key(0), jnp.zeros((1, 151, 2048))
  )
  shapes = {
    name: layer['kernel'].shape for name, layer in variables['params'].items()
  }
  assert shapes == {
    'encoder_0': (10, 2048, 256),
    'encoder_1': (10, 256, 512),
    'decoder_0': (10, 512, 512),
    'decoder_1': (10, 512, 256),
    'stages': (256, 5),
  }
  assert network.output_layers() == {('stages',)}


def test_dropout_leaves_out_whole_channels():
  features = jnp.asarray(np.random.default_rng(0).normal(size=(1, 12, 4)))
  network = EDTCN(_TASKS, nodes=(40, 8), kernel=3, dropout=0.5)
  variables = jax.jit(network.init)(jax.random.key(0), features)
  _, state = network.apply(
    variables,
    features,
    train=True,
    rngs={'dropout': jax.random.key(1)},
    capture_intermediates=lambda module, _: type(module).__name__ == 'Dropout',
    mutable=['intermediates'],
  )
  dropped = np.asarray(
    state['intermediates']['Dropout_0']['__call__'][0][0] == 0
  )
  assert (dropped.all(axis=0) | ~dropped.any(axis=0)).all()
  assert 5 < dropped[0].sum() < 35


def test_gradients_are_those_of_finite_differences():
  with jax.enable_x64(True):
    rng = np.random.default_rng(3)
    features = jnp.asarray(rng.normal(size=(2, 6, 3)))
    batch = {'stage_ends': jnp.array([[1, 2, 4, 5], [0, 3, 3, 9]])}
    network = EDTCN(_TASKS, nodes=(4, 5), kernel=3, dtype=jnp.float64)
    params = network.init(jax.random.key(0), features)['params']
    params = jax.tree.map(
      lambda leaf: jnp.asarray(leaf + 0.1 * rng.normal(size=leaf.shape)), params
    )

    @jax.jit
    def loss(params):
      output = network.apply({'params': params}, features)['stages']
      return _TASKS[0].loss(output, batch)

    check_grads(loss, (params,), order=1, modes=('rev',), rtol=1e-5)


def test_frames_without_an_activation_have_a_gradient():
  hidden = jnp.array([[[-1.0, -2.0], [3.0, 1.0]]])
  np.testing.assert_allclose(
    normalized_relu(hidden), [[[0, 0], [1, 1 / 3]]], atol=1e-5
  )
  gradient = jax.grad(lambda x: normalized_relu(x).sum())(hidden)
  assert np.isfinite(gradient).all()


def test_the_loss_is_the_cross_entropy_of_the_frames():
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(3, 7, 5))
  ends = np.array([[1, 2, 4, 5], [0, 3, 3, 9], [2, 3, 4, 7]])
  chances = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
  stages = stages_at(ends, 7)
  expected = -np.mean(
    [
      np.log(chances[dive, frame, stages[dive, frame]])
      for dive in range(3)
      for frame in range(7)
    ]
  )
  found = _TASKS[0].loss(jnp.asarray(logits), {'stage_ends': jnp.array(ends)})
  assert float(found) == pytest.approx(expected, rel=1e-5)


def test_what_the_task_says_of_dives():
  task = StagesTask()
  ends = np.array([[2, 3, 5, 6], [1, 2, 4, 5]])
  stages = stages_at(ends, 8)
  stages[0, 1] = 1
  outputs = {'stages': stages} | task.decode({'stages': stages}, Schema())
  labels = {'final_score': np.zeros(2), 'stage_ends': ends}
  predictions = Predictions(labels, outputs, Schema())
  measured = task.measure(predictions)
  assert measured == {
    'stage_accuracy': 100 * 15 / 16,
    'stage_end_mae': {
      'beginning': 0.5, 'jump': 0.0, 'drop': 0.0, 'entry': 0.0,
    },
  }  # fmt: skip
  drawn = task.resampled(predictions, np.array([1, 1]))
  assert drawn['stage_accuracy'] == 100
  assert drawn['stage_end_mae_beginning'] == 0
  row = task.columns(predictions, 0)
  assert (row['true_beginning_end'], row['predicted_beginning_end']) == (2, 1)
  assert len(row) == 2 * len(STAGES)
  table = '\n'.join(task.table(measured))
  assert '93.8' in table and '0.50' in table
  (section,) = task.sections(predictions, measured, {})
  assert section.content['rows'][1] == (
    'end of the beginning, frames off',
    '0.50',
  )
  assert task.dive_section(predictions, 0).content[0] == (
    'end of the beginning', '1', '2',
  )  # fmt: skip


@pytest.mark.parametrize(
  ('changes', 'features', 'words'),
  [
    ({'tasks': 'score'}, ('stage_ends',), 'begin with configs/ed_tcn.py'),
    ({'model.nodes': ()}, ('stage_ends',), r'config\.model\.nodes=\(\)'),
    ({'model.nodes': (8, 0)}, ('stage_ends',), r'config\.model\.nodes=\(8, 0'),
    ({}, ('video',), 'run python -m tfds_mtl_aqa.prepare simulated_dives/tiny'),
  ],
)
def test_what_does_not_fit_is_told(changes, features, words):
  config = ml_collections.ConfigDict(
    {
      'network': 'ed_tcn',
      'tasks': 'stages',
      'features': {},
      'model': {'nodes': (8,)},
      'dataset': {'name': 'simulated_dives/tiny'},
    }
  )
  config.update_from_flattened_dict(changes)
  with pytest.raises(InputError, match=words):
    choose_tasks(config, Schema(features=features))
