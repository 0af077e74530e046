"""C3D-LSTM against PyTorch, finite differences and labels made by hand."""

import csv
import json

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from jax.test_util import check_grads

from aqa_jax import regress, train
from aqa_jax.config import check_config
from aqa_jax.configs import c3d_lstm, c3d_lstm_pytorch, c3d_lstm_svr
from aqa_jax.data.schema import Schema
from aqa_jax.systems.c3d_lstm import choose_tasks
from aqa_jax.systems.c3d_lstm.network import C3DLSTM
from aqa_jax.tasks.score import with_score_unit
from aqa_jax.tasks.step_scores import StepScoresTask
from aqa_jax.weights.checkpoint import read_best
from tfds_mtl_aqa.input_error import InputError

_BATCH, _CLIPS, _FEATURES, _HIDDEN = 3, 5, 7, 4


def _network(labels='final', **fields):
  task = StepScoresTask(unit=2.0, labels_of_steps=labels)
  return C3DLSTM((task,), _HIDDEN, **fields)


def _features(dtype=np.float32):
  shape = (_BATCH, _CLIPS, _FEATURES)
  return np.random.default_rng(0).normal(size=shape).astype(dtype)


def _variables(network):
  """Weights large enough that the gates saturate here and there."""
  shapes = jax.eval_shape(network.init, jax.random.key(0), _features())
  rng = np.random.default_rng(1)
  return jax.tree.map(
    lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes
  )


def test_is_pytorchs_lstm():
  torch = pytest.importorskip('torch', reason='PyTorch is not installed')
  network = _network()
  variables = _variables(network)
  cell = variables['params']['lstm']['cell']
  lstm = torch.nn.LSTM(_FEATURES, _HIDDEN, batch_first=True)
  fc1 = torch.nn.Linear(_HIDDEN, 1)
  # PyTorch's order of the gates, and its second bias.
  gates = 'ifgo'
  weights = {
    'weight_ih_l0': [cell[f'i{g}']['kernel'].T for g in gates],
    'weight_hh_l0': [cell[f'h{g}']['kernel'].T for g in gates],
    'bias_ih_l0': [np.zeros(_HIDDEN, np.float32)] * 4,
    'bias_hh_l0': [cell[f'h{g}']['bias'] for g in gates],
  }
  lstm.load_state_dict(
    {k: torch.from_numpy(np.concatenate(v)) for k, v in weights.items()}
  )
  layer = variables['params']['fc1']
  fc1.load_state_dict(
    {
      'weight': torch.from_numpy(np.ascontiguousarray(layer['kernel'].T)),
      'bias': torch.from_numpy(layer['bias']),
    }
  )
  with torch.no_grad():
    hidden, _ = lstm(torch.from_numpy(_features()))
    scores = fc1(hidden)[..., 0]
  found = network.apply(variables, _features(), method='outputs')
  np.testing.assert_allclose(found, hidden.numpy(), atol=1e-5)
  np.testing.assert_allclose(
    network.apply(variables, _features())['score'], scores.numpy(), atol=1e-5
  )


@pytest.mark.parametrize('labels', ['final', 'incremental'])
def test_gradients_are_finite_differences(labels):
  with jax.enable_x64(True):
    network = _network(labels, dtype=jnp.float64)
    params = jax.tree.map(
      lambda leaf: jnp.asarray(leaf, jnp.float64),
      _variables(network)['params'],
    )
    features = jnp.asarray(_features(), jnp.float64)
    batch = {'score': jnp.arange(1.0, 1.0 + _BATCH)}

    def loss(params, features):
      outputs = network.apply({'params': params}, features)
      (task,) = network.tasks
      return task.loss(outputs['score'], batch)

    check_grads(loss, (params, features), 1, modes=['rev'], eps=1e-6)


def test_labels_of_the_steps():
  output = jnp.array([[1.0, 2.0, 3.0], [0.0, 1.0, 5.0]])
  batch = {'score': jnp.array([6.0, 12.0])}  # 3 and 6 units of 2 points.
  final = StepScoresTask(unit=2.0)
  assert float(final.loss(output, batch)) == pytest.approx((0 + 1) / 2)
  np.testing.assert_allclose(final.predict(output)['score'], [6, 10])
  steps = StepScoresTask(unit=2.0, labels_of_steps='incremental')
  # Wanted: 1, 2, 3 and 2, 4, 6.
  expected = (0 + 0 + 0 + 4 + 9 + 1) / 6
  assert float(steps.loss(output, batch)) == pytest.approx(expected)


def test_first_weights():
  network = C3DLSTM((StepScoresTask(),), hidden=64)
  params = network.init(jax.random.key(0), jnp.zeros((1, 2, 300)))['params']
  cell = params['lstm']['cell']
  for gate in 'ifgo':
    assert np.std(cell[f'i{gate}']['kernel']) == pytest.approx(0.1, rel=0.05)
    assert np.std(cell[f'h{gate}']['kernel']) == pytest.approx(0.1, rel=0.1)
    assert not np.any(cell[f'h{gate}']['bias'])
  assert np.std(params['fc1']['kernel']) == pytest.approx(0.005, rel=0.3)
  # PyTorch's, for the later network.
  network = C3DLSTM(
    (StepScoresTask(),), 64, lstm_deviation=0.0, fc1_deviation=0.0
  )
  params = network.init(jax.random.key(0), jnp.zeros((1, 2, 300)))['params']
  for leaf in jax.tree.leaves(params):
    assert np.abs(leaf).max() <= 1 / 8
    assert leaf.size == 1 or np.abs(leaf).max() > 0.1


