"""The cells of a table, and the texts in them."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from aqa_jax.evaluation.row_comparison import Difference, Spread
from aqa_jax.paper.experiment_run import Run

# Name of a row -> its runs, in the order of the table.
ByRow = Mapping[str, Sequence[Run]]


@dataclasses.dataclass(frozen=True)
class Cells:
  """The cells of a table.

  Attributes:
    columns: their names.
    rows: rows of cells, one for each column.
    pictures: row, from 0 -> a JPEG file that belongs above it.
    notes: what has to be said of some cells, sentences.
  """

  columns: tuple[str, ...]
  rows: list[tuple[str, ...]]
  pictures: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
  notes: Sequence[str] = ()


def mean(values: Sequence[float], decimals: int) -> str:
  """Returns a mean, with the standard deviation (n - 1) of several values.

  Args:
    values: one of each run.
    decimals: decimals to write.
  """
  deviation = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
  return _with_deviation(float(np.mean(values)), deviation, decimals)


def spearman(spread: Spread) -> str:
  """Returns a Spearman, with its deviation between seeds."""
  return _with_deviation(spread.mean, spread.deviation, 3)


def interval(low: float, high: float, sign: str = '') -> str:
  """Returns an interval, of numbers with a sign where `sign` is '+'."""
  return f'{low:{sign}.3f} to {high:{sign}.3f}'


def p_value(gap: Difference) -> str:
  """Returns the p of a difference."""
  return f'{gap.p:.3f}' if gap.p >= 0.001 else '< 0.001'


def _with_deviation(value: float, deviation: float, decimals: int) -> str:
  text = f'{value:.{decimals}f}'
  return text if np.isnan(deviation) else f'{text} ± {deviation:.{decimals}f}'
