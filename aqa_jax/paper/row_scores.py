"""The scores that the runs of a row give the dives of a split."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Self

import numpy as np

from aqa_jax.evaluation import row_comparison
from aqa_jax.evaluation.row_comparison import Difference, Spread
from aqa_jax.paper.experiment_run import Run


@dataclasses.dataclass(frozen=True)
class RowScores:
  """The scores of a row.

  Attributes:
    dives: event and sample of each dive.
    predicted: float [runs, dives], points.
    true: float [dives], points.
  """

  dives: tuple[tuple[str, str], ...]
  predicted: np.ndarray
  true: np.ndarray

  @classmethod
  def of(cls, runs: Sequence[Run], split: str) -> Self:
    """Reads them from what the runs have left.

    Args:
      runs: runs of one row.
      split: one of those of the row.
    """
    true = runs[0].score_by_dive(split, 'true')
    predicted = [run.score_by_dive(split) for run in runs]
    return cls(
      tuple(true),
      np.array([[scores[dive] for dive in true] for scores in predicted]),
      np.array(list(true.values())),
    )

  @functools.cached_property
  def spread(self) -> Spread:
    """The Spearman over runs and dives."""
    return row_comparison.spread(self.predicted, self.true)

  def difference(self, other: Self) -> Difference | None:
    """Returns how much higher the Spearman is than another row's.

    Args:
      other: scores of the other row.

    Returns:
      The difference; None where the two were not tested on the same dives.
    """
    place = {dive: index for index, dive in enumerate(other.dives)}
    if place.keys() != set(self.dives):
      return None
    order = [place[dive] for dive in self.dives]
    if not np.allclose(other.true[order], self.true, atol=0.01):
      return None
    return row_comparison.difference(
      self.predicted, other.predicted[:, order], self.true
    )
