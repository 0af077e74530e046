"""How well the intervals of scores hold: over all dives, and by group."""

from typing import Any

import numpy as np
import scipy.stats

from aqa_jax.evaluation.conformal import COVERAGE, ScoreIntervals
from aqa_jax.predictions import Predictions

# Fewer dives say little of a share of 90 %.
MIN_DIVES = 20
_LEVEL = 0.95
_THIRDS = ('lowest', 'middle', 'highest')


def measure_intervals(
  predictions: Predictions, intervals: ScoreIntervals
) -> dict[str, Any]:
  """Returns how well the intervals of COVERAGE hold on other dives.

  Args:
    predictions: predictions for at least one dive, see `with_half_widths`.
    intervals: the intervals.

  Returns:
    coverage_wanted; num_dives; coverage, a share from 0 to 1, with
    coverage_interval, the 95 % interval by Wilson's method; half_width, the
    mean, points;
    one_width: coverage, coverage_interval and half_width of intervals of one
    width by the same errors, where these have several;
    by_class: classification -> class -> the same as of all dives, of true
    classes of at least MIN_DIVES dives;
    by_difficulty: 'lowest', 'middle' and 'highest' third of the difficulties ->
    the same, with from and to, where each third has at least MIN_DIVES dives.
    What the dataset lacks is left out.
  """
  errors = np.abs(
    np.asarray(predictions.outputs['score'], np.float64)
    - np.asarray(predictions.label('final_score'), np.float64)
  )
  half = np.asarray(predictions.outputs['score_half_width'], np.float64)
  everything = np.ones(len(errors), bool)
  found: dict[str, Any] = {'coverage_wanted': COVERAGE}
  found |= _coverage(errors, half, everything)
  if intervals.spreads:
    constant = np.full(len(errors), intervals.of_one_width().quantile(COVERAGE))
    found['one_width'] = _coverage(errors, constant, everything)
  if by_class := _by_class(predictions, errors, half):
    found['by_class'] = by_class
  if by_difficulty := _by_difficulty(predictions, errors, half):
    found['by_difficulty'] = by_difficulty
  return found


def _coverage(
  errors: np.ndarray, half: np.ndarray, dives: np.ndarray
) -> dict[str, Any]:
  """Returns the figures of the dives of a mask."""
  is_covered = errors[dives] <= half[dives]
  count, total = int(is_covered.sum()), len(is_covered)
  ends = scipy.stats.binomtest(count, total).proportion_ci(
    _LEVEL, method='wilson'
  )
  return {
    'num_dives': total,
    'coverage': count / total,
    'coverage_interval': [float(ends.low), float(ends.high)],
    'half_width': float(half[dives].mean()),
  }


def _by_class(
  predictions: Predictions, errors: np.ndarray, half: np.ndarray
) -> dict[str, dict[str, Any]]:
  found: dict[str, dict[str, Any]] = {}
  for kind, names in predictions.schema.class_names.items():
    true = np.asarray(predictions.labels[kind])
    for number, name in enumerate(names):
      if (dives := true == number).sum() >= MIN_DIVES:
        found.setdefault(kind, {})[name] = _coverage(errors, half, dives)
  return found


def _by_difficulty(
  predictions: Predictions, errors: np.ndarray, half: np.ndarray
) -> dict[str, Any]:
  if 'difficulty' not in predictions.labels:
    return {}
  difficulty = np.asarray(predictions.label('difficulty'), np.float64)
  # Dives of one difficulty stay together: the thirds are not quite equal.
  place = np.searchsorted(np.quantile(difficulty, [1 / 3, 2 / 3]), difficulty)
  if np.bincount(place, minlength=len(_THIRDS)).min() < MIN_DIVES:
    return {}
  return {
    name: {
      'from': round(float(difficulty[place == number].min()), 3),
      'to': round(float(difficulty[place == number].max()), 3),
      **_coverage(errors, half, place == number),
    }
    for number, name in enumerate(_THIRDS)
  }
