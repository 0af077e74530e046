"""Tasks, evaluators, datasets and systems that are not in the package."""

import csv
import dataclasses
import json
import sys
import types

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
from splash_task import SplashTask

from aqa_jax import own_parts, train
from aqa_jax.configs import quickstart
from aqa_jax.data import dive_selection
from aqa_jax.data.dive_split import open_builder
from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.data.label_check import check_labels
from aqa_jax.data.schema import Schema, schema_of
from aqa_jax.data.video_input import VideoInput
from aqa_jax.evaluation.predict import add_figures
from aqa_jax.systems import c3davg
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.tasks.chosen_tasks import chosen_tasks
from tfds_mtl_aqa.input_error import InputError


def _config(overrides, **changes):
  config = quickstart.get_config()
  with config.unlocked():
    config.loss_weights.splash = 1.0
    config.update_from_flattened_dict(overrides | changes)
  return config


def _lines(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(name='with_splash', scope='module')
def fixture_with_splash(tmp_path_factory, tiny_overrides):
  workdir = tmp_path_factory.mktemp('splash')
  config = _config(
    tiny_overrides,
    tasks='score,splash_task:SplashTask',
    evaluators='baselines,intervals,splash_task:LargestSplash',
    **{'optimizer.name': 'muon'},
  )
  evaluations = train.train_and_evaluate(config, workdir)
  return workdir, evaluations['test']


def test_a_task_trains(with_splash):
  workdir, _ = with_splash
  training = [line for line in _lines(workdir) if 'train/loss' in line]
  for line in training:
    assert line['train/loss'] == pytest.approx(
      line['train/score'] + line['train/splash'], rel=1e-5
    )
  assert any('validation/splash_mae' in line for line in _lines(workdir))


def test_a_task_is_evaluated(with_splash):
  workdir, evaluation = with_splash
  with open(workdir / 'predictions_test.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  predicted, true = (
    np.array([float(row[f'{side}_splash']) for row in rows])
    for side in ('predicted', 'true')
  )
  assert np.ptp(true) > 0 and np.ptp(predicted) > 0
  found = np.abs(predicted - true).mean()
  assert evaluation['splash_mae'] == pytest.approx(found, rel=1e-5)
  low, high = evaluation['intervals']['splash_mae']
  assert low <= found <= high
  assert evaluation['largest_splash'] == pytest.approx(true.max())
  # Those that were not chosen have not run.
  assert not {'events', 'ceilings', 'confusion'} & set(evaluation)
  written = json.loads((workdir / 'eval_test.json').read_text())
  assert written['largest_splash'] == evaluation['largest_splash']


def test_a_task_is_reported(with_splash):
  workdir, evaluation = with_splash
  text = (workdir / 'report_test.html').read_text('utf-8')
  assert '<a href="#splash">Splash</a>' in text
  assert f'<td>{evaluation["splash_mae"]:.3f}</td>' in text
  assert text.count('<span>splash</span>') == 8
  assert 'training: splash loss' in text


def test_a_task_that_the_dataset_lacks(tmp_path, tiny_overrides, score_only):
  config = _score_only_config(
    tiny_overrides, score_only, tasks='score,splash_task:SplashTask'
  )
  with pytest.raises(InputError, match='score_only knows no faults'):
    train.set_up(config, tmp_path)
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
  'evaluators',
  [
    'baselines,nothing',
    'json:dumps',
    'splash_task:SplashTask',
    'splash_task:no',
    '../splash:Task',
    'aqa_jax.evaluation.evaluator:Evaluator',
  ],
)
def test_evaluators_that_are_none(tmp_path, tiny_overrides, evaluators):
  config = _config(tiny_overrides, evaluators=evaluators)
  with pytest.raises(InputError, match='config.evaluators='):
    train.set_up(config, tmp_path)
  assert list(tmp_path.iterdir()) == []


