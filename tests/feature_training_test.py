"""Features whose weights are replaced, or lie elsewhere, between two starts."""

import json
import shutil

import pytest
from safetensors.numpy import load_file, save_file

from aqa_jax import regress, train
from aqa_jax.configs import c3d_lstm, c3d_lstm_svr, c3d_svr, ed_tcn, s3d_stages
from aqa_jax.features.clip_features import ClipFeatures
from aqa_jax.paper.experiment import Plan
from aqa_jax.paper.row import Row
from tfds_mtl_aqa.input_error import InputError


@pytest.fixture(name='trunk')
def fixture_trunk(model_dir, tmp_path):
  """A model folder that may be changed."""
  return shutil.copytree(model_dir, tmp_path / 'trunk')


def _replace(trunk):
  """Puts other weights where those of a model folder were."""
  path = trunk / 'model.safetensors'
  save_file({k: v * 1.01 for k, v in load_file(path).items()}, path)


def _overrides(weights, tiny_dives, **more):
  return {
    'dataset.name': 'simulated_dives/tiny',
    'dataset.data_dir': str(tiny_dives),
    'features.weights': str(weights),
    **more,
  }


def _config(module, weights, tiny_dives, **more):
  config = module.get_config()
  config.update_from_flattened_dict(_overrides(weights, tiny_dives, **more))
  return config


_CLIPS = {'features.clip_frames': 4}
_REGRESSION = {'regressor.folds': 3, 'regressor.strength': 1.0}
_TRAINING = {
  'batch_size': 8,
  'eval_batch_size': 8,
  'duration': '4 epochs',
  'checkpoint_every': '1 epochs',
  'validation.fraction': 0.25,
  'mesh.data': 1,
  'tensorboard': False,
}
_LSTM = _TRAINING | _CLIPS | {'model.hidden': 4, 'meteor': False}
_ED_TCN = _TRAINING | _CLIPS | {'model.nodes': (4,), 'model.kernel': 3}


def _no_computing(monkeypatch):
  def fail(*_):
    raise AssertionError('features are computed')

  monkeypatch.setattr(ClipFeatures, 'of_dives', fail)


def test_an_lstm_and_its_regression_want_their_features(
  trunk, tiny_dives, tmp_path, monkeypatch
):
  config = _config(c3d_lstm, trunk, tiny_dives, **_LSTM)
  workdir = tmp_path / 'lstm/seed0'
  train.train_and_evaluate(config, workdir)
  recorded = json.loads((workdir / 'config.json').read_text())
  assert len(recorded['features']['fingerprint']) == 64
  # A table takes it for its run, whose config has neither that nor the unit.
  assert recorded['model']['score_unit'] > 5
  flags = [
    f'--config.{name}={value}'
    for name, value in _overrides(trunk, tiny_dives, **_LSTM).items()
  ]
  row = Row('lstm', 'LSTM', 'configs/c3d_lstm.py', {}, '', {})
  (run,) = Plan(tmp_path, str(tiny_dives), flags).runs([row], 1)
  assert run.workdir == workdir and run.is_finished()
  flags.append('--config.model.score_unit=20.0')
  (run,) = Plan(tmp_path, str(tiny_dives), flags).runs([row], 1)
  with pytest.raises(InputError, match='score_unit='):
    run.is_finished()
  svr_config = _config(c3d_lstm_svr, workdir, tiny_dives, **_REGRESSION)
  regress.train_and_evaluate(svr_config, tmp_path / 'svr')

  # Another LSTM in the same place.
  shutil.move(workdir, tmp_path / 'first')
  config.seed = 1
  train.train_and_evaluate(config, workdir)
  with pytest.raises(InputError, match='was begun on other features'):
    regress.set_up(svr_config, tmp_path / 'svr')
  shutil.rmtree(workdir)
  shutil.move(tmp_path / 'first', workdir)
  config.seed = 0

  _no_computing(monkeypatch)
  train.evaluate_best(train.set_up(config, workdir))
  regress.evaluate_best(regress.set_up(svr_config, tmp_path / 'svr'))
  _replace(trunk)
  with pytest.raises(InputError, match='was begun on other features'):
    train.set_up(config, workdir)
  with pytest.raises(InputError, match='trained on other features than .*trun'):
    regress.set_up(svr_config, tmp_path / 'svr')
  # As from another folder, where the path of the trunk leads nowhere.
  trunk.rename(tmp_path / 'moved')
  with pytest.raises(InputError, match=r'seed0: needs .*trunk: is not there'):
    regress.set_up(svr_config, tmp_path / 'svr')


def test_stages_want_the_features_of_their_network(
  trunk, tiny_training, tiny_dives, tmp_path, monkeypatch
):
  workdir = tmp_path / 'ed_tcn'
  train.train_and_evaluate(
    _config(ed_tcn, trunk, tiny_dives, **_ED_TCN), workdir
  )
  stages = {'features.stages': str(workdir)}
  config = _config(
    s3d_stages, tiny_training[0], tiny_dives, **_CLIPS, **_REGRESSION, **stages
  )
  regress.set_up(config, tmp_path / 'run')
  _no_computing(monkeypatch)
  _replace(trunk)
  with pytest.raises(InputError, match='ed_tcn: was trained on other features'):
    regress.set_up(config, tmp_path / 'run')
  # A wrong trunk is told before any stage is computed.
  config.features.weights = str(tmp_path / 'nothing')
  with pytest.raises(InputError, match=r'features\.weights: .*nothing: is not'):
    regress.set_up(config, tmp_path / 'run')


def test_a_regression_wants_its_weights(trunk, tiny_dives, tmp_path):
  config = _config(c3d_svr, trunk, tiny_dives, **_CLIPS, **_REGRESSION)
  regress.train_and_evaluate(config, tmp_path / 'run')
  _replace(trunk)
  with pytest.raises(InputError, match='was begun on other features'):
    regress.set_up(config, tmp_path / 'run')
  # A workdir of an earlier version has recorded nothing.
  path = tmp_path / 'run/config.json'
  recorded = json.loads(path.read_text())
  del recorded['features']['fingerprint']
  path.write_text(json.dumps(recorded))
  regress.set_up(config, tmp_path / 'run')


def test_weights_to_begin_with_come_before_features(
  trunk, tiny_dives, tmp_path, monkeypatch
):
  _no_computing(monkeypatch)
  config = _config(
    c3d_lstm, trunk, tiny_dives, init_from=str(tmp_path / 'nothing'), **_LSTM
  )
  with pytest.raises(InputError, match=r'init_from: .*nothing: is not there'):
    train.set_up(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()
