"""Where a dive lost its points."""

import contextlib
import dataclasses
import json
import shutil

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from judge_test import _clips
from scipy import stats

import aqa_jax
from aqa_jax import bundle, train
from aqa_jax.configs import quickstart_commentary
from aqa_jax.data.schema import Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation.fault_timing import make_timing_step
from aqa_jax.evaluation.found_dives import FoundDive
from aqa_jax.exporting.description import describe
from aqa_jax.judging import lost_points
from aqa_jax.judging.clip import Clip
from aqa_jax.judging.judgement_page import judgement_page
from aqa_jax.judging.judgement_table import csv_text
from aqa_jax.judging.lost_points import LostPoints
from aqa_jax.judging.model_folder import write_model
from aqa_jax.judging.model_source import find_model
from aqa_jax.predictions import Predictions
from aqa_jax.task import finish
from aqa_jax.tasks import points_lost
from aqa_jax.tasks.fault_costs import (
  FaultCosts,
)
from aqa_jax.tasks.faults import FaultSide, FaultsTask
from tfds_mtl_aqa.simulated_dives import faults as dive_faults

_COSTS = FaultCosts(
  (('splash', 0.0, 4.0), ('turned', 0.5, 0.25)), 0.3, (('splash', 'entry'),)
)
_TASK = FaultsTask(
  (
    FaultSide('splash', 1, 0.5),
    FaultSide('turned', -1, 2.0),
    FaultSide('turned', 1, 4.0),
  ),
  _COSTS,
  'my_dives/all',
)
# Of two dives, in units.
_OUTPUT = jnp.array([[1.0, 0.5, 0.25], [-2.0, 3.0, -1.0]])


def test_points_lost_by_hand():
  predicted = _TASK.predict(_OUTPUT)
  lost = predicted['execution_lost']
  # 4 points for 1: 0.5; and each side of the other fault has its part.
  np.testing.assert_allclose(lost['splash'], [4 * 0.5, 0])
  np.testing.assert_allclose(lost['turned'], [0.5 * 1 + 0.25 * 1, 0.5 * 6])
  given = {'difficulty': np.array([2.0, np.nan])}
  for rule, points, perfect in (
    (ScoreRule.PRODUCT, [4.0, np.nan], [60.0, np.nan]),
    (ScoreRule.SUM, [2.0, 0.0], [12.0, np.nan]),
  ):
    outputs = finish([_TASK], predicted, given, Schema(score_rule=rule))
    np.testing.assert_allclose(outputs['points_lost']['splash'], points)
    np.testing.assert_allclose(outputs['perfect_score'], perfect)
  # A difficulty that the classes tell comes before.
  used = predicted | {'used_difficulty': np.array([3.0, 3.0])}
  outputs = finish([_TASK], used, given, Schema())
  np.testing.assert_allclose(outputs['points_lost']['splash'], [6.0, 0.0])


def test_without_costs_all_is_as_it_was():
  task = dataclasses.replace(_TASK, costs=None)
  predicted = task.predict(_OUTPUT)
  assert set(predicted) == {'faults'}
  assert task.given == ()
  assert set(finish([task], predicted, {}, Schema())) == {'faults'}


def _predictions(dataset='my_dives/all', dives=30):
  rng = np.random.default_rng(1)
  names = ('splash', 'turned')
  if dataset.startswith('simulated_dives'):
    names = dive_faults.NAMES
  labels = {f'faults/{name}': rng.uniform(0, 1, dives) for name in names}
  labels |= {
    'difficulty': rng.uniform(2, 4, dives),
    'final_score': rng.uniform(40, 60, dives),
  }
  outputs = {
    'faults': {name: rng.uniform(0, 1, dives) for name in names},
    'points_lost': {name: rng.uniform(0, 9, dives) for name in names},
    'score': rng.uniform(40, 60, dives),
    'perfect_score': np.full(dives, 90.0),
  }
  return Predictions(labels, outputs, Schema())


def test_measures_against_scipy():
  predictions = _predictions()
  found = points_lost.measure(predictions, _COSTS, 'my_dives/all')
  predicted = predictions.outputs['points_lost']
  difficulty = predictions.label('difficulty')
  true = {
    'splash': 4 * predictions.label('faults/splash') * difficulty,
    'turned': 0.25 * predictions.label('faults/turned') * difficulty,
  }
  for name, wanted in true.items():
    measured = found['faults'][name]
    assert measured['spearman'] == pytest.approx(
      stats.spearmanr(predicted[name], wanted)[0]
    )
    error = np.abs(predicted[name] - wanted)
    assert measured['mae'] == pytest.approx(error.mean())
    assert measured['true_mean'] == pytest.approx(wanted.mean())
    assert measured['predicted_mean'] == pytest.approx(predicted[name].mean())
  # Of one fault the phase is known.
  assert found['phases'] == {'entry': found['faults']['splash']}
  assert found['all']['true_mean'] == pytest.approx(
    sum(each.mean() for each in true.values())
  )


