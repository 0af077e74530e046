"""Intervals by split-conformal prediction."""

import math

import numpy as np
import pytest
import scipy.stats

from aqa_jax.data.schema import Schema
from aqa_jax.evaluation.conformal import (
  ScoreIntervals,
  read_intervals,
  with_half_widths,
)
from aqa_jax.evaluation.interval_coverage import measure_intervals
from aqa_jax.predictions import Predictions
from aqa_jax.report.interval_table import interval_table
from aqa_jax.tasks.score import ScoreTask
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


def test_normalised_half_widths_by_hand():
  true = np.zeros(9)
  spreads = np.array([1, 1, 1, 1, 1, 2, 2, 2, 0.5])
  intervals = ScoreIntervals.of([1, 2, 3, 4, 5, 6, 7, 8, 3.5], true, spreads)
  # By spread: 1, 2, 3, 4, 5, 3, 3.5, 4, 7.
  assert intervals.errors == (1, 2, 3, 3.5, 4, 5, 6, 7, 8)
  assert intervals.quantile(0.9) == 7
  assert intervals.quantile(0.5) == 3.5
  assert intervals.half_width(0.5, 2.0) == 7.0
  assert intervals.half_width(0.5) == pytest.approx(3.5 * spreads.mean())
  assert intervals.of_one_width().half_width(0.9) == 8
  outputs = {'score': np.zeros(2), 'score_spread': np.array([0.5, 3])}
  assert intervals.half_widths(outputs).tolist() == [3.5, 21.0]


def test_the_unit_of_the_spread_does_not_matter():
  rng = np.random.default_rng(1)
  errors, spreads = rng.gamma(2.0, 3.0, 40), rng.uniform(0.5, 2, 40)
  one, other = (
    ScoreIntervals.of(errors, np.zeros(40), unit * spreads) for unit in (1, 8)
  )
  # Six digits of a spread are kept.
  assert other.half_width(0.9, 8.0) == pytest.approx(
    one.half_width(0.9, 1.0), rel=1e-5
  )


def test_groups_that_differ_are_covered_alike_by_their_spread():
  """Half of the dives are four times as hard to judge as the others."""
  rng = np.random.default_rng(2)
  spreads = np.repeat([1.0, 4.0], 2000)
  errors = spreads * rng.standard_normal(4000)
  calibration = np.arange(4000) % 2 == 0
  intervals = ScoreIntervals.of(
    errors[calibration], np.zeros(2000), spreads[calibration]
  )
  errors, spreads = np.abs(errors[~calibration]), spreads[~calibration]
  half = intervals.half_widths({'score': errors, 'score_spread': spreads})
  constant = intervals.of_one_width().quantile(0.9)
  for spread, by_one_width in ((1.0, 1.0), (4.0, 0.8)):
    dives = spreads == spread
    # Three standard deviations of a share of 1000, with the calibration's.
    assert np.mean(errors[dives] <= half[dives]) == pytest.approx(0.9, abs=0.04)
    assert np.mean(errors[dives] <= constant) == pytest.approx(
      by_one_width, abs=0.04
    )
  assert half.mean() < constant


@pytest.mark.parametrize('spread', [0.0, -1.0, float('inf'), float('nan')])
def test_spreads_that_are_none(spread):
  with pytest.raises(InputError, match='score_spread'):
    ScoreIntervals.of([1.0], np.zeros(1), np.array([spread]))
  with pytest.raises(ValueError, match='above 0'):
    ScoreIntervals((1.0,), (spread,))
  with pytest.raises(ValueError, match='as many'):
    ScoreIntervals((1.0, 2.0), (1.0,))


def test_the_file_keeps_errors_and_spreads(tmp_path):
  intervals = ScoreIntervals.of([3.0, 1.0], np.zeros(2), np.array([2.0, 0.5]))
  intervals.write(tmp_path, 7)
  assert read_intervals(tmp_path, 7) == intervals
  # One of an earlier version.
  (tmp_path / 'calibration.json').write_text(
    '{"step": 7, "absolute_errors": [1.0, 3.0]}'
  )
  assert read_intervals(tmp_path, 7) == intervals.of_one_width()


