"""Heads beside each other, and beside what needs no video: table 'modern'."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax.paper import cells, modern_rows
from aqa_jax.paper.cells import ByRow, Cells
from aqa_jax.paper.row_scores import RowScores
from aqa_jax.paper.score_cells import difference_cells

# Baseline of `Baselines` -> its label.
_BASELINES = {
  'mean': 'baseline: the mean score of the training',
  'difficulty': 'baseline: the difficulty alone',
  'difficulty+class+event': 'baseline: difficulty, class and event',
}
_COLUMNS = (
  'row', 'published', 'Spearman', 'interval', 'execution', 'rel. L2',
  'MAE, points', "difference to the paper's head", 'interval', 'p',
)  # fmt: skip


def make(by_row: ByRow) -> Cells:
  """Returns the cells of the table.

  Args:
    by_row: finished runs of each row.
  """
  scores = {name: RowScores.of(runs, 'test') for name, runs in by_row.items()}
  rows, notes = [], list(modern_rows.NOTES)
  first = next(iter(by_row.values()))[0].evaluation
  for name, label in _BASELINES.items():
    if name in first.get('baselines', {}):
      rows.append(_baseline(label, first['baselines'][name]))
  for name, runs in by_row.items():
    row, spread = runs[0].row, scores[name].spread
    evaluations = [run.evaluation for run in runs]
    gap, gap_notes = difference_cells(name, by_row, scores)
    notes += gap_notes
    rows.append(
      (
        row.label,
        _published(row.paper),
        cells.spearman(spread),
        cells.interval(spread.low, spread.high),
        _measured(evaluations, 'execution_spearman', 3),
        _measured(evaluations, 'relative_l2', 3),
        _measured(evaluations, 'mae', 2),
        *gap,
      )
    )
    if 'difficulty_mae' in evaluations[0]:
      error = np.mean([found['difficulty_mae'] for found in evaluations])
      notes.append(
        f'{row.label}: the difficulty is off by {error:.2f} on average.'
      )
  return Cells(_COLUMNS, rows, notes=notes)


def _baseline(
  label: str, figures: Mapping[str, float | None]
) -> tuple[str, ...]:
  """Returns the row of a baseline, which is computed once."""

  def text(measure: str, decimals: int) -> str:
    value = figures[measure]
    return '' if value is None else f'{value:.{decimals}f}'

  return (
    label, '', text('spearman', 3), '', '', text('relative_l2', 3),
    text('mae', 2), '', '', '',
  )  # fmt: skip


def _published(figures: Mapping[str, float]) -> str:
  if not figures:
    return ''
  text = f'{figures["spearman"]:.4f}'
  if 'relative_l2' in figures:
    text += f' (rel. L2 {figures["relative_l2"]:.3f})'
  return text


def _measured(
  evaluations: Sequence[Mapping[str, Any]], measure: str, decimals: int
) -> str:
  """Returns the mean over the runs; '' where it is not defined."""
  values = [found.get(measure) for found in evaluations]
  numbers = [v for v in values if v is not None and math.isfinite(v)]
  return cells.mean(numbers, decimals) if len(numbers) == len(values) else ''