def test_the_truth_of_simulated_dives_are_the_deductions():
  dataset = 'simulated_dives/quickstart'
  predictions = _predictions(dataset)
  found = points_lost.measure(predictions, _COSTS, dataset)
  splash = predictions.label('faults/splash')
  wanted = 3 * 1.55 * splash * predictions.label('difficulty')
  assert found['faults']['splash']['true_mean'] == pytest.approx(wanted.mean())


def test_tables_and_page():
  predictions = _predictions()
  evaluation = _TASK.measure(predictions)
  lines = [line.split() for line in _TASK.table(evaluation)]
  assert ['points', 'lost'] in [words[:2] for words in lines]
  assert [words[0] for words in lines[-4:]] == ['splash', 'turned', 'in', 'all']
  _, section = _TASK.sections(predictions, evaluation, {})
  assert [row['kind'] for row in section.content['rows']] == [
    'fault', 'fault', 'phase', 'all'
  ]  # fmt: skip
  row = _TASK.columns(predictions, 3)
  true = 4 * predictions.label('faults/splash')[3]
  true *= predictions.label('difficulty')[3]
  assert row['deducted_splash'] == pytest.approx(true, abs=1e-3)
  content = _TASK.dive_section(predictions, 3).content
  score = predictions.outputs['score'][3]
  assert content['lost'] == f'{90 - score:.1f}'
  assert content['rows'][0]['width'] >= content['rows'][1]['width']


def test_words_of_a_judgement():
  lost = (
    LostPoints('splash', 'entry', 11.0),
    LostPoints('legs_apart', 'flight', 8.55),
    LostPoints('other', '', 2.0),
    LostPoints('knee_bend', 'flight', 0.02),
  )
  assert lost_points.words(lost, 65.1, 96.0) == (
    '30.9 of 96.0 points: splash 11.0 (entry), legs apart 8.6 (flight), other '
    '2.0, not explained 9.3'
  )  # fmt: skip
  assert lost_points.words(lost[:1], None, None) == 'splash 11.0 (entry)'
  assert lost_points.words((), 65.1, 96.0) == ''
  assert lost_points.words(lost[3:], None, None) == 'no fault'


def test_when_points_were_lost():
  clip = Clip(
    'a.mp4', [], np.arange(5), np.arange(5.0), 0, (),
    dive=FoundDive(1.5, 3.25, 0.9),
  )  # fmt: skip
  seen = {'splash': np.array([0.1, 0.2, 0.7])}
  times = np.array([1.0, 2.0, 3.5])
  points = {'turned': 1.0, 'splash': 2.0}
  found = lost_points.lost_points(points, [_TASK], clip, seen, times)
  assert found == (
    LostPoints('splash', 'entry', 2.0, (3.25, 4.0), 3.5),
    LostPoints('turned', '', 1.0, None, None),
  )
  unknown = {'turned': 1.0, 'splash': float('nan')}
  assert lost_points.lost_points(unknown, [_TASK], clip, seen, times) == ()
  without = [dataclasses.replace(_TASK, costs=None)]
  assert lost_points.lost_points({}, without, clip, seen, times) == ()


@pytest.fixture(name='trained', scope='module')
def fixture_trained(tmp_path_factory, tiny_overrides):
  """Workdir, predictions and model folder of a network that is as it begins."""
  config = quickstart_commentary.get_config()
  config.update_from_flattened_dict(
    tiny_overrides | {'tasks': 'execution,classes,faults'}
  )
  config.mesh.data = 1
  folder = tmp_path_factory.mktemp('lost')
  workdir = folder / 'workdir'
  training = train.set_up(config, workdir)
  with contextlib.closing(training.checkpoints):
    training.state = training.setup.create_state()
    training.checkpoints.save_best(training.state, 0.5)
    train.evaluate_best(training)
    predictions = training.predictions(training.tests['test'])
  bundle.main([f'--workdir={workdir}', f'--out={folder / "model"}'])
  return config, workdir, predictions, folder / 'model'


