"""Intervals of scores by split-conformal prediction."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from aqa_jax.files import write_atomically
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

  Attributes:
    errors: absolute errors, points, in ascending order.

  Raises:
    ValueError: an error is negative or not finite, or the order is another.
  """

  errors: tuple[float, ...]

  def __post_init__(self) -> None:
    """Checks the errors."""
    is_sorted = list(self.errors) == sorted(self.errors)
    if not is_sorted or not all(0 <= e < math.inf for e in self.errors):
      raise ValueError('absolute errors have to be finite, and in order')

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

  def measure(
    self, predicted: np.ndarray, true: np.ndarray
  ) -> dict[str, float]:
    """Returns how well the intervals of COVERAGE hold on other dives.

    Args:
      predicted: predicted scores, points.
      true: true scores, points.

    Returns:
      coverage_wanted and coverage, shares from 0 to 1; and half_width, points.
    """
    half = self.half_width(COVERAGE)
    is_covered = np.abs(predicted - true) <= half
    return {
      'coverage_wanted': COVERAGE,
      'coverage': float(is_covered.mean()),
      'half_width': half,
    }

  def write(self, workdir: pathlib.Path, step: int) -> None:
    """Writes the errors into calibration.json.

    Args:
      workdir: folder of the training.
      step: step of the checkpoint that they are of.
    """
    content = {'step': step, 'absolute_errors': list(self.errors)}
    write_atomically(workdir / _FILE, json.dumps(content) + '\n')


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
    errors = tuple(float(error) for error in found['absolute_errors'])
    intervals = ScoreIntervals(errors)
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
