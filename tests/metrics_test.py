import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from aqa_jax import metrics


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


def bleu_by_hand(hypotheses, references, order):
  """Papineni's formula, written independently."""
  logs = []
  for n in range(1, order + 1):
    right = total = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
      grams = [
        Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        for words in (hypothesis, reference)
      ]
      right += sum((grams[0] & grams[1]).values())
      total += max(len(hypothesis) - n + 1, 0)
    if not right:
      return 0.0
    logs.append(math.log(right / total))
  made = sum(map(len, hypotheses))
  wanted = sum(map(len, references))
  penalty = 1.0 if made >= wanted else math.exp(1 - wanted / made)
  return penalty * math.exp(sum(logs) / order)


def test_bleu_by_hand():
  # 5 of 6 words, 3 of 5 pairs, 1 of 4 triples, no run of four; equal lengths.
  generated = ['the', 'cat', 'sat', 'on', 'a', 'mat']
  reference = ['the', 'cat', 'sat', 'by', 'a', 'mat']
  found = metrics.caption_bleu([generated], [reference])
  assert found['bleu_1'] == pytest.approx(5 / 6)
  assert found['bleu_2'] == pytest.approx((5 / 6 * 3 / 5) ** (1 / 2))
  assert found['bleu_3'] == pytest.approx((5 / 6 * 3 / 5 * 1 / 4) ** (1 / 3))
  assert found['bleu_4'] == 0


def test_bleu_clips_repeated_words_and_punishes_brevity():
  found = metrics.caption_bleu([['the', 'the']], [['the', 'dive', 'was']])
  assert found['bleu_1'] == pytest.approx(1 / 2 * math.exp(1 - 3 / 2))


def test_bleu_of_a_corpus_against_the_formula():
  rng = np.random.default_rng(2)
  references = [
    [f'w{i}' for i in rng.integers(0, 12, rng.integers(1, 30))]
    for _ in range(40)
  ]
  generated = [
    [w if rng.random() < 0.7 else 'w0' for w in words][: rng.integers(0, 30)]
    for words in references
  ]
  generated[3] = []
  found = metrics.caption_bleu(generated, references)
  for order in range(1, 5):
    assert found[f'bleu_{order}'] == pytest.approx(
      bleu_by_hand(generated, references, order)
    )
  assert 0 < found['bleu_4'] < found['bleu_1'] < 1


def test_bleu_of_equal_captions_is_one():
  words = ['A', 'very', 'good', 'dive', '.']
  found = metrics.caption_bleu([words, words], [words, words])
  assert found == {f'bleu_{n}': pytest.approx(1.0) for n in range(1, 5)}
  assert max(found.values()) <= 1


def test_bleu_takes_the_words_as_given():
  # Case counts, a word with a space is one word, punctuation is not split.
  assert metrics.caption_bleu([['Good']], [['good']])['bleu_1'] == 0
  found = metrics.caption_bleu([['a b', 'c']], [['a', 'b', 'c']])
  assert found['bleu_1'] == pytest.approx(1 / 2 * math.exp(1 - 3 / 2))
  assert metrics.caption_bleu([["it's."]], [['it', "'s", '.']])['bleu_1'] == 0


def test_bleu_of_empty_captions():
  nothing = metrics.caption_bleu([[], []], [['a'], ['b', 'c']])
  assert set(nothing.values()) == {0.0}
  # A dive without a commentary is left out.
  found = metrics.caption_bleu([['a'], ['b']], [['a'], []])
  assert found['bleu_1'] == pytest.approx(1.0)
  undefined = metrics.caption_bleu([['a']], [[]])
  assert all(math.isnan(value) for value in undefined.values())


def test_bleu_refuses_what_does_not_fit():
  with pytest.raises(ValueError, match='got 1 and 2'):
    metrics.caption_bleu([['a']], [['a'], ['b']])
  with pytest.raises(ValueError, match='at least one'):
    metrics.caption_bleu([], [])
  with pytest.raises(ValueError, match='list of words'):
    metrics.caption_bleu(['a dive'], [['a', 'dive']])