def test_they_are_evaluated(trained):
  _, workdir, predictions, _ = trained
  evaluation = json.loads((workdir / 'eval_test.json').read_text())
  assert set(evaluation['points_lost']['faults']) == set(dive_faults.NAMES)
  assert set(evaluation['points_lost']['phases']) == {'flight', 'entry'}
  header = (workdir / 'predictions_test.csv').read_text().splitlines()[0]
  assert {'points_lost_splash', 'deducted_splash'} <= set(header.split(','))
  page = (workdir / 'report_test.html').read_text()
  assert 'id="points-lost"' in page
  assert page.count('<table class="lost"') == min(9, len(predictions))


def test_they_are_judged(trained, tiny_dives):
  _, _, predictions, model = trained
  judge = aqa_jax.load(model)
  clips = [
    dataclasses.replace(clip, difficulty=float(difficulty))
    for clip, difficulty in zip(
      _clips(judge, tiny_dives, 2),
      predictions.label('difficulty')[:2],
      strict=True,
    )
  ]
  judged = list(judge.judge_each(iter(clips)))
  for index, judgement in enumerate(judged):
    found = {each.fault: each.points for each in judgement.points_lost}
    for name, points in predictions.outputs['points_lost'].items():
      assert found[name] == pytest.approx(points[index], rel=1e-3, abs=1e-3)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    for each in judgement.points_lost:
      assert each.seen_seconds in judgement.frame_seconds
    total = sum(found.values()) + judgement.points_unexplained
    perfect = 30 * judgement.difficulty
    assert judgement.score + total == pytest.approx(perfect)
    assert f'of {perfect:.1f} points: ' in str(judgement)
    as_json = json.loads(json.dumps(judgement.to_dict()))
    assert as_json['points_lost'][0]['fault'] == next(iter(found))
    assert as_json['perfect_score'] == pytest.approx(perfect)
  page = judgement_page(judged, judge.model)
  assert page.count('<table class="lost"') == 2
  header = csv_text([j.to_dict() for j in judged]).splitlines()[0]
  assert 'points_lost/splash' in header.split(',')


def test_a_workdir_of_an_earlier_version_learns_the_costs(trained, tmp_path):
  config, workdir, _, _ = trained
  old = tmp_path / 'workdir'
  shutil.copytree(workdir, old)
  recorded = json.loads((old / 'config.json').read_text())
  costs = recorded['model'].pop('fault_costs')
  (old / 'config.json').write_text(json.dumps(recorded))
  # It can be judged with as it is, without points lost.
  model = find_model(old)
  assert FaultCosts.of(model.config) is None
  write_model(model, tmp_path / 'model')
  judge = aqa_jax.load(tmp_path / 'model')
  video = np.zeros((30, 24, 32, 3), np.uint8)
  judgement = judge(video, force=True, difficulty=3.0)
  assert judgement.points_lost == ()
  assert judgement.to_dict()['points_unexplained'] is None
  assert '  lost ' not in str(judgement)
  # Opening it for an evaluation, or to go on, adds them.
  train.set_up(config, old).close()
  recorded = json.loads((old / 'config.json').read_text())
  assert recorded['model']['fault_costs'] == costs
  assert FaultCosts.of(find_model(old).config) is not None


def test_what_is_exported(trained):
  described = describe(find_model(trained[3]), 'onnx')['outputs']
  assert described['execution_lost/splash']['shape'] == ['batch']
  assert 'costs' in described['execution_lost/splash']['meaning']


class _Frames(nn.Module):
  """Sees each side of `_TASK` in frames of its own."""

  tasks: tuple[FaultsTask, ...]

  @nn.compact
  def __call__(self, video):
    frames = video.mean(axis=(2, 3, 4))
    turned = 2 * frames[:, 1], -frames[:, 3]
    return {'faults': jnp.stack([frames[:, 2], *turned], axis=1)}


def test_faults_are_seen_where_the_network_looks():
  video = np.zeros((2, 5, 2, 2, 3), np.uint8)
  video[:, 1] = 50
  video[:, 3] = 200
  step = make_timing_step(_Frames((_TASK,)))
  seen = step({}, {}, video)
  assert set(seen) == {'splash', 'turned'}
  np.testing.assert_allclose(seen['splash'], [[0, 0, 1, 0, 0]] * 2, atol=1e-6)
  # The mean is 50: frame 1 does not differ; 4 units of -1 for frame 3.
  np.testing.assert_allclose(seen['turned'], [[0, 0, 0, 1, 0]] * 2, atol=1e-6)
  video[:, 1] = 100
  # The mean is 60: 2 units of 2 times 40, and 4 units of -1 times 140.
  seen = step({}, {}, video)['turned']
  shares = np.array([0, 4 * 40, 0, 4 * 140, 0]) / 720
  np.testing.assert_allclose(seen, [shares] * 2, atol=1e-6)
