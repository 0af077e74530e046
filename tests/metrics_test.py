import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation import metrics


def test_score_metrics_by_hand():
  # Ranks of predicted 1 3 2, of true 1 2 3: 1 - 6 * 2 / (3 * 8) = 0.5.
  found = metrics.score_metrics([10.0, 50.0, 40.0], [0.0, 40.0, 80.0])
  assert found['spearman'] == pytest.approx(0.5)
  assert found['mse'] == pytest.approx((100 + 100 + 1600) / 3)
  assert found['mae'] == pytest.approx((10 + 10 + 40) / 3)
  # Errors over the range of 80: 1/8, 1/8, 1/2.
  assert found['relative_l2'] == pytest.approx(
    100 * (1 / 64 + 1 / 64 + 1 / 4) / 3
  )


def test_score_metrics_against_scipy_and_sklearn():
  rng = np.random.default_rng(0)
  true = rng.integers(0, 40, 300) * 2.5  # with ties
  predicted = np.round(true + rng.normal(0, 15, 300))
  found = metrics.score_metrics(predicted, true)
  expected = stats.spearmanr(predicted, true).statistic
  assert found['spearman'] == pytest.approx(expected, abs=1e-12)
  assert found['mse'] == pytest.approx(
    sklearn_metrics.mean_squared_error(true, predicted)
  )
  assert found['mae'] == pytest.approx(
    sklearn_metrics.mean_absolute_error(true, predicted)
  )


def test_perfect_and_reversed_rankings_are_exactly_one():
  true = np.array([10.0, 20.0, 30.0, 70.0])
  assert metrics.score_metrics(true**2, true)['spearman'] == 1.0
  assert metrics.score_metrics(-true, true)['spearman'] == -1.0


