"""S3D on simulated dives, whole: frames, stages, features, regression."""

import csv
import json

import numpy as np
import pytest

from aqa_jax import command_line, regress, train
from aqa_jax.configs import ed_tcn, s3d_stages
from aqa_jax.data import dive_split
from aqa_jax.features.stage_network import StageNetwork
from aqa_jax.judging.model_source import find_model
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES


def _config(module, weights, tiny_dives, **overrides):
  config = module.get_config()
  config.update_from_flattened_dict(
    {
      'dataset.name': 'simulated_dives/tiny',
      'dataset.data_dir': str(tiny_dives),
      'features.weights': str(weights),
      'features.clip_frames': 4,
      **overrides,
    }
  )
  return config


def _ed_tcn(weights, tiny_dives, **overrides):
  return _config(
    ed_tcn,
    weights,
    tiny_dives,
    **{
      'duration': '6 epochs',
      'batch_size': 8,
      'eval_batch_size': 8,
      'model.nodes': (8, 8),
      'model.kernel': 5,
      'optimizer.learning_rate': 1e-2,
      'checkpoint_every': '3 epochs',
      'validation.fraction': 0.25,
      'validation.whole_events': True,
      'tensorboard': False,
      **overrides,
    },
  )


@pytest.fixture(name='segmentation', scope='module')
def fixture_segmentation(tiny_training, tiny_dives, tmp_path_factory):
  """The workdir of a training, and its evaluation."""
  workdir = tmp_path_factory.mktemp('stages') / 'ed_tcn'
  config = _ed_tcn(tiny_training[0], tiny_dives)
  return workdir, train.train_and_evaluate(config, workdir)['test']


def _rows(workdir):
  with open(workdir / 'predictions_test.csv') as file:
    return list(csv.DictReader(file))


def test_a_training_tells_stages(segmentation, tiny_dives):
  workdir, found = segmentation
  stored = json.loads((workdir / 'eval_test.json').read_text())
  assert stored['stage_accuracy'] == found['stage_accuracy']
  # To say 'drop' always is right for a third of the frames.
  assert found['stage_accuracy'] > 45
  assert found['stage_end_mae'].keys() == set(STAGES)
  assert found['intervals']['stage_accuracy'][0] > 30
  # It knows of no score.
  assert 'spearman' not in found and 'score_interval' not in found
  rows = _rows(workdir)
  assert len(rows) == found['num_dives'] == 8
  errors = [
    abs(int(row['true_entry_end']) - int(row['predicted_entry_end']))
    for row in rows
  ]
  assert np.mean(errors) == found['stage_end_mae']['entry']
  report = (workdir / 'report_test.html').read_text()
  assert 'end of the entry, frames off' in report


def test_evaluates_again(segmentation, tiny_training, tiny_dives):
  workdir, found = segmentation
  config = _ed_tcn(tiny_training[0], tiny_dives)
  again = train.evaluate_best(train.set_up(config, workdir))['test']
  assert json.dumps(again) == json.dumps(found)


def test_cuts_dives_for_a_regression(
  segmentation, tiny_training, tiny_dives, tmp_path
):
  workdir, _ = segmentation
  builder = dive_split.open_builder('simulated_dives/tiny', str(tiny_dives))
  network = StageNetwork(str(workdir), builder.info)
  dives = dive_split.load_split(builder, 'test')
  assert network.stage_ends('test', dives).tolist() == [
    [int(row[f'predicted_{name}_end']) for name in STAGES]
    for row in _rows(workdir)
  ]
  assert network.has_seen_training_dives()
  config = _config(
    s3d_stages,
    tiny_training[0],
    tiny_dives,
    **{
      'features.stages': str(workdir),
      'regressor.folds': 3,
      'regressor.strength': 1.0,
    },
  )
  found = regress.train_and_evaluate(config, tmp_path / 'run')['test']
  assert found['num_dives'] == 8
  assert str(workdir) in (tmp_path / 'run/report_test.html').read_text()


def test_stages_that_are_not_known(
  tiny_training, tiny_dives, tmp_path, monkeypatch
):
  load = dive_split.load_split

  def without_stages(*arguments):
    dives = load(*arguments)
    dives.labels['stage_ends'][0] = -1
    return dives

  monkeypatch.setattr('aqa_jax.data.dive_selection.load_split', without_stages)
  config = _ed_tcn(tiny_training[0], tiny_dives)
  with pytest.raises(InputError, match='of 1 of 12 dives are not known'):
    train.set_up(config, tmp_path / 'run')
  # No feature was computed, and nothing written.
  assert not list(tmp_path.iterdir())


def test_judges_no_video(segmentation):
  with pytest.raises(InputError, match='is a network on features'):
    find_model(segmentation[0])


def test_another_task_or_source_is_refused(tiny_training, tiny_dives, tmp_path):
  weights = tiny_training[0]
  config = _ed_tcn(weights, tiny_dives, tasks='score')
  with pytest.raises(InputError, match=r'begin with configs/ed_tcn\.py'):
    train.set_up(config, tmp_path)
  config = _config(s3d_stages, weights, tiny_dives)
  config.features.source = 'frames'
  with pytest.raises(InputError, match='takes one vector; give another'):
    regress.set_up(config, tmp_path)


@pytest.mark.parametrize('module', [ed_tcn, s3d_stages])
def test_the_configs_are_whole(module):
  command_line._check_fields(module.get_config(), 'configs')
  config = module.get_config().unlock()
  del config.features.clip_frames
  with pytest.raises(InputError, match=r'lacks features\.clip_frames'):
    command_line._check_fields(config, 'configs')
