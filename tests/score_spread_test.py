"""How unsure heads say that they are: the Gaussian execution, and the others.

Compared with PyTorch, with finite differences and with values by hand.
"""

import jax
import numpy as np
import pytest
import scipy.stats

from aqa_jax.configs import c3davg
from aqa_jax.data.schema import Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.layers.output_layers import OutputLayers
from aqa_jax.task import finish
from aqa_jax.tasks import label_distribution
from aqa_jax.tasks.execution import EXECUTION_UNIT, ExecutionTask
from aqa_jax.tasks.gaussian_execution import GaussianExecutionTask, beta_nll
from aqa_jax.tasks.judge_marks import JudgeMarksTask
from aqa_jax.tasks.relative_score import RelativeScoreTask
from tfds_mtl_aqa.input_error import InputError

_FEATURES = ('final_score', 'sample', 'difficulty', 'judge_scores')
_DIVES = Schema(features=_FEATURES)
_VAULTS = Schema(features=_FEATURES, score_rule=ScoreRule.SUM)
_RNG = np.random.default_rng(0)
_MEAN, _LOG_VARIANCE, _TRUE = _RNG.normal(size=(3, 6)).astype(np.float32)


def _config(tasks, **heads):
  config = c3davg.get_config().unlock()
  config.tasks = tasks
  config.heads.update(heads)
  return config


def test_the_likelihood_as_in_pytorch():
  torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  theirs = torch.nn.GaussianNLLLoss(eps=0)(
    torch.tensor(_MEAN), torch.tensor(_TRUE), torch.tensor(_LOG_VARIANCE).exp()
  )
  ours = beta_nll(_MEAN, _LOG_VARIANCE, _TRUE, 0.0)
  assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_the_likelihood_of_a_gaussian():
  density = scipy.stats.norm(_MEAN, np.exp(_LOG_VARIANCE / 2)).logpdf(_TRUE)
  ours = float(beta_nll(_MEAN, _LOG_VARIANCE, _TRUE, 0.0))
  assert ours + np.log(2 * np.pi) / 2 == pytest.approx(
    -density.mean(), rel=1e-5
  )


@pytest.mark.parametrize('beta', [0.0, 0.5, 1.0])
def test_gradients_against_finite_differences(beta):
  """The weight of a dive is held: it has no gradient."""
  weight = np.exp(beta * _LOG_VARIANCE.astype(np.float64))

  def held(mean, log_variance):
    error = (mean - _TRUE) ** 2
    return np.mean(
      weight * 0.5 * (log_variance + error * np.exp(-log_variance))
    )

  ours = jax.grad(beta_nll, argnums=(0, 1))(_MEAN, _LOG_VARIANCE, _TRUE, beta)
  at = [_MEAN.astype(np.float64), _LOG_VARIANCE.astype(np.float64)]
  for side in range(2):
    for place in range(len(_TRUE)):
      ends = []
      for step in (1e-5, -1e-5):
        moved = [part.copy() for part in at]
        moved[side][place] += step
        ends.append(held(*moved))
      difference = (ends[0] - ends[1]) / 2e-5
      assert float(ours[side][place]) == pytest.approx(difference, abs=1e-5)


def test_at_a_beta_of_one_the_mean_is_learned_by_the_squared_error():
  gradient = jax.grad(beta_nll)(_MEAN, _LOG_VARIANCE, _TRUE, 1.0)
  np.testing.assert_allclose(gradient, (_MEAN - _TRUE) / len(_TRUE), rtol=1e-5)


def test_the_loss_is_least_at_the_deviation_of_the_errors():
  errors = _RNG.normal(scale=2.0, size=2000).astype(np.float32)
  deviations = np.linspace(1, 3, 201)
  losses = [
    float(beta_nll(0 * errors, np.full(2000, 2 * np.log(d)), errors, 0.0))
    for d in deviations
  ]
  assert deviations[np.argmin(losses)] == pytest.approx(
    np.sqrt(np.mean(errors**2)), abs=0.02
  )


