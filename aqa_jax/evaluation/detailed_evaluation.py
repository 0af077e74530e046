"""What a final evaluation says beyond the headline figures.

Intervals, events, classes one by one, ceilings, and all measures of captions
with their baselines: too slow for every validation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax.evaluation import caption_metrics, metrics
from aqa_jax.evaluation.evaluation_files import Predictions
from tfds_mtl_aqa import labels as label_names

_RESAMPLES = 1000
_LEVEL = 95  # Percent.


def detail(
  predictions: Predictions,
  train_captions: Sequence[Sequence[str]],
  with_meteor: bool = True,
  seed: int = 0,
) -> dict[str, Any]:
  """Measures what `evaluation_files.evaluate` leaves out.

  Args:
    predictions: of at least one dive.
    train_captions: the training split's captions, for the baselines.
    with_meteor: whether METEOR is among the measures of captions.
    seed: of the bootstrap and of the random captions.

  Returns:
    intervals: name -> [low, high], for each figure of the score and each
      accuracy ('accuracy_<task>'); see `bootstrap_intervals`.
    events: event -> num_dives, spearman, mae, bias (mean of predicted - true,
      points); spearman_within_events: the mean over events, weighted by their
      dives, of those that have one. A global Spearman is flattered by how much
      events differ in difficulty.
    confusion: task -> [[dives]], a row for each true class; recall: task ->
      class name -> percent.
    ceilings: see `judge_ceilings`.
    meteor, rouge_l, cider: as far as this machine can take them; caption_notes:
      what it can not take and why; caption_baselines: 'random training caption'
      and 'central training caption' -> the same measures.
    What is not defined is NaN. Without scores, classes or captions, what is of
    them is absent.
  """
  labels = predictions.labels
  detailed: dict[str, Any] = {
    'intervals': bootstrap_intervals(predictions, seed),
    'ceilings': judge_ceilings(labels),
  }
  if predictions.scores is not None:
    events = by_event(predictions.scores, labels)
    ranked = [e for e in events.values() if np.isfinite(e['spearman'])]
    detailed['events'] = events
    detailed['spearman_within_events'] = (
      float(
        np.average(
          [event['spearman'] for event in ranked],
          weights=[event['num_dives'] for event in ranked],
        )
      )
      if ranked
      else float('nan')
    )
  if predictions.classes:
    detailed['confusion'], detailed['recall'] = {}, {}
  for task, ids in predictions.classes.items():
    names = label_names.CLASS_NAMES[task]
    confusion = metrics.confusion_matrix(ids, labels[task], len(names))
    detailed['confusion'][task] = confusion.tolist()
    detailed['recall'][task] = dict(
      zip(names, metrics.recall(confusion).tolist(), strict=True)
    )
  if (
    predictions.captions is not None
    and predictions.reference_captions is not None
  ):
    references = predictions.reference_captions
    detailed |= caption_metrics.caption_metrics(
      predictions.captions, references, with_meteor
    )
    central = caption_metrics.central_caption(train_captions, seed)
    baselines = {
      'random training caption': caption_metrics.random_captions(
        train_captions, len(references), seed
      ),
      'central training caption': [central] * len(references),
    }
    detailed['caption_baselines'] = {
      name: caption_metrics.caption_metrics(captions, references, with_meteor)
      for name, captions in baselines.items()
    }
    missing: dict[str, list[str]] = {}
    for measure, reason in caption_metrics.unavailable_metrics().items():
      missing.setdefault(reason, []).append(caption_metrics.NAMES[measure])
    detailed['caption_notes'] = [
      f'Not measured: {", ".join(names)}; {reason}.'
      for reason, names in missing.items()
    ]
  return detailed


def bootstrap_intervals(
  predictions: Predictions, seed: int
) -> dict[str, list[float]]:
  """Returns 95 % percentile intervals over dives drawn with repetition.

  They tell how much a figure owes to which dives happen to be in the split; not
  how much it would change with another seed of training.

  Args:
    predictions: of at least one dive.
    seed: of the draw of 1000 resamples.

  Returns:
    Figure -> [low, high]: those of `metrics.score_metrics`,
    execution_spearman, and accuracy_<task>. NaN where more than half of the
    resamples leave the figure undefined.
  """
  labels, count = predictions.labels, len(predictions)
  # Relative to the scores of the split: two dives alone can change their range.
  spread = float(np.ptp(labels['final_score']))
  rng = np.random.default_rng(seed)
  drawn: dict[str, list[float]] = {}
  for _ in range(_RESAMPLES):
    dives = rng.integers(count, size=count)
    figures: dict[str, float] = {}
    if predictions.scores is not None:
      scores, true = predictions.scores[dives], labels['final_score'][dives]
      figures |= metrics.score_metrics(scores, true)
      if spread:
        figures['relative_l2'] = 100 * figures['mse'] / spread**2
      figures['execution_spearman'] = metrics.execution_spearman(
        scores, true, labels['difficulty'][dives]
      )
    for task, ids in predictions.classes.items():
      figures[f'accuracy_{task}'] = 100 * float(
        np.mean(ids[dives] == labels[task][dives])
      )
    for name, value in figures.items():
      drawn.setdefault(name, []).append(value)
  ends = [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2]
  return {
    name: np.nanpercentile(values, ends).tolist()
    if np.isfinite(values).mean() > 0.5
    else [float('nan')] * 2
    for name, values in drawn.items()
  }


def by_event(
  scores: np.ndarray, labels: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
  """Returns how well the dives of each event are scored.

  Args:
    scores: float [dives], predicted points.
    labels: feature name -> [dives], with event and final_score.

  Returns:
    event -> num_dives, spearman, mae and bias in points.
  """
  events = {}
  for event in np.unique(labels['event']):
    dives = labels['event'] == event
    predicted, true = scores[dives], labels['final_score'][dives]
    measured = metrics.score_metrics(predicted, true)
    events[str(event)] = {
      'num_dives': int(dives.sum()),
      'spearman': measured['spearman'],
      'mae': measured['mae'],
      'bias': float(np.mean(predicted - true)),
    }
  return events


def judge_ceilings(
  labels: Mapping[str, np.ndarray],
) -> dict[str, dict[str, float]]:
  """Returns how well the judges' own marks give the score.

  Args:
    labels: feature name -> [dives], with final_score, difficulty and
      judge_scores [dives, 7], NaN where unknown.

  Returns:
    'one judge': three times each judge's mark times the difficulty, the mean
    over the seven judges of `metrics.score_metrics`; 'panel': the middle three
    marks times the difficulty. Each with num_dives, those whose marks are
    known; nothing where there are none.
  """
  known = np.isfinite(labels['judge_scores']).all(axis=1)
  if not known.any():
    return {}
  marks = np.sort(labels['judge_scores'][known], axis=1)
  difficulty = labels['difficulty'][known]
  true = labels['final_score'][known]
  by_judge = [
    metrics.score_metrics(3 * judge * difficulty, true)
    for judge in labels['judge_scores'][known].T
  ]
  one_judge = {
    name: float(np.mean([figures[name] for figures in by_judge]))
    for name in by_judge[0]
  }
  panel = metrics.score_metrics(marks[:, 2:5].sum(axis=1) * difficulty, true)
  count = {'num_dives': int(known.sum())}
  return {'one judge': count | one_judge, 'panel': count | panel}