def test_a_task_without_a_weight(tmp_path, tiny_overrides):
  config = _config(tiny_overrides, tasks='score,splash_task:SplashTask')
  with config.unlocked():
    del config.loss_weights['splash']
  with pytest.raises(InputError, match='config.loss_weights has no splash'):
    train.set_up(config, tmp_path)


class _Other(SplashTask):
  """With one name, head or label that is taken."""


@pytest.mark.parametrize(
  'changes',
  [
    {'name': 'loss'},
    {'name': 'score'},
    {'name': 'a/b'},
    {'head': 'score_regressor'},
    {'head': 'fc6'},
    {'label_specs': lambda self: {'score': ((), np.float32)}},
    {'label_specs': lambda self: {'video': ((), np.float32)}},
  ],
)
def test_names_that_are_taken(monkeypatch, tiny_overrides, changes):
  for name, value in changes.items():
    monkeypatch.setattr(_Other, name, value, raising=False)
  config = _config(tiny_overrides, tasks='score,outside_parts_test:_Other')
  with config.unlocked():
    config.loss_weights[changes.get('name', 'splash').replace('/', '_')] = 1.0
  with pytest.raises(InputError, match='config.tasks='):
    chosen_tasks(config, Schema(features=('faults',)))


@pytest.mark.parametrize(
  'specs',
  [
    {'splash': ((), np.float64)},
    {'splash': ((1,), np.float32)},
    {'depth': ((), np.float32)},
  ],
)
def test_labels_that_are_not_as_told(monkeypatch, tiny_overrides, specs):
  monkeypatch.setattr(SplashTask, 'label_specs', lambda self: specs)
  config = _config(tiny_overrides)
  builder = open_builder(config.dataset.name, config.dataset.data_dir)
  example = dive_selection.select(builder, 'train')[0]
  with pytest.raises(InputError, match='SplashTask: labels.. gives splash'):
    make_inputs(example, VideoInput(**config.input), (SplashTask(),), rng=None)


def test_figures_and_columns_that_are_taken():
  known = {'spearman': 0.5, 'kendall_tau': float('nan')}
  add_figures(known, {'kendall_tau': float('nan'), 'own': 1.0}, 'Own')
  with pytest.raises(InputError, match='Own: measures spearman'):
    add_figures(known, {'spearman': 0.9}, 'Own')
  assert known['spearman'] == 0.5


@pytest.mark.parametrize('code', ['1 +', 'raise RuntimeError', 'exit(0)'])
def test_a_module_with_a_mistake(tmp_path, monkeypatch, code):
  (tmp_path / 'mistaken.py').write_text(code)
  monkeypatch.syspath_prepend(tmp_path)
  monkeypatch.delitem(sys.modules, 'mistaken', raising=False)
  with pytest.raises(InputError, match='config.x: mistaken:A cannot be'):
    own_parts.imported('mistaken:A', 'config.x')


_GOOD = {
  'final_score': np.array([50.0, 60.0]),
  'sample': np.array([1, 2]),
  'difficulty': np.array([2.0, 3.0]),
  'kind': np.array([0, 1]),
  'caption_ids': [[1, 2, 0], np.array([1, 0])],
}


@pytest.mark.parametrize(
  'name, values',
  [
    ('final_score', [50.0, np.nan]),
    ('final_score', ['50', '60']),
    ('difficulty', [2.0, 0.0]),
    ('difficulty', [2.0, np.nan]),
    ('kind', [0, -1]),
    ('kind', [0, 2]),
    ('caption_ids', [[1, 2, 0], [1, 2]]),
    ('caption_ids', [[1, 2, 0], []]),
    ('caption_ids', [[1.0, 0.0], [1, 0]]),
    ('caption_ids', [[1, 9, 0], [1, 0]]),
  ],
)
def test_labels_that_no_training_can_work_with(name, values):
  schema = Schema(
    classes=(('kind', ('a', 'b')),), words=('<eos>', '<sos>', 'dive')
  )
  keys = [(0, 1), (0, 2)]
  check_labels(_GOOD, keys, schema, 'here')
  with pytest.raises(InputError):
    check_labels(_GOOD | {name: values}, keys, schema, 'here')
  with pytest.raises(InputError, match=r'dive \(0, 1\) is there twice'):
    check_labels(_GOOD, [(0, 1)] * 2, schema, 'here')


