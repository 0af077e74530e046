"""A network on features goes the way of a network on videos."""

import contextlib
import csv
import json
import sys

import feature_network
import jax
import numpy as np
import pytest

from aqa_jax import command_line, regress, sharding, train
from aqa_jax.configs import c3d_svr, quickstart, s3d
from aqa_jax.data import dive_split, input_pipeline
from aqa_jax.features.feature_file import FeatureFile
from aqa_jax.features.feature_input import FeatureInput
from aqa_jax.features.network_features import NetworkFeatures
from aqa_jax.judging.model_source import find_model
from aqa_jax.tasks.score import ScoreTask
from tfds_mtl_aqa.input_error import InputError

_OF_VIDEOS = ('input.', 'model.')


@pytest.fixture(name='_outside', autouse=True, scope='module')
def fixture_outside():
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(sys.modules, 'outside.feature_network', feature_network)
    yield


def _config(weights, overrides, **changes):
  """A small network on the features of the clips of a trained network."""
  config = quickstart.get_config().unlock()
  of_both = {k: v for k, v in overrides.items() if not k.startswith(_OF_VIDEOS)}
  config.update_from_flattened_dict(of_both)
  del config.input
  config.tasks = 'score'
  config.network = 'outside.feature_network'
  config.model = {'initial_score': 4.0}
  config.features = c3d_svr.get_config().features
  config.features.weights = str(weights)
  config.features.pool = 'none'
  config.features.clip_frames = 4
  config.features.clip_stride = 3
  config.update_from_flattened_dict(
    {'optimizer.learning_rate': 1e-2, 'mesh.data': 1, **changes}
  )
  return config.lock()


@pytest.fixture(name='builder', scope='module')
def fixture_builder(tiny_dives):
  return dive_split.open_builder('simulated_dives/tiny', str(tiny_dives))


