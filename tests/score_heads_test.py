"""The heads in place of the score: labels, losses and what they predict.

Compared with values by hand, and with PyTorch's functions as the authors' code
uses them.
"""

import numpy as np
import pytest
import scipy.stats

from aqa_jax.configs import c3davg, quickstart
from aqa_jax.data.difficulty import difficulty
from aqa_jax.data.schema import Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.predictions import Predictions
from aqa_jax.task import finish
from aqa_jax.tasks import label_distribution
from aqa_jax.tasks.execution import EXECUTION_UNIT, ExecutionTask
from aqa_jax.tasks.judge_marks import JudgeMarksTask
from aqa_jax.tasks.score_distribution import ScoreDistributionTask
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

_FEATURES = ('final_score', 'sample', 'difficulty', 'judge_scores')
_DIVES = Schema(
  classes=tuple((k, tuple(v)) for k, v in CLASS_NAMES.items()),
  features=_FEATURES,
)
_VAULTS = Schema(features=_FEATURES, score_rule=ScoreRule.SUM)


def _config(tasks='execution,classes', **heads):
  config = c3davg.get_config().unlock()
  config.tasks = tasks
  config.heads.update(heads)
  return config


def _gaussian(label, values, highest, std=5.0):
  """Returns what the authors' code makes of a label."""
  place = label * (values - 1) / highest
  density = scipy.stats.norm.pdf(np.arange(values), place, std)
  return density / density.sum()


@pytest.mark.parametrize('label', [0.0, 52.25, 104.5])
def test_the_distribution_of_a_score(label):
  found = label_distribution.gaussian_labels(np.float32([label]), 104.5, 101, 5)
  assert found.shape == (1, 101)
  np.testing.assert_allclose(found[0], _gaussian(label, 101, 104.5), atol=1e-6)


