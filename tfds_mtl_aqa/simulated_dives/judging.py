"""The awards of seven judges, and the score that follows from them."""

import numpy as np

from tfds_mtl_aqa.features import NUM_JUDGES
from tfds_mtl_aqa.simulated_dives.faults import NAMES, Faults

PERFECT = 10.0
# Points to subtract for each fault at severity 1.
POINTS_OFF = {
  'entry_angle': 2.1,
  'rotation_error': 2.1,
  'legs_apart': 1.45,
  'knee_bend': 1.45,
  'splash': 1.55,
  'distance': 1.45,
}
_POINTS_OFF = np.array([POINTS_OFF[name] for name in NAMES])
# Standard deviations, in points: of what all judges share, and of each judge.
_PANEL_NOISE = 0.3
_JUDGE_NOISE = 0.45
# Points to subtract from any dive, even one without faults.
_STRICTNESS = 0.1


def deductions(faults: Faults) -> dict[str, float]:
  """Returns the points of an award that each fault costs, without noise."""
  points = _POINTS_OFF * faults.severities()
  return dict(zip(NAMES, points.tolist(), strict=True))


def deserved_award(faults: Faults) -> float:
  """Returns the award without noise, from 0 to 10 points."""
  return float(PERFECT - _STRICTNESS - _POINTS_OFF @ faults.severities())


def judge_awards(faults: Faults, rng: np.random.Generator) -> np.ndarray:
  """Returns the awards of the seven judges, with noise.

  Args:
    faults: of the dive.
    rng: source of random numbers.

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
  """Returns the sum of the middle three of seven awards, from 0 to 30."""
  return float(np.sort(awards)[2:5].sum())


def final_score(awards: np.ndarray, difficulty: float) -> float:
  """Returns the announced score in points: execution times difficulty.

  Args:
    awards: [7], points from 0 to 10.
    difficulty: the degree of difficulty.
  """
  return round(execution_score(awards) * difficulty, 2)
