"""How a score follows from the difficulty and the judges' marks."""

import enum

import numpy as np


class ScoreRule(enum.Enum):
  """What the judges' part of a score, the execution, is joined with.

  The values are what a dataset's metadata have under `score_rule`.
  """

  # Dives: the sum of the middle three marks times the difficulty.
  PRODUCT = 'difficulty * execution'
  # Vaults: the mean of the middle three marks, and the difficulty.
  SUM = 'difficulty + execution'

  def execution(self, score: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """Returns the execution, [dives], of scores and difficulties [dives]."""
    if self is ScoreRule.SUM:
      return score - difficulty
    return score / difficulty

  def joined(self, execution: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """Returns the scores, [dives], of executions and difficulties [dives]."""
    if self is ScoreRule.SUM:
      return difficulty + execution
    return execution * difficulty

  def spread(self, spread: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """Returns the spreads of scores, [dives], of those of the executions.

    The difficulty has none.

    Args:
      spread: float [dives], of the executions.
      difficulty: float [dives].
    """
    return spread if self is ScoreRule.SUM else spread * difficulty

  def execution_of_marks(self, marks: np.ndarray) -> np.ndarray:
    """Returns the execution, [dives], of the sum of the middle three marks."""
    return marks / 3 if self is ScoreRule.SUM else marks

  def score(self, marks: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """Returns the scores, [dives].

    Args:
      marks: float [dives], sum of the middle three marks.
      difficulty: float [dives].
    """
    return self.joined(self.execution_of_marks(marks), difficulty)

  def points(self, execution: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """Returns the points of a score, [dives], that some of the execution are.

    Args:
      execution: float [dives], points.
      difficulty: float [dives]; not regarded where the score is a sum.
    """
    return execution if self is ScoreRule.SUM else execution * difficulty

  @property
  def perfect_execution(self) -> float:
    """The execution where every judge gives 10."""
    return 10.0 if self is ScoreRule.SUM else 30.0

  @property
  def formula(self) -> str:
    """How the execution is computed, such as 'score / difficulty'."""
    sign = '-' if self is ScoreRule.SUM else '/'
    return f'score {sign} difficulty'
