"""Seven noisy judges, and the score that they make."""

import numpy as np

from tfds_mtl_aqa.features import NUM_JUDGES
from tfds_mtl_aqa.simulated_dives.faults import Faults

PERFECT = 10.0
# Points off for each fault at severity 1, in the order of `faults.NAMES`.
_POINTS_OFF = np.array([2.1, 2.1, 1.45, 1.45, 1.55, 1.45])
# What all judges see alike and no fault explains; what each judge sees alone.
_PANEL_NOISE = 0.3
_JUDGE_NOISE = 0.45
# Points that even a dive without a fault is short of perfection.
_STRICTNESS = 0.1


def deserved_award(faults: Faults) -> float:
  """Returns the points of ten that a dive with these faults deserves."""
  return float(PERFECT - _STRICTNESS - _POINTS_OFF @ faults.severities())


def judge_awards(faults: Faults, rng: np.random.Generator) -> np.ndarray:
  """Returns the awards of the seven judges.

  Args:
    faults: of the dive.
    rng: the source of chance.

  Returns:
    float32 [7], half points from 0 to 10.
  """
  seen = (
    deserved_award(faults)
    + _PANEL_NOISE * rng.standard_normal()
    + _JUDGE_NOISE * rng.standard_normal(NUM_JUDGES)
  )
  return (np.clip(np.round(2 * seen) / 2, 0, PERFECT)).astype(np.float32)


def execution_score(awards: np.ndarray) -> float:
  """Returns the sum of the middle three of the awards."""
  return float(np.sort(awards)[2:5].sum())


def final_score(awards: np.ndarray, difficulty: float) -> float:
  """Returns the score as announced, in points: execution times difficulty."""
  return round(execution_score(awards) * difficulty, 2)
