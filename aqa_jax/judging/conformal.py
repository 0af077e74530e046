"""Intervals of scores by split-conformal prediction."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tfds_mtl_aqa.input_error import InputError

_DECIMALS = 3


@dataclasses.dataclass(frozen=True)
class ScoreIntervals:
  """The errors of a network on dives that it has not learned from.

  For a dive that is drawn as those were, the interval of `half_width(c)` on
  each side of the predicted score holds the true one with a probability of at
  least c (Lei et al., 2018, "Distribution-free predictive inference for
  regression", section 2.2). For other videos it promises nothing.

  Attributes:
    errors: absolute errors, points, in ascending order.
  """

  errors: tuple[float, ...]

  @classmethod
  def of(
    cls, predicted: Sequence[float] | np.ndarray, true: np.ndarray
  ) -> 'ScoreIntervals':
    """Returns the intervals of a network.

    Args:
      predicted: predicted scores of the dives, points.
      true: their true scores, points.

    Raises:
      InputError: there is no dive, or a score is not finite.
    """
    errors = np.abs(np.asarray(predicted, np.float64) - np.asarray(true))
    if not errors.size or not np.isfinite(errors).all():
      raise InputError(
        'intervals need finite scores of at least one dive to hold the '
        'predictions against.'
      )
    return cls(tuple(float(e) for e in np.sort(errors).round(_DECIMALS)))

  def half_width(self, coverage: float) -> float:
    """Returns half the width of an interval, points.

    It is the k-th smallest error, k = ceil((n + 1) coverage), of n. Infinite if
    n is too small for the coverage.

    Args:
      coverage: share of the dives whose score lies in its interval, 0 to 1.

    Raises:
      ValueError: the coverage is not between 0 and 1.
    """
    if not 0 < coverage < 1:
      raise ValueError(f'coverage={coverage}: give more than 0, less than 1.')
    # Rounded, for a product such as 20 * 0.9 may be a little more than 18.
    rank = math.ceil(round((len(self.errors) + 1) * coverage, 9))
    return self.errors[rank - 1] if rank <= len(self.errors) else math.inf
