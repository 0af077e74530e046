"""Networks with the heads in place of the score: evaluated, judged, exported.

They are as they begin: nothing is trained.
"""

import contextlib
import dataclasses
import importlib.util
import json

import jax
import numpy as np
import pytest
from judge_test import _clips

import aqa_jax
from aqa_jax import bundle, export, train
from aqa_jax.configs import quickstart, quickstart_mscadc
from aqa_jax.data import judges_marks
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation.conformal import ScoreIntervals
from aqa_jax.exporting.description import describe
from aqa_jax.judging.dive_search import DiveFinder
from aqa_jax.judging.finder_model import find_finder
from aqa_jax.judging.judge import Judge
from aqa_jax.judging.judgement_page import judgement_page
from aqa_jax.judging.judgement_table import csv_text
from aqa_jax.judging.model_folder import write_model
from aqa_jax.judging.model_source import find_model
from aqa_jax.report import marks_sections
from aqa_jax.systems.chosen_system import chosen_system
from tfds_mtl_aqa.input_error import InputError


def _model(folder, overrides, tasks, **fields):
  """Returns workdir, predictions and model folder of a network."""
  config = quickstart.get_config()
  config.update_from_flattened_dict(
    overrides | {'tasks': tasks, 'heads.hidden': (8, 4)} | fields
  )
  config.mesh.data = 1
  workdir = folder / 'workdir'
  training = train.set_up(config, workdir)
  with contextlib.closing(training.checkpoints):
    training.state = training.setup.create_state()
    training.checkpoints.save_best(training.state, 0.5)
    train.evaluate_best(training)
    predictions = training.predictions(training.tests['test'])
  bundle.main([f'--workdir={workdir}', f'--out={folder / "model"}'])
  return workdir, predictions, folder / 'model'


@pytest.fixture(name='marks', scope='module')
def fixture_marks(tmp_path_factory, tiny_overrides):
  """A network of marks and classes."""
  folder = tmp_path_factory.mktemp('marks')
  return _model(folder, tiny_overrides, 'judge_marks,classes')


def test_marks_are_evaluated(marks):
  workdir, predictions, _ = marks
  evaluation = json.loads((workdir / 'eval_test.json').read_text())
  true = predictions.label('judge_scores')
  error = np.abs(predictions.outputs['marks'] - true)
  assert evaluation['mark_mae'] == pytest.approx(error.mean(), rel=1e-5)
  scores = predictions.label('difficulty') * judges_marks.trimmed_sum(
    predictions.outputs['marks']
  )
  np.testing.assert_allclose(predictions.outputs['score'], scores, rtol=1e-5)
  header, *_ = (workdir / 'predictions_test.csv').read_text().splitlines()
  assert {'predicted_marks', 'used_difficulty'} <= set(header.split(','))


def test_the_page_shows_the_marks_as_on_the_scoreboard(marks):
  workdir, predictions, _ = marks
  page = (workdir / 'report_test.html').read_text()
  assert 'id="marks"' in page
  assert 'gradient times' in page.replace('’s ', ' ').replace('\n', ' ')
  # Nine dives, the predicted and the true marks of each.
  assert page.count('<table class="scoreboard') == 2 * min(9, len(predictions))
  assert page.count('<s>') == 4 * page.count('<table class="scoreboard')
  assert 'points of the execution' in page


@pytest.mark.parametrize(
  'rule, wanted',
  [
    (ScoreRule.PRODUCT, '(7.5 + 7.0 + 7.0) × 3.2 = 68.80'),
    (ScoreRule.SUM, '3.2 + (7.5 + 7.0 + 7.0) / 3 = 10.37'),
  ],
)
def test_how_the_score_comes_about(rule, wanted):
  marks = [7.5, 6.0, 8.5, 7.0, 8.0, 6.5, 7.0]
  assert marks_sections.formula(marks, 3.2, rule) == wanted


def test_marks_are_judged(marks, tiny_dives):
  _, predictions, model = marks
  judge = aqa_jax.load(model)
  clips = _clips(judge, tiny_dives, 2)
  judged = list(judge.judge_each(iter(clips)))
  for index, judgement in enumerate(judged):
    np.testing.assert_allclose(
      judgement.marks, predictions.outputs['marks'][index]
    )
    execution = judges_marks.trimmed_sum(judgement.marks)
    assert judgement.score == pytest.approx(execution * judgement.difficulty)
    assert judges_marks.scoreboard(judgement.marks) in str(judgement)
    # Nobody has given a difficulty.
    assert any('likeliest dive' in warning for warning in judgement.warnings)
    assert judgement.to_dict()['marks'] == list(judgement.marks)
  page = judgement_page(judged, judge.model)
  assert page.count('<table class="scoreboard') == 2
  assert 'frames pull the execution' in page or 'longest bar' not in page
  header, *rows = csv_text([j.to_dict() for j in judged]).splitlines()
  assert 'marks' in header.split(',')
  assert len(rows) == 2


def test_a_difficulty_that_the_user_gives(marks):
  judge = aqa_jax.load(marks[2])
  video = np.random.default_rng(0).integers(0, 256, (30, 24, 32, 3), np.uint8)
  judgement = judge(video, force=True, difficulty=2.5)
  assert judgement.difficulty == 2.5
  assert judgement.score == pytest.approx(
    2.5 * judges_marks.trimmed_sum(judgement.marks)
  )
  assert not any('likeliest' in warning for warning in judgement.warnings)
  with pytest.raises(InputError, match='10 at most'):
    judge(video, force=True, difficulty=32)


def test_a_model_that_takes_no_difficulty():
  judge = aqa_jax.load()
  with pytest.raises(InputError, match='leave it out'):
    judge(np.zeros((30, 24, 32, 3), np.uint8), difficulty=2.5)