def test_constants_have_no_rank_correlation():
  found = metrics.score_metrics(np.full(5, 67.4), np.arange(5.0))
  assert math.isnan(found['spearman'])
  assert math.isfinite(found['relative_l2'])
  found = metrics.score_metrics(np.arange(5.0), np.full(5, 67.4))
  assert math.isnan(found['spearman'])
  assert math.isnan(found['relative_l2'])
  assert math.isnan(metrics.score_metrics([1.0], [2.0])['spearman'])


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_predictions_that_are_not_finite_are_refused(bad):
  with pytest.raises(ValueError, match="'predicted'.*index 1"):
    metrics.score_metrics([1.0, bad, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
  ('predicted', 'true'), [([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])]
)
def test_scores_of_a_wrong_shape_are_refused(predicted, true):
  with pytest.raises(ValueError, match='one length, not empty'):
    metrics.score_metrics(predicted, true)


def test_execution_spearman_takes_the_difficulty_out():
  # Executions 20, 10, 30 against predicted 10, 20, 15: ranks 2 1 3, 1 3 2.
  difficulty = np.array([2.0, 4.0, 3.0])
  true = np.array([40.0, 40.0, 90.0])
  predicted = np.array([20.0, 80.0, 45.0])
  found = metrics.execution_spearman(predicted, true, difficulty)
  assert found == pytest.approx(1 - 6 * (1 + 4 + 1) / (3 * 8))


def test_execution_spearman_of_sums_subtracts_the_difficulty():
  # Executions 8, 7, 9 against predicted 7, 8, 7.5: ranks 2 1 3, 1 3 2.
  difficulty = np.array([5.0, 6.5, 4.0])
  found = metrics.execution_spearman(
    difficulty + [7.0, 8.0, 7.5],
    difficulty + [8.0, 7.0, 9.0],
    difficulty,
    ScoreRule.SUM,
  )
  assert found == pytest.approx(1 - 6 * (1 + 4 + 1) / (3 * 8))


def test_execution_spearman_keeps_ties_of_float32_scores():
  rng = np.random.default_rng(1)
  execution = rng.integers(30, 60, 400) / 2
  difficulty = rng.integers(15, 42, 400) / 10
  predicted = rng.normal(60, 15, 400)
  true = (execution * difficulty).astype(np.float32)
  single = difficulty.astype(np.float32)
  quotient = true.astype(np.float64) / single.astype(np.float64)
  assert len(np.unique(quotient)) > len(np.unique(execution))
  found = metrics.execution_spearman(predicted, true, single)
  expected = stats.spearmanr(predicted / difficulty, execution).statistic
  assert found == pytest.approx(expected, abs=1e-12)


def test_execution_spearman_refuses_a_difficulty_of_zero():
  with pytest.raises(ValueError, match='positive, got 0'):
    metrics.execution_spearman([1.0, 2.0], [1.0, 2.0], [1.5, 0.0])


def test_class_accuracies():
  predicted = {'twists': np.array([0, 1, 2, 3]), 'armstand': [1, 1, 1, 1]}
  true = {'armstand': [0, 0, 0, 1], 'twists': [0, 1, 2, 7], 'position': [0]}
  found = metrics.class_accuracies(predicted, true)
  assert found == {'twists': 75.0, 'armstand': 25.0}
  assert list(found) == ['twists', 'armstand']


@pytest.mark.parametrize(
  ('predicted', 'true', 'message'),
  [
    ([0, 1], None, 'no true classes'),
    ([0, 1], [0], 'shapes'),
    ([], [], 'not empty'),
    ([0.5, 0.5], [0, 1], 'integer'),
  ],
)
def test_class_accuracies_refuse_what_does_not_fit(predicted, true, message):
  truth = {} if true is None else {'twists': true}
  with pytest.raises(ValueError, match=message):
    metrics.class_accuracies({'twists': predicted}, truth)


def test_kendall_tau_by_hand():
  # Pairs of 1 2 3 4 in the order 1 3 2 4: five agree, one does not.
  found = metrics.score_metrics([1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 3.0, 4.0])
  assert found['kendall_tau'] == pytest.approx((5 - 1) / 6)


@pytest.mark.parametrize('block', range(10))
def test_a_thousand_inputs_against_scipy_and_sklearn(block):
  """Random and degenerate: ties, constants, one dive, numbers not finite."""
  rng = np.random.default_rng(block)
  for trial in range(100):
    count = int(rng.integers(1, 40))
    true = np.round(rng.normal(67, 17, count), int(rng.integers(-1, 3)))
    predicted = np.round(
      true + rng.normal(0, 9, count), int(rng.integers(-1, 3))
    )
    kind = trial % 5
    if kind == 1:
      predicted[:] = 67.0
    if kind == 2:
      true[:] = 50.0
    if kind == 3:
      predicted[int(rng.integers(count))] = rng.choice([np.nan, np.inf])
      with pytest.raises(ValueError, match='not finite'):
        metrics.score_metrics(predicted, true)
      continue
    found = metrics.score_metrics(predicted, true)
    constant = len(set(true)) == 1 or len(set(predicted)) == 1
    for name, peer in (
      ('spearman', stats.spearmanr),
      ('kendall_tau', stats.kendalltau),
    ):
      if constant:
        assert math.isnan(found[name])
      else:
        assert found[name] == pytest.approx(
          peer(predicted, true).statistic, abs=1e-6
        )
    mse = sklearn_metrics.mean_squared_error(true, predicted)
    assert found['mse'] == pytest.approx(mse, rel=1e-6)
    assert found['mae'] == pytest.approx(
      sklearn_metrics.mean_absolute_error(true, predicted), rel=1e-6
    )
    if len(set(true)) == 1:
      assert math.isnan(found['relative_l2'])
    else:
      scaled = (predicted - true) / (true.max() - true.min())
      assert found['relative_l2'] == pytest.approx(
        100 * np.mean(scaled**2), rel=1e-6
      )
    ids, true_ids = rng.integers(0, 6, (2, count))
    confusion = metrics.confusion_matrix(ids, true_ids, 6)
    np.testing.assert_array_equal(
      confusion,
      sklearn_metrics.confusion_matrix(true_ids, ids, labels=range(6)),
    )
    recalled = sklearn_metrics.recall_score(
      true_ids, ids, labels=range(6), average=None, zero_division=np.nan
    )
    np.testing.assert_allclose(
      metrics.recall(confusion), 100 * recalled, atol=1e-6
    )


def test_a_class_without_a_dive_has_no_recall():
  confusion = metrics.confusion_matrix([0, 1, 1], [0, 1, 0], 3)
  assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
  np.testing.assert_array_equal(
    metrics.recall(confusion), [50.0, 100.0, np.nan]
  )


@pytest.mark.parametrize(
  'predicted, true, message',
  [
    ([0, 3], [0, 1], '0 to 2'),
    ([0, -1], [0, 1], '0 to 2'),
    ([0.0, 1.0], [0, 1], 'integers'),
    ([0], [0, 1], 'one length'),
  ],
)
def test_confusion_refuses_what_is_no_class(predicted, true, message):
  with pytest.raises(ValueError, match=message):
    metrics.confusion_matrix(predicted, true, 3)