@pytest.fixture(name='trained', scope='module')
def fixture_trained(tiny_training, tiny_overrides, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('features') / 'run'
  config = _config(tiny_training[0], tiny_overrides)
  return workdir, train.train_and_evaluate(config, workdir)['test']


def test_leaves_what_a_training_on_videos_leaves(trained):
  workdir, found = trained
  text = (workdir / 'metrics.jsonl').read_text()
  lines = [json.loads(line) for line in text.splitlines()]
  losses = [x['train/loss'] for x in lines if 'train/loss' in x]
  assert len(losses) == 6 and losses[-1] < losses[0]
  assert any('validation/spearman' in line for line in lines)
  with open(workdir / 'predictions_test.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  errors = [
    abs(float(row['true_score']) - float(row['predicted_score']))
    for row in rows
  ]
  assert len(rows) == 8
  assert np.mean(errors) == pytest.approx(found['mae'], rel=1e-5)
  page = (workdir / 'report_test.html').read_text('utf-8')
  assert '<dt>clips</dt><dd>4 frames, every 3</dd>' in page
  assert 'data:image/jpeg' not in page
  assert 'training: loss' in page


def test_no_interval_where_the_features_have_seen_the_dives(
  trained, tiny_training, tiny_overrides, tmp_path, monkeypatch
):
  workdir, found = trained
  assert 'score_interval' not in found
  assert not (workdir / 'calibration.json').exists()
  monkeypatch.setattr(
    NetworkFeatures, 'have_seen_training_dives', lambda _: False
  )
  config = _config(tiny_training[0], tiny_overrides, duration='1 steps')
  found = train.train_and_evaluate(config, tmp_path / 'run')['test']
  assert 'score_interval' in found
  assert (tmp_path / 'run' / 'calibration.json').exists()


def test_goes_on_to_the_same_bits(trained, tiny_training, tiny_overrides):
  whole, _ = trained
  workdir = whole.parent / 'again'
  config = _config(tiny_training[0], tiny_overrides)
  experiment = train.set_up(config, workdir)
  with contextlib.closing(experiment):
    experiment.state = experiment.setup.create_state()
    batches = experiment.batches(0)
    for _ in range(2):
      experiment.state, _ = experiment.setup.train_step(
        experiment.state, sharding.shard(next(batches), experiment.mesh)
      )
    experiment.checkpoints.save(experiment.state)
  train.train_and_evaluate(config, workdir)
  states = []
  for folder in (whole, workdir):
    experiment = train.set_up(config, folder)
    with contextlib.closing(experiment):
      states.append(experiment.checkpoints.restore_latest(experiment.state))
  assert int(states[1].step) == 6
  jax.tree.map(np.testing.assert_array_equal, *states)


def test_evaluates_again(trained, tiny_training, tiny_overrides):
  workdir, found = trained
  before = (workdir / 'predictions_test.csv').read_bytes()
  experiment = train.set_up(_config(tiny_training[0], tiny_overrides), workdir)
  with contextlib.closing(experiment):
    again = train.evaluate_best(experiment)['test']
  assert json.dumps(again) == json.dumps(found)
  assert (workdir / 'predictions_test.csv').read_bytes() == before


def test_rows_are_those_of_the_dive(
  tiny_training, tiny_overrides, builder, tmp_path
):
  config = _config(tiny_training[0], tiny_overrides)
  source = NetworkFeatures(config.features, tmp_path / 'run', builder.info)
  splits = {n: dive_split.load_split(builder, n) for n in ('train', 'test')}
  dive_input = FeatureInput(source, splits)
  found = source.features('test', splits['test'])
  # 12 frames, clips of 4 every 3.
  assert found.shape == (8, 3, 16)
  assert dive_input.shape == (3, 16)
  # Their mean is what a regression takes.
  config.features.pool = 'mean'
  mean = NetworkFeatures(config.features, tmp_path / 'run', builder.info)
  np.testing.assert_allclose(
    mean.features('test', splits['test']), found.mean(axis=1), rtol=1e-5
  )
  # Not in the order of the split, and each dive once.
  chosen = splits['test'].select([5, 1, 6])
  (batch,) = input_pipeline.evaluation_batches(
    chosen, dive_input, (ScoreTask(),), 4, (0, 1)
  )
  np.testing.assert_array_equal(
    batch['features'], found[[5, 1, 6, 6]].astype(np.float32)
  )
  np.testing.assert_array_equal(
    batch['score'][:3], chosen.labels['final_score']
  )
  abstract = input_pipeline.abstract_batch(dive_input, (ScoreTask(),), 4)
  assert {
    name: (array.shape, array.dtype)
    for name, array in batch.items()
    if name in abstract
  } == {name: (array.shape, array.dtype) for name, array in abstract.items()}


def test_sequences_of_a_file(builder, tmp_path):
  rng = np.random.default_rng(0)
  splits = {n: dive_split.load_split(builder, n) for n in ('train', 'test')}
  arrays = {}
  for name, dives in splits.items():
    keys = np.transpose(dive_split.dive_keys(dives.labels))
    arrays[f'{name}_id'] = keys[::-1]
    arrays[f'{name}_features'] = rng.normal(size=(len(dives), 5, 3))
  path = tmp_path / 'features.npz'
  np.savez(path, **arrays)
  config = s3d.get_config().features
  config.path = str(path)
  dive_input = FeatureInput(FeatureFile(config, tmp_path, builder.info), splits)
  row = dive_input.read(splits['test'][1], None)['features']
  np.testing.assert_array_equal(
    row, arrays['test_features'][-2].astype(np.float32)
  )
  # Fewer steps in another split.
  arrays['test_features'] = arrays['test_features'][:, :4]
  np.savez(path, **arrays)
  dive_input = FeatureInput(FeatureFile(config, tmp_path, builder.info), splits)
  with pytest.raises(InputError, match=r'train \[5, 3\], test \[4, 3\]'):
    dive_input.shape  # noqa: B018


def test_what_does_not_go_together_is_told_at_once(
  tiny_training, tiny_overrides, tmp_path, monkeypatch
):
  def computed(*_):
    raise AssertionError('features were computed')

  monkeypatch.setattr(NetworkFeatures, 'features', computed)
  workdir = tmp_path / 'run'
  for wrong, message in (
    ({'features.pool': 'mean'}, 'features.pool=none'),
    ({'features.pool': 'max'}, "features.pool='max': give mean or none"),
    ({'optimizer.name': 'sgd'}, "optimizer.name='sgd'"),
    ({'tasks': 'nothing'}, "config.tasks='nothing'"),
  ):
    config = _config(tiny_training[0], tiny_overrides, **wrong)
    with pytest.raises(InputError, match=message):
      train.set_up(config, workdir)
  assert not workdir.exists()
  config = c3d_svr.get_config()
  config.dataset = _config('', tiny_overrides).dataset
  config.features.pool = 'none'
  with pytest.raises(InputError, match='features.pool=mean'):
    regress.set_up(config, workdir)


def test_judges_no_video(trained):
  with pytest.raises(InputError, match='on features, which judges no video'):
    find_model(trained[0])


@pytest.mark.parametrize(
  ('lost', 'message'),
  [
    (
      'features.pool',
      'lacks features.pool; take features from configs/c3d_svr.py',
    ),
    ('optimizer.warmup', 'lacks optimizer.warmup; begin'),
    ('', ''),
  ],
)
def test_fields_of_a_config_of_ones_own(lost, message, tiny_overrides):
  config = _config('', tiny_overrides).unlock()
  if not lost:
    command_line._check_fields(config, 'own.py')
    return
  group, _, field = lost.partition('.')
  del config[group][field]
  with pytest.raises(InputError, match=message):
    command_line._check_fields(config, 'own.py')


def test_features_of_another_source_name_their_config(tiny_overrides):
  config = _config('', tiny_overrides)
  config.features.source = 'file'
  with pytest.raises(InputError, match=r'and 3 more .* from configs/s3d\.py'):
    command_line._check_fields(config, 'own.py')
  # What is no source, its class tells, with the names of those that are.
  config.features.source = 'video'
  command_line._check_fields(config, 'own.py')
