"""Intervals by split-conformal prediction."""

import math

import numpy as np
import pytest

from aqa_jax.evaluation.conformal import ScoreIntervals
from tfds_mtl_aqa.input_error import InputError


def test_half_widths_by_hand():
  intervals = ScoreIntervals.of([10, 20, 30, 40, 50, 60, 70, 80, 90], _TRUE)
  assert intervals.errors == (1, 2, 3, 4, 5, 6, 7, 8, 9)
  # The ninth of nine: ceil(10 * 0.9).
  assert intervals.half_width(0.9) == 9
  assert intervals.half_width(0.5) == 5
  assert intervals.half_width(0.51) == 6
  # Nine dives can't promise more than 9 of 10.
  assert intervals.half_width(0.95) == math.inf


_TRUE = np.array([10 - 9, 20 + 8, 30 - 7, 40 + 6, 50 - 5, 64, 73, 82, 91])


def test_twenty_dives_are_no_victims_of_rounding():
  """19 dives: ceil(20 * 0.9) is 18, and 20 * 0.9 a little more in floats."""
  intervals = ScoreIntervals(tuple(float(n) for n in range(1, 20)))
  assert intervals.half_width(0.9) == 18
  assert intervals.half_width(0.95) == 19


def test_they_hold_what_they_promise():
  """Over many draws of 30 dives, 90 to 93.3 % of new dives are covered."""
  rng = np.random.default_rng(0)
  covered = []
  for _ in range(2000):
    errors = rng.gamma(2.0, 3.0, size=31)
    intervals = ScoreIntervals.of(errors[:30], np.zeros(30))
    covered.append(errors[30] <= intervals.half_width(0.9))
  assert 0.88 < np.mean(covered) < 0.95


@pytest.mark.parametrize('predicted', [[], [float('nan')]])
def test_nothing_to_go_by(predicted):
  with pytest.raises(InputError, match='finite scores'):
    ScoreIntervals.of(predicted, np.zeros(len(predicted)))


@pytest.mark.parametrize('coverage', [0, 1, -1, 90])
def test_coverages_that_are_none(coverage):
  with pytest.raises(ValueError, match='coverage='):
    ScoreIntervals((1.0,)).half_width(coverage)
