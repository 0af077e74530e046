"""Dives from phases: decoding, and figures of what was found."""

import itertools

import numpy as np
import pytest

from aqa_jax.data.phases import phases_at
from aqa_jax.evaluation import found_dives
from aqa_jax.evaluation.found_dives import (
  FoundDive,
  find_dives,
  match,
  mean_f1,
)

RATE = 12.5


def _phases(dives, seconds=40):
  return phases_at(np.arange(seconds * RATE) / RATE, dives)


def test_wanted_phases_give_the_dives_back():
  dives = [(2.03, 3.61), (9.0, 10.4), (14.37, 16.12), (30.5, 31.2)]
  found = find_dives(_phases(dives), RATE, 0.5)
  assert len(found) == 4
  for dive, (take_off, entry) in zip(found, dives, strict=True):
    assert dive.take_off == pytest.approx(take_off, abs=0.03)
    assert dive.entry == pytest.approx(entry, abs=0.03)
    assert 0.85 < dive.confidence <= 1


def test_what_is_too_short_or_too_long_is_no_dive():
  assert not find_dives(_phases([(5.0, 5.3)]), RATE, 0.3)
  assert not find_dives(_phases([(5.0, 9.0)]), RATE, 0.3)


def test_a_dive_needs_all_three_phases():
  phases = _phases([(5.0, 6.5)])
  for phase in range(3):
    without = phases.copy()
    without[:, phase] = 0.01
    assert not find_dives(without, RATE, 0.4)


def test_a_video_may_begin_in_the_air():
  phases = _phases([(-0.4, 1.0)])
  (dive,) = find_dives(phases, RATE, 0.5)
  assert dive.entry == pytest.approx(1.0, abs=0.03)


def test_no_frames():
  assert find_dives(np.zeros((0, 3)), RATE, 0.5) == []
  assert find_dives(np.zeros((1, 3)), RATE, 0.5) == []


@pytest.mark.parametrize('seed', range(20))
def test_the_best_of_all_choices_that_are_apart(seed):
  """Against all subsets."""
  rng = np.random.default_rng(seed)
  candidates = []
  for end in np.sort(rng.choice(60, 9, replace=False)).tolist():
    begin = end - int(rng.integers(3, 20))
    candidates.append((begin, end, float(rng.uniform(0.3, 1))))
  pause, threshold = 6, 0.25

  def value(chosen):
    for (_, end, _), (begin, later, _) in itertools.pairwise(chosen):
      if begin < end or later - end < pause:
        return -1.0
    return sum(confidence - threshold for _, _, confidence in chosen)

  best = max(
    value(chosen)
    for count in range(len(candidates) + 1)
    for chosen in itertools.combinations(candidates, count)
  )
  chosen = found_dives._apart(candidates, pause, threshold)
  assert value(chosen) == pytest.approx(best)


def test_figures():
  """Three true dives: one found, one with a wrong take-off, one missed."""
  found = [
    [FoundDive(1.0, 2.5, 0.9), FoundDive(6.0, 7.1, 0.9)],
    [FoundDive(3.0, 4.5, 0.9)],
  ]
  true = [[(1.3, 2.4), (5.2, 7.2)], [(3.0, 4.75)]]
  figures = match(found, true)
  assert (figures.num_dives, figures.num_found) == (3, 3)
  assert figures.recall == pytest.approx(2 / 3)
  assert figures.precision == pytest.approx(2 / 3)
  assert figures.take_off_recall == pytest.approx(1 / 3)
  assert figures.f1 == pytest.approx(2 / 3)
  # One found dive is not two true ones.
  twice = match([[FoundDive(1.0, 2.5, 0.9)]], [[(1.0, 2.4), (1.0, 2.6)]])
  assert twice.recall == 0.5 and twice.precision == 1
  assert match([[]], [[]]).f1 == 0


def test_mean_f1():
  """Two true dives; the entries are found 0.1 and 0.02 s from the true ones."""
  first, second = FoundDive(1.0, 2.5, 0.9), FoundDive(6.0, 7.1, 0.5)
  true = [[(1.0, 2.4)], [(5.2, 7.08)]]
  # By tolerance, 0.04 to 0.2 s: 1/2, 1/2, 1, 1, 1.
  assert mean_f1({0.3: [[first], [second]]}, true) == pytest.approx(4 / 5)
  # 0, 0, 2/3, 2/3, 2/3.
  assert mean_f1({0.7: [[first], []]}, true) == pytest.approx(2 / 5)
  both = mean_f1({0.3: [[first], [second]], 0.7: [[first], []]}, true)
  assert both == pytest.approx(3 / 5)
  exact = [[FoundDive(1.0, 2.4, 0.9)], [FoundDive(5.2, 7.08, 0.9)]]
  assert mean_f1({0.3: exact, 0.7: exact}, true) == 1
  assert mean_f1({0.3: [[], []]}, true) == 0
