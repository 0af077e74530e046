"""The marks of seven judges for the execution, and the score.

Execution begins at 10 points, from which each judge subtracts for what is
wrong. The score is the sum of difficulty and execution.
"""

import numpy as np

from tfds_mtl_aqa.features import NUM_JUDGES
from tfds_mtl_aqa.simulated_vaults.faults import NAMES, Faults

PERFECT = 10.0
# Points to subtract for each fault at severity 1.
POINTS_OFF = {
  'legs_apart': 0.6,
  'knee_bend': 0.6,
  'arm_bend': 0.6,
  'low_height': 0.6,
  'rotation_error': 0.4,
  'steps': 0.5,
  'hop': 0.5,
  'fall': 1.0,
  'off_line': 0.3,
}
# Standard deviations, in points: of what all judges share, and of each judge.
_PANEL_NOISE = 0.06
_JUDGE_NOISE = 0.1


def deductions(faults: Faults) -> dict[str, float]:
  """Returns the points that each fault costs, without noise, by its name."""
  severities = zip(NAMES, faults.severities().tolist(), strict=True)
  return {name: POINTS_OFF[name] * severity for name, severity in severities}


def deserved_mark(faults: Faults, strictness: float) -> float:
  """Returns the mark without noise, from 0 to 10 points.

  Args:
    faults: of the vault.
    strictness: points that the judges of the event subtract from any vault.
  """
  return max(PERFECT - strictness - sum(deductions(faults).values()), 0.0)


def judge_marks(
  faults: Faults, strictness: float, rng: np.random.Generator
) -> np.ndarray:
  """Returns the marks of the seven judges, with noise.

  Args:
    faults: of the vault.
    strictness: see `deserved_mark`.
    rng: source of random numbers.

  Returns:
    float32 [7], tenths of points from 0 to 10.
  """
  seen = (
    deserved_mark(faults, strictness)
    + _PANEL_NOISE * rng.standard_normal()
    + _JUDGE_NOISE * rng.standard_normal(NUM_JUDGES)
  )
  return np.clip(np.round(seen, 1), 0, PERFECT).astype(np.float32)


def execution_score(marks: np.ndarray) -> float:
  """Returns the mean of the middle three of seven marks, from 0 to 10."""
  return round(float(np.sort(marks.astype(np.float64))[2:5].mean()), 3)


def final_score(marks: np.ndarray, difficulty: float) -> float:
  """Returns the announced score in points: difficulty plus execution.

  Args:
    marks: [7], points from 0 to 10.
    difficulty: points.
  """
  return round(difficulty + execution_score(marks), 3)