class ScoreOnly(tfds.core.GeneratorBasedBuilder):
  """Clips with a score and no other label: neither event nor difficulty."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'video': tfds.features.Sequence(
            tfds.features.Image(shape=(24, 32, 3), encoding_format='jpeg'),
            length=24,
          ),
          'sample': np.int32,
          'final_score': np.float32,
        }
      ),
    )

  def _split_generators(self, dl_manager):
    return {
      'train': self._generate_examples(0, 16),
      'test': self._generate_examples(16, 8),
    }

  def _generate_examples(self, first, count):
    for sample in range(first, first + count):
      rng = np.random.default_rng(sample)
      video = rng.integers(0, 256, (24, 24, 32, 3), np.uint8)
      frames = [cv2.imencode('.jpg', frame)[1].tobytes() for frame in video]
      yield (
        sample,
        {
          'video': frames,
          'sample': sample,
          'final_score': rng.uniform(20, 100),
        },
      )


@pytest.fixture(name='score_only', scope='module')
def fixture_score_only(tmp_path_factory):
  folder = tmp_path_factory.mktemp('score_only')
  builder = ScoreOnly(data_dir=folder, file_format='array_record')
  builder.download_and_prepare()
  schema = schema_of(builder.info)
  assert (schema.classes, schema.words) == ((), ())
  return folder


def _score_only_config(overrides, folder, **changes):
  return _config(
    overrides,
    **{
      'dataset.name': 'score_only',
      'dataset.data_dir': str(folder),
      'validation.whole_events': False,
    }
    | changes,
  )


def test_a_dataset_of_scores_alone(tmp_path, tiny_overrides, score_only):
  config = _score_only_config(tiny_overrides, score_only, tasks='score')
  evaluation = train.train_and_evaluate(config, tmp_path)['test']
  assert evaluation['trained_on'] == 0
  assert set(evaluation['baselines']) == {'mean', 'median'}
  assert evaluation['majority_accuracy'] == {}
  assert not {'events', 'ceilings', 'execution_spearman'} & set(evaluation)
  with open(tmp_path / 'predictions_test.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert sorted(int(row['sample']) for row in rows) == list(range(16, 24))
  assert set(rows[0]) == {
    'sample', 'dive_number', 'true_score', 'predicted_score'
  }  # fmt: skip
  text = (tmp_path / 'report_test.html').read_text('utf-8')
  assert 'id="score"' in text and 'id="dives"' in text
  assert 'id="classes"' not in text and 'Execution' not in text


@pytest.mark.parametrize('task', ['classes', 'captions'])
def test_tasks_that_it_lacks(tmp_path, tiny_overrides, score_only, task):
  config = _score_only_config(tiny_overrides, score_only, tasks=f'score,{task}')
  with pytest.raises(InputError, match=f'score_only has no {task}'):
    train.set_up(config, tmp_path)
  assert list(tmp_path.iterdir()) == []


def test_a_system(monkeypatch):
  module = types.ModuleType('own.system')
  module.SYSTEM = dataclasses.replace(c3davg.SYSTEM, name='own')
  monkeypatch.setitem(sys.modules, 'own', types.ModuleType('own'))
  monkeypatch.setitem(sys.modules, 'own.system', module)
  assert chosen_system('own.system') is module.SYSTEM
  for name in ('c3d', 'no.such.module', 'json'):
    with pytest.raises(InputError, match='config.network='):
      chosen_system(name)
