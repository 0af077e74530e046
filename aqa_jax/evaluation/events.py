"""Measures of the score within each event."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aqa_jax.evaluation import metrics
from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.predictions import Predictions


class Events(Evaluator):
  """The score's measures within events.

  Events differ in difficulty, which makes the Spearman over all dives higher.
  """

  def evaluate(self, predictions: Predictions) -> dict[str, Any]:
    """Returns events and spearman_within_events.

    Args:
      predictions: predictions for at least one dive.

    Returns:
      events: event -> num_dives, spearman, mae, bias (mean of predicted - true,
        points); see `by_event`.
      spearman_within_events: the mean over events, weighted by their dives, of
        those that have one; NaN where none has.
    """
    if 'score' not in predictions.outputs or 'event' not in predictions.labels:
      return {}
    events = by_event(predictions.outputs['score'], predictions.labels)
    ranked = [e for e in events.values() if np.isfinite(e['spearman'])]
    within = float('nan')
    if ranked:
      within = float(
        np.average(
          [event['spearman'] for event in ranked],
          weights=[event['num_dives'] for event in ranked],
        )
      )
    return {'events': events, 'spearman_within_events': within}


def by_event(
  scores: np.ndarray, labels: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
  """Returns the measures of the score within each event.

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