@pytest.mark.parametrize(
  'schema, score, spread', [(_DIVES, 75.0, 6.0), (_VAULTS, 28.0, 2.0)]
)
def test_score_and_spread_by_hand(schema, score, spread):
  config = _config('gaussian_execution', initial_execution=21.0)
  task = GaussianExecutionTask.create(config, schema)
  output = {
    'execution': np.float32([25 / EXECUTION_UNIT]),
    'log_variance': np.float32([2 * np.log(2 / EXECUTION_UNIT)]),
  }
  given = {'difficulty': np.array([3.0])}
  found = finish([task], task.predict(output), given, schema)
  assert found['score'] == pytest.approx([score], rel=1e-5)
  assert found['score_spread'] == pytest.approx([spread], rel=1e-5)
  # A dive whose execution is off by the spread: log sigma + 1 / 2.
  loss = GaussianExecutionTask.create(
    _config('gaussian_execution', beta=0.0), schema
  ).loss(output, {'execution': np.float32([27])})
  assert float(loss) == pytest.approx(
    np.log(2 / EXECUTION_UNIT) + 0.5, abs=1e-5
  )


def test_an_untrained_head_has_the_first_execution_and_a_variance_of_one():
  task = GaussianExecutionTask.create(
    _config('gaussian_execution', initial_execution=21.0), _DIVES
  )
  layers = OutputLayers(tuple(task.layers.items()), task.initial)
  variables, outputs = None, np.zeros((2, 5), np.float32)
  variables = layers.init(jax.random.key(0), outputs)
  predicted = task.predict(task.output(layers.apply(variables, outputs)))
  np.testing.assert_allclose(predicted['execution'], 21.0, rtol=1e-5)
  np.testing.assert_allclose(predicted['execution_spread'], 4.2, rtol=1e-5)


@pytest.mark.parametrize('beta', [-0.1, 1.5])
def test_betas_that_are_none(beta):
  with pytest.raises(InputError, match=r'heads\.beta=.*give 0 to 1'):
    GaussianExecutionTask.create(
      _config('gaussian_execution', beta=beta), _DIVES
    )


def test_of_an_execution_the_difficulty_is_the_spread():
  for schema, wanted in ((_DIVES, [1.6, 3.2]), (_VAULTS, [1, 1])):
    task = ExecutionTask.create(_config('execution'), schema)
    found = finish(
      [task],
      {'execution': np.float32([20, 20])},
      {'difficulty': np.array([1.6, 3.2])},
      schema,
    )
    assert found['score_spread'] == pytest.approx(wanted)


def test_the_spread_of_a_distribution_by_hand():
  logits = np.log(np.float32([[0.25, 0.5, 0.25], [1e-30, 1, 1e-30]]))
  # Steps of 4; a variance of a half, and that of rounding.
  np.testing.assert_allclose(
    label_distribution.spread(logits, 8.0),
    [4 * np.sqrt(0.5 + 1 / 12), 4 * np.sqrt(1 / 12)],
    rtol=1e-5,
  )


@pytest.mark.parametrize('schema, wanted', [(_DIVES, 3 * 2.5), (_VAULTS, 1.0)])
def test_the_spread_of_marks_by_hand(schema, wanted):
  task = JudgeMarksTask.create(_config('judge_marks'), schema)
  outputs = {
    'marks': np.full((1, 7), 7.0),
    'mark_spread': np.float32([[1, 1, 1, 0.5, 1, 1.5, 1]]),
  }
  found = finish([task], outputs, {'difficulty': np.array([2.5])}, schema)
  assert found['score_spread'] == pytest.approx([wanted])


def test_the_spread_of_votes_by_hand():
  task = RelativeScoreTask.create(_config('relative_score', votes=2), _DIVES)
  outputs = {
    # The third is of another difficulty, the fourth is not there.
    'votes': np.float32([[20, 22, 5, 90], [20, 20, 5, 90]]),
    'exemplar_difficulty': np.float32([[3.0, 3.0, 1.5, 0]] * 2),
  }
  given = {'difficulty': np.array([3.0, 3.0])}
  found = finish([task], outputs, given, _DIVES)
  assert found['score'] == pytest.approx([63.0, 60.0])
  wanted = 3 * np.sqrt([1 + 1 / 48, 1 / 48])
  np.testing.assert_allclose(found['score_spread'], wanted, rtol=1e-5)
