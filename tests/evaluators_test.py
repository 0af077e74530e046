import dive_tasks
import evaluation_files_test as made
import numpy as np
import pytest
from scipy import stats

from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation import caption_metrics, ceilings, intervals, predict
from aqa_jax.tasks.score import ScoreTask
from tfds_mtl_aqa.labels import CLASS_NAMES

_CAPTIONS = [['a', 'good', 'dive'], ['a', 'dive'], ['a', 'dive'], ['splash']]


def _predictions(count=120, seed=0):
  rng = np.random.default_rng(seed)
  labels = made.made_labels(count, seed)
  labels['event'] = rng.integers(1, 5, count)
  labels['judge_scores'] = np.full((count, 7), np.nan)
  noise = rng.normal(3, 12, count)
  return dive_tasks.predictions(
    labels,
    scores=labels['final_score'] + noise,
    classes={
      task: np.where(
        rng.random(count) < 0.7, labels[task], rng.integers(0, 2, count)
      )
      for task in CLASS_NAMES
    },
    captions=[['a', 'dive']] * count,
    reference_captions=[['a', 'good', 'dive']] * count,
  )


def _detail(predictions):
  """What all evaluators but the baselines measure."""
  evaluators = 'intervals,ceilings,events,confusion,captions'
  return dive_tasks.evaluate(
    predictions, {'caption_words': _CAPTIONS}, evaluators
  )


@pytest.fixture(name='small_bootstrap', autouse=True)
def fixture_small_bootstrap(monkeypatch):
  monkeypatch.setattr(intervals, '_RESAMPLES', 300)
  monkeypatch.setattr(
    caption_metrics,
    'unavailable_metrics',
    lambda: {
      'meteor': 'they are slow',
      'rouge_l': 'it is left out',
      'cider': 'they are slow',
    },
  )


def test_intervals_against_scipy():
  predictions = _predictions()
  found = _detail(predictions)['intervals']
  true = predictions.labels['final_score']

  def spearman(x, y):
    return stats.spearmanr(x, y).statistic

  peer = stats.bootstrap(
    (predictions.outputs['score'], true),
    spearman,
    paired=True,
    vectorized=False,
    method='percentile',
    n_resamples=300,
    rng=np.random.default_rng(5),
  ).confidence_interval
  assert found['spearman'] == pytest.approx([peer.low, peer.high], abs=0.03)
  # The mean of absolute errors and an accuracy: by the central limit.
  errors = np.abs(predictions.outputs['score'] - true)
  half = 1.96 * errors.std() / np.sqrt(len(errors))
  assert found['mae'] == pytest.approx(
    [errors.mean() - half, errors.mean() + half], rel=0.05
  )
  relative = np.array(found['mse']) * 100 / np.ptp(true) ** 2
  assert found['relative_l2'] == pytest.approx(relative)
  right = (
    predictions.outputs['classes']['position'] == predictions.labels['position']
  )
  half = 196 * np.sqrt(right.mean() * (1 - right.mean()) / len(right))
  low, high = found['accuracy_position']
  assert high - low == pytest.approx(2 * half, rel=0.2)


def test_one_dive_has_no_intervals_of_ranks():
  found = _detail(_predictions(1))['intervals']
  assert np.isnan(found['spearman']).all()
  assert np.isfinite(found['mae']).all()


def test_events_one_by_one():
  predictions = _predictions()
  labels = predictions.labels
  found = _detail(predictions)
  weights, ranks = [], []
  for event in (1, 2, 3, 4):
    dives = labels['event'] == event
    error = predictions.outputs['score'][dives] - labels['final_score'][dives]
    figures = found['events'][str(event)]
    assert figures['num_dives'] == dives.sum()
    assert figures['bias'] == pytest.approx(error.mean())
    assert figures['mae'] == pytest.approx(np.abs(error).mean())
    ranks.append(
      stats.spearmanr(
        predictions.outputs['score'][dives], labels['final_score'][dives]
      ).statistic
    )
    assert figures['spearman'] == pytest.approx(ranks[-1])
    weights.append(dives.sum())
  assert found['spearman_within_events'] == pytest.approx(
    np.dot(weights, ranks) / sum(weights)
  )