@pytest.fixture(name='execution', scope='module')
def fixture_execution(marks):
  """A network of the execution alone, all of it zero."""
  model = find_model(marks[2])
  config = model.config.copy_and_resolve_references().unlock()
  config.tasks = 'execution'
  # The tasks are cached with a model.
  model = model.replace(config=config)
  zeros = jax.tree.map(
    lambda leaf: np.zeros(leaf.shape, leaf.dtype), model.abstract_variables()
  )
  return model.replace(variables=zeros)


def test_a_model_that_needs_the_difficulty(execution):
  judge = Judge(execution, DiveFinder(find_finder(None)))
  video = np.zeros((30, 24, 32, 3), np.uint8)
  with pytest.raises(InputError, match='--difficulty=3.2'):
    judge(video, force=True)
  judgement = judge(video, force=True, difficulty=3.0)
  assert judgement.score == 0
  assert judgement.difficulty == 3.0
  assert judgement.marks == ()


def test_a_folder_keeps_how_a_score_follows(execution, tmp_path):
  schema = dataclasses.replace(execution.schema, score_rule=ScoreRule.SUM)
  write_model(execution.replace(schema=schema), tmp_path / 'model')
  model = find_model(tmp_path / 'model')
  assert model.schema == schema
  (task,) = model.tasks
  assert task.rule is ScoreRule.SUM


def test_an_interval_is_as_wide_as_its_dive_is_difficult(execution, tmp_path):
  intervals = ScoreIntervals(tuple(map(float, range(1, 20))), (2.0,) * 19)
  write_model(execution.replace(intervals=intervals), tmp_path / 'model')
  model = find_model(tmp_path / 'model')
  assert model.intervals == intervals
  assert 'on average' in (tmp_path / 'model' / 'README.md').read_text()
  judge = Judge(model, DiveFinder(find_finder(None)))
  video = np.zeros((30, 24, 32, 3), np.uint8)
  for difficulty in (1.5, 3.0):
    judgement = judge(video, force=True, difficulty=difficulty)
    # The 18th of 19 errors, by a spread of 2.
    assert judgement.score_interval == (0, pytest.approx(9 * difficulty))
  assert describe(model, 'onnx')['score_interval'] == {
    'coverage': 0.9, 'half_width': 18.0, 'half_width_by_spread': 9.0,
    'spread': 'difficulty * 1',
  }  # fmt: skip


def test_exemplars_are_learned_kept_and_exported(tiny_config, tmp_path):
  """A training of a few steps: a model has its exemplars with it."""
  tiny_config.update_from_flattened_dict(
    {
      'tasks': 'relative_score',
      'duration': '2 steps',
      'checkpoint_every': '2 steps',
      'heads.exemplars': 12,
      'heads.votes': 3,
      'heads.units': 4,
    }
  )
  tiny_config.mesh.data = 1
  workdir = tmp_path / 'workdir'
  train.train_and_evaluate(tiny_config, workdir)
  evaluation = json.loads((workdir / 'eval_test.json').read_text())
  assert np.isfinite(evaluation['mae'])
  bundle.main([f'--workdir={workdir}', f'--out={tmp_path / "model"}'])
  model = find_model(tmp_path / 'model')
  kept = model.variables['batch_stats']['relative_regressor']
  # 16 dives were seen, and 12 fit in.
  assert (kept['exemplar_difficulty'] > 1).all()
  assert (kept['exemplar_execution'] <= 30).all()
  assert np.abs(kept['exemplar_features']).max() > 0
  judge = Judge(model, DiveFinder(find_finder(None)))
  video = np.zeros((30, 24, 32, 3), np.uint8)
  judgement = judge(video, force=True, difficulty=3.0)
  assert 0 < judgement.score <= 90
  if importlib.util.find_spec('onnxruntime'):
    out = tmp_path / 'model.onnx'
    model_flag = f'--model={tmp_path / "model"}'
    export.main(['--format=onnx', f'--out={out}', model_flag])
    text = (tmp_path / 'model.onnx.json').read_text()
    assert json.loads(text)['outputs']['votes']['shape'] == ['batch', 12]


def test_what_is_exported(marks, tmp_path):
  pytest.importorskip('onnxruntime')
  # The command compares with the network.
  out = tmp_path / 'model.onnx'
  export.main(['--format=onnx', f'--out={out}', f'--model={marks[2]}'])
  described = json.loads((tmp_path / 'model.onnx.json').read_text())['outputs']
  assert described['marks']['dtype'] == 'float32'
  assert described['marks']['shape'] == ['batch', 7]
  assert 'middle three' in described['marks']['meaning']


@pytest.mark.parametrize(
  'task',
  [
    'execution',
    'gaussian_execution',
    'score_distribution',
    'judge_marks',
    'relative_score',
  ],
)
def test_every_network_takes_them(task, tiny_config, marks):
  schema = aqa_jax.load(marks[2]).model.schema
  for make, network in (
    (quickstart.get_config, 'c3davg'),
    (quickstart_mscadc.get_config, 'mscadc'),
  ):
    config = make().unlock()
    config.tasks = task
    config.input.crop = 24
    system = chosen_system(network)
    tasks = system.choose_tasks(config, schema)
    model = system.create_network(config, tasks)
    shapes = jax.eval_shape(
      model.init,
      jax.random.key(0),
      jax.ShapeDtypeStruct((2, 32, 24, 24, 3), np.float32),
    )
    assert tasks[0].head in shapes['params']
    # Muon leaves the output layers to Adam.
    for path in model.output_layers():
      part = shapes['params']
      for key in path:
        part = part[key]