def _predictions(errors, **outputs):
  count = len(errors)
  schema = Schema(classes=(('position', ('pike', 'tuck', 'free')),))
  return Predictions(
    {
      'final_score': np.full(count, 60.0),
      'difficulty': np.tile([1.6, 2.4, 3.2], count // 3),
      'position': np.arange(count) // (count - 10),
    },
    {'score': 60 + np.asarray(errors), **outputs},
    schema,
  )


def test_coverage_by_group_by_hand():
  errors = np.zeros(90)
  errors[::3] = 5.0  # All dives of the lowest difficulty.
  errors[1] = -9.0
  predictions = with_half_widths(
    _predictions(errors, score_spread=np.tile([1.0, 2.0, 3.0], 30)),
    ScoreIntervals((2.0,) * 9, (1.0,) * 9),
  )
  # The intervals are 2, 4 and 6 points to each side.
  found = measure_intervals(predictions, ScoreIntervals((2.0,) * 9, (1.0,) * 9))
  assert found['coverage'] == pytest.approx(59 / 90)
  assert found['half_width'] == pytest.approx(4.0)
  low, high = found['coverage_interval']
  # Wilson's interval, solved for z = 1.96.
  for end in (low, high):
    deviation = np.sqrt(end * (1 - end) / 90)
    assert abs(59 / 90 - end) == pytest.approx(1.959964 * deviation, rel=1e-4)
  assert found['one_width']['half_width'] == 2.0
  assert found['one_width']['coverage'] == pytest.approx(59 / 90)
  thirds = found['by_difficulty']
  assert [t['coverage'] for t in thirds.values()] == [0, 29 / 30, 1]
  assert [t['half_width'] for t in thirds.values()] == [2, 4, 6]
  assert (thirds['middle']['from'], thirds['middle']['to']) == (2.4, 2.4)
  # Ten dives in tuck are too few, and none is free.
  assert list(found['by_class']['position']) == ['pike']
  assert found['by_class']['position']['pike']['num_dives'] == 80


def test_thirds_of_too_few_dives():
  intervals = ScoreIntervals((2.0,) * 9)
  predictions = with_half_widths(_predictions(np.zeros(30)), intervals)
  found = measure_intervals(predictions, intervals)
  assert not {'by_difficulty', 'one_width'} & found.keys()
  assert with_half_widths(predictions, None) is predictions


def test_table_columns_and_tau_of_the_spread():
  rng = np.random.default_rng(3)
  spread = rng.uniform(1, 5, 90)
  errors = spread * rng.standard_normal(90)
  intervals = ScoreIntervals((2.0,) * 9, (1.0,) * 9)
  predictions = with_half_widths(
    _predictions(errors, score_spread=spread), intervals
  )
  task = ScoreTask()
  measured = task.measure(predictions)
  tau = scipy.stats.kendalltau(spread, np.abs(errors)).statistic
  assert measured['spread_tau'] == pytest.approx(tau)
  row = task.columns(predictions, 4)
  assert row['interval_high'] - row['interval_low'] == pytest.approx(
    4 * spread[4], abs=0.02
  )
  found = measure_intervals(predictions, intervals)
  evaluation = {**measured, 'score_interval': found}
  table = '\n'.join(task.table(evaluation))
  assert f'holds {100 * found["coverage"]:.1f} % of these' in table
  assert 'by difficulty: ' in table and 'by position: ' in table
  shown = interval_table(evaluation | {'intervals': {'spread_tau': [0.1, 0.3]}})
  assert shown['tau_interval'] == '0.100–0.300'
  assert [name for name, _ in shown['groups']] == ['', 'difficulty', 'position']
  # One that is the same for all orders nothing.
  flat = _predictions(errors, score_spread=np.ones(90))
  assert np.isnan(task.measure(flat)['spread_tau'])