def test_the_difference_between_events_does_not_count_within_them():
  """Scores that know the event alone rank nothing within it."""
  predictions = _predictions()
  labels = predictions.labels | {
    'final_score': predictions.labels['final_score']
    + 100 * predictions.labels['event']
  }
  rng = np.random.default_rng(1)
  scores = 100.0 * labels['event'] + rng.normal(size=120)
  found = _detail(dive_tasks.predictions(labels, scores))
  whole = stats.spearmanr(scores, labels['final_score']).statistic
  assert whole > 0.9
  assert abs(found['spearman_within_events']) < 0.3


def test_classes_one_by_one():
  predictions = _predictions()
  found = _detail(predictions)
  for task, names in CLASS_NAMES.items():
    true = predictions.labels[task]
    for index, name in enumerate(names):
      dives = true == index
      assert np.sum(found['confusion'][task][index]) == dives.sum()
      recall = found['recall'][task][name]
      if not dives.any():
        assert np.isnan(recall)
      else:
        right = predictions.outputs['classes'][task][dives] == index
        assert recall == pytest.approx(100 * right.mean())


def test_judges_by_hand():
  predictions = _predictions(3)
  labels = predictions.labels | {
    'judge_scores': np.array(
      [
        [5, 5, 6, 7, 7.5, 8, 9],
        [1, 2, 3, 4, 5, 6, 7],
        [np.nan] * 7,
      ]
    ),
    'difficulty': np.array([2.0, 3.0, 3.0]),
    # The middle three: 20.5 and 12.
    'final_score': np.array([41.0, 36.0, 50.0]),
  }
  found = ceilings.judge_ceilings(labels)
  expected = {'num_dives': 2, 'spearman': 1, 'kendall_tau': 1}
  expected |= {'relative_l2': 0, 'mse': 0, 'mae': 0}
  assert found['panel'] == pytest.approx(expected)
  # One judge of seven: 3 x 5 x 2 = 30 and 3 x 1 x 3 = 9, and so on.
  judges = [(30, 9), (30, 18), (36, 27), (42, 36), (45, 45), (48, 54), (54, 63)]
  errors = [abs(a - 41) + abs(b - 36) for a, b in judges]
  assert found['one judge']['mae'] == pytest.approx(np.mean(errors) / 2)
  # The same marks where a score is the difficulty plus a mean.
  vaults = labels | {'final_score': np.array([2 + 20.5 / 3, 3 + 4.0, 50.0])}
  found = ceilings.judge_ceilings(vaults, ScoreRule.SUM)
  assert found['panel'] == pytest.approx(expected)
  judges = zip([5, 5, 6, 7, 7.5, 8, 9], range(1, 8), strict=True)
  errors = [abs(a - 20.5 / 3) + abs(b - 4) for a, b in judges]
  assert found['one judge']['mae'] == pytest.approx(np.mean(errors) / 2)
  nothing = labels | {'judge_scores': np.full((3, 7), np.nan)}
  assert ceilings.judge_ceilings(nothing) == {}


def test_captions_stand_beside_their_baselines():
  found = _detail(_predictions())
  # 'a dive' for 'a good dive': both words right, and too brief.
  assert found['bleu_1'] == pytest.approx(np.exp(1 - 3 / 2))
  central = found['caption_baselines']['central training caption']
  assert central['bleu_1'] == pytest.approx(np.exp(1 - 3 / 2))
  drawn = found['caption_baselines']['random training caption']
  assert 0 < drawn['bleu_1'] < 1
  assert found['caption_notes'] == [
    'Not measured: METEOR, CIDEr; they are slow.',
    'Not measured: ROUGE-L; it is left out.',
  ]


def test_a_score_alone():
  whole = _predictions()
  found = _detail(dive_tasks.predictions(whole.labels, whole.outputs['score']))
  measured = predict.measure((ScoreTask(),), _predictions())
  assert set(found) - set(measured) == {
    'intervals', 'ceilings', 'events', 'spearman_within_events',
  }  # fmt: skip
