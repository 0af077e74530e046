"""Tests whether one row of a table is better than another, over seeds."""

import dataclasses

import numpy as np

from aqa_jax.evaluation import metrics

_RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Spread:
  """A Spearman over seeds and dives.

  Attributes:
    mean: over the seeds.
    deviation: standard deviation over the seeds (n - 1); NaN for one seed.
    low: lower end of the 95 % interval, over seeds and dives.
    high: upper end of it.
  """

  mean: float
  deviation: float
  low: float
  high: float


@dataclasses.dataclass(frozen=True)
class Difference:
  """How much higher the Spearman of one row is than that of another.

  Attributes:
    mean: over the seeds.
    low: lower end of the 95 % interval, over seeds and dives.
    high: upper end of it.
    p: two-sided p-value of "no difference"; at least 1 / 2000.
  """

  mean: float
  low: float
  high: float
  p: float


def spread(predicted: np.ndarray, true: np.ndarray) -> Spread:
  """Returns the Spearman of a row.

  Args:
    predicted: float [seeds, dives], points.
    true: float [dives], points.
  """
  by_seed = _spearman(predicted, true)
  rng = np.random.default_rng(0)
  dives = rng.integers(len(true), size=(_RESAMPLES, len(true)))
  low, high = np.percentile(_drawn(predicted, true, dives, rng), [2.5, 97.5])
  deviation = np.std(by_seed, ddof=1) if len(by_seed) > 1 else np.nan
  return Spread(
    float(np.mean(by_seed)), float(deviation), float(low), float(high)
  )


def difference(
  predicted: np.ndarray, others: np.ndarray, true: np.ndarray
) -> Difference:
  """Tests a row against another on the same dives.

  A bootstrap draws dives, the same for both rows, and seeds, for each row its
  own. So a difference counts only if it is larger than the change with other
  dives or other seeds. With three seeds that is a rough guess.

  Args:
    predicted: float [seeds, dives], points.
    others: float [seeds, dives], of the other row.
    true: float [dives], points.
  """
  mean = np.mean(_spearman(predicted, true)) - np.mean(_spearman(others, true))
  rng = np.random.default_rng(0)
  dives = rng.integers(len(true), size=(_RESAMPLES, len(true)))
  drawn = _drawn(predicted, true, dives, rng) - _drawn(others, true, dives, rng)
  low, high = np.percentile(drawn, [2.5, 97.5])
  smaller = min(np.mean(drawn <= 0), np.mean(drawn >= 0))
  p = float(np.clip(2 * smaller, 1 / _RESAMPLES, 1))
  return Difference(float(mean), float(low), float(high), p)


def _drawn(
  predicted: np.ndarray,
  true: np.ndarray,
  dives: np.ndarray,
  rng: np.random.Generator,
) -> np.ndarray:
  """Returns the Spearman on drawn dives, the mean of drawn seeds.

  Args:
    predicted: float [seeds, dives].
    true: float [dives].
    dives: int [resamples, dives], the draws.
    rng: draws as many seeds as there are, with repetition.

  Returns:
    float [resamples].
  """
  # [resamples, seeds]
  by_seed = np.stack(
    [_spearman(scores[dives], true[dives]) for scores in predicted], axis=1
  )
  seeds = rng.integers(by_seed.shape[1], size=by_seed.shape)
  return np.take_along_axis(by_seed, seeds, axis=1).mean(axis=1)


def _spearman(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
  """Returns Spearman's correlation; 0 for a constant, which ranks nothing."""
  return np.nan_to_num(metrics.spearman(predicted, true))
