"""What several networks of one kind say together.

Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive
Uncertainty Estimation using Deep Ensembles" (NeurIPS 2017, section 2.4): the
mean of the scores; the variance is the mean of the members' variances and the
variance of their scores. Class probabilities are averaged.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax.predictions import Columns, Predictions


def spread_scale(predictions: Predictions) -> float:
  """Returns the factor that makes a member's spread a standard deviation.

  With it the mean of (error / spread)^2 is 1 on dives that the member has not
  learned from. For a member that states no spread it is the root mean squared
  error, points. So heads of all kinds can be mixed: a spread alone is in a unit
  of its own, and that of a network that has learned by heart too small.

  Args:
    predictions: of the dives held out, with scores.
  """
  error = np.asarray(predictions.outputs['score'], np.float64) - np.asarray(
    predictions.label('final_score'), np.float64
  )
  return float(np.sqrt(np.mean((error / _spread(predictions.outputs)) ** 2)))


def combined(
  members: Sequence[Predictions], scales: Sequence[float]
) -> Predictions:
  """Returns what the members say together of the same dives.

  Numbers are averaged: scores, executions, marks, probabilities of classes. A
  class is the likeliest by the averaged probabilities. What can't be averaged,
  captions, is the first member's.

  Args:
    members: predictions for the same dives, with scores, of networks of the
      same tasks.
    scales: `spread_scale` of each member.

  Returns:
    Predictions with score_spread, points, and the labels of the first member.
  """
  first = members[0]
  outputs = _averaged([member.outputs for member in members])
  if 'class_probabilities' in outputs:
    outputs['classes'] = {
      name: np.argmax(shares, axis=1)
      for name, shares in outputs['class_probabilities'].items()
    }
  scores = np.stack([np.asarray(m.outputs['score'], float) for m in members])
  spreads = np.stack(
    [
      scale * _spread(member.outputs)
      for member, scale in zip(members, scales, strict=True)
    ]
  )
  variance = (spreads**2).mean(axis=0) + scores.var(axis=0)
  outputs['score_spread'] = np.sqrt(variance)
  return Predictions(first.labels, outputs, first.schema)


def _spread(outputs: Columns) -> np.ndarray:
  """Returns score_spread, float64 [dives]; 1 where there is none."""
  ones = np.ones(len(outputs['score']))
  return np.asarray(outputs.get('score_spread', ones), np.float64)


def _averaged(columns: Sequence[Columns]) -> dict[str, Any]:
  """Returns the means of the arrays of numbers; of others the first."""
  found: dict[str, Any] = {}
  for name, first in columns[0].items():
    parts = [column[name] for column in columns]
    if isinstance(first, Mapping):
      found[name] = _averaged(parts)
    elif isinstance(first, np.ndarray) and first.dtype.kind == 'f':
      found[name] = np.mean(parts, axis=0)
    else:
      found[name] = first
  return found
