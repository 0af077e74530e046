"""Which marks of seven judges count."""

import itertools

import numpy as np
import pytest

from aqa_jax.data import judges_marks


def test_a_dive_by_hand():
  # Cancelled: 6.0, 6.5 and 8.5, 8.0.
  marks = [7.5, 6.0, 8.5, 7.0, 8.0, 6.5, 7.0]
  assert judges_marks.trimmed_sum(marks) == 21.5
  assert judges_marks.counting(marks).tolist() == [
    True, False, False, True, False, False, True,
  ]  # fmt: skip
  assert judges_marks.scoreboard(marks) == (
    '7.5 (6.0) (8.5) 7.0 (8.0) (6.5) 7.0'
  )


def test_the_sum_is_that_of_the_marks_that_count():
  marks = np.random.default_rng(0).integers(0, 21, (200, 7)) / 2
  counts = judges_marks.counting(marks)
  assert (counts.sum(axis=1) == 3).all()
  np.testing.assert_allclose(
    np.where(counts, marks, 0).sum(axis=1), judges_marks.trimmed_sum(marks)
  )


def test_it_does_not_matter_which_judge_gives_which_mark():
  marks = [1, 2, 3, 4.5, 5, 6, 7]
  found = {
    float(judges_marks.trimmed_sum(order))
    for order in itertools.islice(itertools.permutations(marks), 0, 5040, 7)
  }
  assert found == {12.5}


def test_equal_marks():
  assert judges_marks.counting([8.0] * 7).sum() == 3
  assert judges_marks.trimmed_sum([[8.0] * 7, [0.0] * 7]) == pytest.approx(
    [24, 0]
  )
