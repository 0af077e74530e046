"""The Spearman of each row, and its difference to another's: tables 4, 7, 8."""

from collections.abc import Mapping

import numpy as np

from aqa_jax.paper import cells
from aqa_jax.paper.cells import ByRow, Cells
from aqa_jax.paper.row_scores import RowScores


def make(by_row: ByRow, compared_with: str) -> Cells:
  """Returns the cells of a table of scores.

  Args:
    by_row: finished runs of each row.
    compared_with: what rows are compared with, for the head of the column.
  """
  columns = (
    'row', 'paper', 'Spearman', 'interval', 'rel. L2',
    f'difference to {compared_with}', 'interval', 'p',
  )  # fmt: skip
  scores = {
    name: RowScores.of(runs, runs[0].row.splits[0])
    for name, runs in by_row.items()
  }
  rows: list[tuple[str, ...]] = []
  notes: list[str] = []
  part = ''
  for name, runs in by_row.items():
    row, spread = runs[0].row, scores[name].spread
    if row.part != part:
      part = row.part
      rows.append((part, *[''] * (len(columns) - 1)))
    paper = row.paper.get('spearman')
    relative = np.mean([run.evaluation['relative_l2'] for run in runs])
    texts = [
      row.label,
      '' if paper is None else f'{paper:.4f}',
      cells.spearman(spread),
      cells.interval(spread.low, spread.high),
      f'{relative:.3f}',
    ]
    gap, gap_notes = difference_cells(name, by_row, scores)
    notes += gap_notes
    rows.append((*texts, *gap))
  return Cells(columns, rows, notes=notes)


def difference_cells(
  name: str, by_row: ByRow, scores: Mapping[str, RowScores]
) -> tuple[tuple[str, str, str], list[str]]:
  """Returns how much higher the Spearman of a row is than that of another's.

  Args:
    name: name of the row.
    by_row: finished runs of each row.
    scores: name of a row -> its scores.

  Returns:
    The difference, its interval and its p, empty where the row is compared with
    none; and what has to be said of it, sentences.
  """
  row = by_row[name][0].row
  other = scores.get(row.compared_with)
  if other is None:
    return ('', '', ''), []
  gap = scores[name].difference(other)
  if gap is None:
    return ('', '', ''), [
      f'{row.label}: tested on other dives than '
      f'{by_row[row.compared_with][0].row.label}, and not compared.'
    ]
  return (
    f'{gap.mean:+.3f}',
    cells.interval(gap.low, gap.high, '+'),
    cells.p_value(gap),
  ), []