def test_the_divergence_by_hand():
  target = np.float32([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
  logits = np.log(np.float32([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]))
  # 0.5 log 2 + 0.25 log 0.5; and log 2.
  np.testing.assert_allclose(
    label_distribution.divergence(target, logits),
    [0.25 * np.log(2), np.log(2)],
    rtol=1e-5,
  )


def test_readouts_by_hand():
  logits = np.log(np.float32([[0.1, 0.2, 0.3, 0.4, 1e-12]]))
  mode, mean = (
    label_distribution.readout(logits, 8.0, kind) for kind in ('mode', 'mean')
  )
  assert mode == pytest.approx(6.0)
  assert mean == pytest.approx(2 * (0.2 + 0.6 + 1.2), rel=1e-5)


def test_score_distribution_as_in_pytorch():
  torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(5, 101)).astype(np.float32)
  scores = np.float32([0, 40.3, 66.15, 84.15, 104.5])
  # The authors' code takes the logarithm of a softmax.
  said = torch.log(torch.softmax(torch.tensor(logits), -1))
  wanted = torch.tensor(np.stack([_gaussian(s, 101, 104.5) for s in scores]))
  task = ScoreDistributionTask.create(_config(), _DIVES)
  loss = float(task.loss(logits, {'score': scores}))
  ours = torch.nn.KLDivLoss(reduction='batchmean')(said, wanted)
  assert loss == pytest.approx(float(ours), rel=1e-5)
  # Theirs is the mean over the scores, too.
  theirs = torch.nn.KLDivLoss(reduction='none')(said, wanted).mean()
  assert loss / 101 == pytest.approx(float(theirs), rel=1e-5)
  predicted = said.argmax(dim=-1) * (104.5 / 100)
  np.testing.assert_allclose(task.predict(logits)['score'], predicted, 1e-5)


def test_marks_as_in_pytorch():
  torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  rng = np.random.default_rng(1)
  logits = rng.normal(size=(4, 7, 21)).astype(np.float32)
  marks = np.float32(rng.integers(0, 21, (4, 7)) / 2)
  dd = np.float32([3.2, 1.6, 2.9, 3.6])
  probabilities = torch.softmax(torch.tensor(logits), -1)
  wanted = torch.tensor(
    np.array([[_gaussian(m, 21, 10.0) for m in dive] for dive in marks])
  )
  judge_loss = torch.nn.KLDivLoss(reduction='batchmean')
  theirs = sum(
    judge_loss(torch.log(probabilities[:, j]), wanted[:, j]) for j in range(7)
  )
  task = JudgeMarksTask.create(_config('judge_marks,classes'), _DIVES)
  assert float(task.loss(logits, {'marks': marks})) == pytest.approx(
    float(theirs), rel=1e-5
  )
  ordered = (probabilities.argmax(dim=-1) * 10.0 / 20).sort(dim=1)[0]
  scores = ordered[:, 2:5].sum(dim=1) * torch.tensor(dd)
  found = finish([task], task.predict(logits), {'difficulty': dd}, _DIVES)
  np.testing.assert_allclose(found['score'], scores, rtol=1e-5)
  assert found['marks'].shape == (4, 7)


def test_an_unknown_mark_counts_nothing():
  task = JudgeMarksTask.create(_config('judge_marks'), _DIVES)
  logits = np.random.default_rng(2).normal(size=(2, 7, 21)).astype(np.float32)
  labels = [
    task.labels({'judge_scores': marks})['marks']
    for marks in ([8, 8, 8, 8, 8, 8, 8.5], [7, np.nan, 7, 7, 7, 7, np.nan])
  ]
  batch = {'marks': np.stack(labels)}
  changed = logits.copy()
  changed[1, [1, 6]] += np.arange(21)
  assert task.loss(logits, batch) == task.loss(changed, batch)
  changed[1, 0] += np.arange(21)
  assert task.loss(logits, batch) != task.loss(changed, batch)


@pytest.mark.parametrize(
  'schema, score, dd, execution', [(_DIVES, 84.15, 3.3, 25.5),
                                   (_VAULTS, 15.2, 6.0, 9.2)]
)  # fmt: skip
def test_execution_and_difficulty_by_hand(schema, score, dd, execution):
  task = ExecutionTask.create(_config('execution'), schema)
  example = {'final_score': np.float32(score), 'difficulty': np.float32(dd)}
  label = task.labels(example)['execution']
  assert label == pytest.approx(execution, rel=1e-5)
  # Off by a unit and a half.
  output = np.float32([label / EXECUTION_UNIT + 1.5])
  assert float(task.loss(output, {'execution': label[None]})) == pytest.approx(
    1.5**2 + 1.5, rel=1e-5
  )
  output = task.predict(np.float32([label / EXECUTION_UNIT]))
  found = finish([task], output, {'difficulty': np.array([dd])}, schema)
  assert found['score'] == pytest.approx([score], rel=1e-5)
  assert found['used_difficulty'] == [dd]


def _probabilities(count=2):
  """Returns those of a 107B, which the network is sure of."""
  classes = {
    'position': 'pike', 'armstand': 'no', 'rotation_type': 'forward',
    'somersaults': '3.5', 'twists': '0',
  }  # fmt: skip
  return {
    name: np.tile(
      np.eye(len(names))[list(names).index(classes[name])], (count, 1)
    )
    for name, names in CLASS_NAMES.items()
  }


@pytest.mark.parametrize('height', ['10m', '3m'])
def test_difficulty_of_predicted_classes(height):
  config = _config(difficulty='predicted', height=height)
  task = ExecutionTask.create(config, _DIVES)
  assert task.given == task.required == ()
  outputs = {
    'execution': np.float32([20, 25]),
    'class_probabilities': _probabilities(),
  }
  # What is given does not count.
  found = finish([task], outputs, {'difficulty': np.ones(2)}, _DIVES)
  wanted = difficulty('107B', height)
  assert found['score'] == pytest.approx([20 * wanted, 25 * wanted])
  labels = {
    'final_score': np.float32([60, 70]),
    'difficulty': np.float32([wanted, wanted + 0.2]),
  }
  measured = task.measure(Predictions(labels, found, _DIVES))
  assert measured['difficulty_mae'] == pytest.approx(0.1)


def test_difficulty_that_a_user_does_not_give_is_that_of_the_classes():
  task = ExecutionTask.create(_config(height='10m'), _DIVES)
  assert task.given == ('difficulty',)
  assert task.required == ()
  outputs = {
    'execution': np.float32([20, 20]),
    'class_probabilities': _probabilities(),
  }
  found = finish([task], outputs, {'difficulty': [np.nan, 2.5]}, _DIVES)
  assert found['used_difficulty'].tolist() == [difficulty('107B', '10m'), 2.5]


def test_without_classes_the_difficulty_has_to_be_given():
  task = ExecutionTask.create(_config('execution'), _DIVES)
  assert task.required == ('difficulty',)
  with pytest.raises(InputError, match='give the difficulty'):
    finish(
      [task],
      {'execution': np.ones(1)},
      {'difficulty': np.array([np.nan])},
      _DIVES,
    )


@pytest.mark.parametrize(
  'create, tasks, schema, heads, message',
  [
    (ExecutionTask, 'execution', Schema(features=('final_score',)), {},
     'has no difficulties'),
    (JudgeMarksTask, 'judge_marks', Schema(features=('difficulty',)), {},
     'has no marks'),
    (ExecutionTask, 'execution', _DIVES, {'difficulty': 'predicted'},
     'add classes'),
    (ExecutionTask, 'execution,classes', _VAULTS, {'difficulty': 'predicted'},
     'add classes'),
    (ExecutionTask, 'execution', _DIVES, {'difficulty': 'x'}, 'give given or'),
    (ExecutionTask, 'execution', _DIVES, {'height': '5m'}, 'give 10m or 3m'),
    (JudgeMarksTask, 'judge_marks', _DIVES, {'label_std': 0.0}, 'more than 0'),
    (JudgeMarksTask, 'judge_marks', _DIVES, {'readout': 'x'}, 'mode or mean'),
    (JudgeMarksTask, 'judge_marks', _DIVES, {'hidden': (0,)}, 'above 0'),
    (ScoreDistributionTask, 'score_distribution', _DIVES, {'highest': 0.0},
     'more than 0'),
  ],
)  # fmt: skip
def test_what_can_not_be_learned(create, tasks, schema, heads, message):
  with pytest.raises(InputError, match=message):
    create.create(_config(tasks, **heads), schema)


def test_labels_that_do_not_fit():
  scores = {'final_score': np.array([60, 110.0])}
  task = ScoreDistributionTask.create(_config(), _DIVES)
  with pytest.raises(InputError, match='highest=104.5.*60 to 110'):
    task.check_labels(scores)
  quick = ScoreDistributionTask.create(quickstart.get_config(), _DIVES)
  quick.check_labels(scores)
  task = JudgeMarksTask.create(_config('judge_marks'), _DIVES)
  task.check_labels({'judge_scores': [[8.0] * 7, [np.nan] * 7]})
  with pytest.raises(InputError, match='no dive to train on'):
    task.check_labels({'judge_scores': [[8.0] * 6 + [np.nan]]})
  with pytest.raises(InputError, match='marks from 0 to 10'):
    task.check_labels({'judge_scores': [[80.0] * 7]})


def test_what_the_importance_is_of_has_a_gradient():
  import jax

  for task, shape in (
    (ScoreDistributionTask.create(_config(), _DIVES), (2, 101)),
    (JudgeMarksTask.create(_config('judge_marks'), _DIVES), (2, 7, 21)),
    (ExecutionTask.create(_config(), _DIVES), (2,)),
  ):
    output = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    gradient = jax.grad(lambda x, t=task: t.explained(x).sum())(output)
    assert np.abs(gradient).max() > 0