def test_the_unit_is_the_deviation_of_the_scores():
  scores = np.array([8.0, 9.0, 10.0])
  config = c3d_lstm.get_config()
  found = with_score_unit(config, scores).model.score_unit
  assert found == pytest.approx(np.sqrt(2 / 3))
  assert json.loads(json.dumps(found)) == found
  config.model.score_unit = 3.0
  assert with_score_unit(config, scores) is config
  config.model.score_unit = 0.0
  with pytest.raises(InputError, match='score_unit=0: the scores'):
    with_score_unit(config, scores[:1])
  other = ml_collections.ConfigDict({'model': {}})
  assert with_score_unit(other, scores) is other


@pytest.mark.parametrize('module', [c3d_lstm, c3d_lstm_pytorch])
def test_a_wrong_field_is_named(module):
  config = module.get_config()
  (task,) = choose_tasks(config, Schema())
  assert task.labels_of_steps == 'final'
  for field, value in (('labels', 'last'), ('hidden', 0), ('score_unit', -1.0)):
    config = module.get_config()
    config.model[field] = value
    with pytest.raises(InputError, match=f'config.model.{field}='):
      check_config(config)
      choose_tasks(config, Schema())
  config = module.get_config()
  config.tasks = 'score,classes'
  with pytest.raises(InputError, match='begin with configs/c3d_lstm.py'):
    choose_tasks(config, Schema())


def _overrides(weights, tiny_dives, **changes):
  return {
    'dataset.name': 'simulated_dives/tiny',
    'dataset.data_dir': str(tiny_dives),
    'features.weights': str(weights),
    'meteor': False,
    **changes,
  }


@pytest.fixture(name='trained', scope='module')
def fixture_trained(tiny_training, tiny_dives, tmp_path_factory):
  config = c3d_lstm_pytorch.get_config()
  config.update_from_flattened_dict(
    _overrides(
      tiny_training[0],
      tiny_dives,
      **{
        'features.clip_frames': 4,
        'features.clip_stride': 3,
        'model.hidden': 8,
        'model.labels': 'incremental',
        'duration': '40 epochs',
        'checkpoint_every': '20 epochs',
        'validation.fraction': 0.25,
        'optimizer.learning_rate': 1e-2,
        'mesh.data': 1,
        'tensorboard': False,
      },
    )
  )
  workdir = tmp_path_factory.mktemp('lstm') / 'run'
  return workdir, train.train_and_evaluate(config, workdir)['test']


def test_learns_the_score(trained):
  workdir, found = trained
  text = (workdir / 'metrics.jsonl').read_text()
  lines = [json.loads(line) for line in text.splitlines()]
  losses = [line['train/loss'] for line in lines if 'train/loss' in line]
  # It begins at the square of the mean in deviations, by thirds.
  assert losses[-1] < losses[0] / 4
  recorded = json.loads((workdir / 'config.json').read_text())
  assert 5 < recorded['model']['score_unit'] < 30
  assert found['mae'] < 30
  assert 'score_interval' not in found


def test_its_output_is_regressed(trained, tiny_dives, tmp_path):
  workdir, _ = trained
  config = c3d_lstm_svr.get_config()
  config.update_from_flattened_dict(
    _overrides(workdir, tiny_dives, **{'regressor.folds': 3})
  )
  found = regress.train_and_evaluate(config, tmp_path / 'svr')['test']
  assert found['num_dives'] == 8
  assert 'score_interval' not in found
  regression = regress.set_up(config, tmp_path / 'svr')
  features = regression.source.features('test', regression.tests['test'])
  assert features.shape == (8, 8)
  # FC1 on them is the score that the network gives.
  recorded = json.loads((workdir / 'config.json').read_text())
  layer = read_best(workdir)[0]['params']['fc1']
  scores = (features @ layer['kernel'] + layer['bias'])[:, 0]
  with open(workdir / 'predictions_test.csv', newline='') as file:
    told = [float(row['predicted_score']) for row in csv.DictReader(file)]
  np.testing.assert_allclose(
    scores * recorded['model']['score_unit'], told, rtol=1e-4
  )
  assert 'LSTM' in regression.source.facts()


def test_weights_of_something_else(tiny_training, tiny_dives, tmp_path):
  for weights, message in (
    ('', "features.weights='': give the workdir"),
    (tiny_training[0], 'is not a training of configs/c3d_lstm.py'),
    (tmp_path, 'is not a training of configs/c3d_lstm.py'),
    ('/nowhere', '/nowhere: is not there'),
  ):
    config = c3d_lstm_svr.get_config()
    config.update_from_flattened_dict(_overrides(weights, tiny_dives))
    with pytest.raises(InputError, match=message):
      regress.set_up(config, tmp_path / 'run')
