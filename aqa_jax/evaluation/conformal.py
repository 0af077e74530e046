"""Intervals of scores by split-conformal prediction."""

import dataclasses
import functools
import json
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from aqa_jax.files import write_atomically
from aqa_jax.predictions import Columns, Predictions
from tfds_mtl_aqa.input_error import InputError

# Share of the dives whose score lies in its interval.
COVERAGE = 0.9
_DECIMALS = 3
_FILE = 'calibration.json'


@dataclasses.dataclass(frozen=True)
class ScoreIntervals:
  """The errors of a network on dives that it has not learned from.

  For a dive that is drawn as those were, the interval of `half_width(c)` on
  each side of the predicted score holds the true one with a probability of at
  least c (Lei et al., 2018, "Distribution-free predictive inference for
  regression", section 2.2). For other videos it promises nothing.

  Where the network tells how unsure it is of each score, the errors are divided
  by that (the same, section 5.2; Papadopoulos et al., 2008, "Normalized
  nonconformity measures for regression conformal prediction"), and an interval
  is as wide as its dive is unsure. The promise is over all dives, with either.

  Attributes:
    errors: absolute errors, points, in ascending order.
    spreads: score_spread of the same dives, see `Task.gives_score`; empty for
      intervals of one width.

  Raises:
    ValueError: an error is negative or not finite, or the order is another; or
      spreads are not as many, or not above 0 and finite.
  """

  errors: tuple[float, ...]
  spreads: tuple[float, ...] = ()

  def __post_init__(self) -> None:
    """Checks errors and spreads."""
    is_sorted = list(self.errors) == sorted(self.errors)
    if not is_sorted or not all(0 <= e < math.inf for e in self.errors):
      raise ValueError('absolute errors have to be finite, and in order')
    if self.spreads and len(self.spreads) != len(self.errors):
      raise ValueError('there have to be as many spreads as errors')
    if not all(0 < spread < math.inf for spread in self.spreads):
      raise ValueError('spreads have to be finite, and above 0')

  @classmethod
  def of(
    cls,
    predicted: Sequence[float] | np.ndarray,
    true: np.ndarray,
    spreads: np.ndarray | None = None,
  ) -> 'ScoreIntervals':
    """Returns the intervals of a network.

    Args:
      predicted: predicted scores of the dives, points.
      true: their true scores, points.
      spreads: their score_spread; None for intervals of one width.

    Raises:
      InputError: there is no dive, or a score is not finite; or a spread is
        not above 0 and finite.
    """
    errors = np.abs(np.asarray(predicted, np.float64) - np.asarray(true))
    if not errors.size or not np.isfinite(errors).all():
      raise InputError(
        'intervals need finite scores of at least one dive to hold the '
        'predictions against.'
      )
    errors = errors.round(_DECIMALS)
    order = np.argsort(errors, kind='stable')
    if spreads is None:
      return cls(tuple(errors[order].tolist()))
    # A few digits, that the file is short.
    spreads = np.array([float(f'{spread:.6g}') for spread in spreads])
    if not ((spreads > 0) & np.isfinite(spreads)).all():
      raise InputError(
        'intervals need a score_spread that is above 0 and finite, of every '
        'dive; mend the task that gives it.'
      )
    return cls(tuple(errors[order].tolist()), tuple(spreads[order].tolist()))

  @functools.cached_property
  def _ratios(self) -> list[float]:
    """Errors by spread, in ascending order; without spreads the errors."""
    if not self.spreads:
      return list(self.errors)
    return sorted(
      error / spread
      for error, spread in zip(self.errors, self.spreads, strict=True)
    )

  def quantile(self, coverage: float) -> float:
    """Returns half the width of an interval by its spread.

    It is the k-th smallest error, k = ceil((n + 1) coverage), of n, by spread;
    in points without spreads. Infinite if n is too small for the coverage.

    Args:
      coverage: share of the dives whose score lies in its interval, 0 to 1.

    Raises:
      ValueError: the coverage is not between 0 and 1.
    """
    if not 0 < coverage < 1:
      raise ValueError(f'coverage={coverage}: give more than 0, less than 1.')
    # Rounded, for a product such as 20 * 0.9 may be a little more than 18.
    rank = math.ceil(round((len(self.errors) + 1) * coverage, 9))
    return self._ratios[rank - 1] if rank <= len(self._ratios) else math.inf

  def half_width(self, coverage: float, spread: float | None = None) -> float:
    """Returns half the width of an interval, points.

    Args:
      coverage: share of the dives whose score lies in its interval, 0 to 1.
      spread: score_spread of the dive; None for the mean of the dives that the
        errors are of. It matters where there are `spreads`.

    Raises:
      ValueError: the coverage is not between 0 and 1.
    """
    quantile = self.quantile(coverage)
    if not self.spreads:
      return quantile
    if spread is None:
      spread = float(np.mean(self.spreads))
    return quantile * float(spread)

  def half_widths(self, outputs: Columns) -> np.ndarray:
    """Returns half the widths of the intervals of COVERAGE, float64 [dives].

    Args:
      outputs: predictions, with score and, where there are `spreads`,
        score_spread, [dives] each.
    """
    quantile = self.quantile(COVERAGE)
    if self.spreads:
      return quantile * np.asarray(outputs['score_spread'], np.float64)
    return np.full(len(outputs['score']), quantile)

  def of_one_width(self) -> 'ScoreIntervals':
    """Returns the intervals by the same errors without the spreads."""
    return ScoreIntervals(self.errors)

  def write(self, workdir: pathlib.Path, step: int) -> None:
    """Writes errors and spreads into calibration.json.

    Args:
      workdir: folder of the training.
      step: step of the checkpoint that they are of.
    """
    content = {'step': step} | self.to_dict()
    write_atomically(workdir / _FILE, json.dumps(content) + '\n')

  def to_dict(self) -> dict[str, list[float]]:
    """Returns absolute_errors and, where there are any, spreads, for JSON."""
    found = {'absolute_errors': list(self.errors)}
    return found | ({'spreads': list(self.spreads)} if self.spreads else {})


def with_half_widths(
  predictions: Predictions, intervals: ScoreIntervals | None
) -> Predictions:
  """Returns predictions with the output score_half_width, points.

  Args:
    predictions: predictions that have scores.
    intervals: intervals of the scores; None for none: then the predictions are
      returned as given.
  """
  if intervals is None:
    return predictions
  half = intervals.half_widths(predictions.outputs)
  return dataclasses.replace(
    predictions, outputs={**predictions.outputs, 'score_half_width': half}
  )


def read_intervals(workdir: pathlib.Path, step: int) -> ScoreIntervals | None:
  """Returns the intervals of a training; None where it has no calibration.json.

  Args:
    workdir: folder of the training.
    step: step of its best checkpoint.

  Raises:
    InputError: the file is damaged, or of another step.
  """
  path = workdir / _FILE
  try:
    found = json.loads(path.read_text('utf-8'))
    intervals = ScoreIntervals(
      tuple(float(error) for error in found['absolute_errors']),
      # Those of one width have none, and those of earlier versions.
      tuple(float(spread) for spread in found.get('spreads', ())),
    )
    is_of_step = found['step'] == step
  except FileNotFoundError:
    return None
  except (OSError, ValueError, KeyError, TypeError) as e:
    raise InputError(
      f'{path}: is damaged; evaluate again, with --mode=eval.'
    ) from e
  if not is_of_step:
    raise InputError(
      f'{path}: is not of the best checkpoint, step {step}; evaluate again, '
      'with --mode=eval.'
    )
  return intervals
