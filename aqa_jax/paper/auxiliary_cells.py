"""Accuracies and captions, with the paper's and the baselines': table 5."""

from collections.abc import Sequence
from typing import Any

from aqa_jax.evaluation import caption_metrics
from aqa_jax.paper import cells
from aqa_jax.paper.cells import ByRow, Cells
from aqa_jax.paper.row import Row
from tfds_mtl_aqa.labels import CLASS_NAMES


def make(by_row: ByRow) -> Cells:
  """Returns the cells of the table of auxiliary tasks.

  Args:
    by_row: finished runs of each row, with captions or without.
  """
  evaluations = [
    (runs[0].row, [run.evaluation for run in runs]) for runs in by_row.values()
  ]
  # A row without captions may be the first, where others are left out.
  first = max(
    (found[0] for _, found in evaluations),
    key=lambda evaluation: 'caption_baselines' in evaluation,
  )
  measures = {k: n for k, n in caption_metrics.NAMES.items() if k in first}
  columns = ('row', *CLASS_NAMES, *measures.values())
  rows = []
  for row, found in evaluations:
    rows.append((row.label, *_measured(found, tuple(measures))))
    rows.append(('the same, in the paper', *_stated(row, tuple(measures))))
  majority = first['majority_accuracy']
  rows.append(
    (
      'baseline: the commonest class',
      *(f'{majority[task]:.1f}' for task in CLASS_NAMES),
      *[''] * len(measures),
    )
  )
  for name, figures in first.get('caption_baselines', {}).items():
    rows.append(
      (
        f'baseline: {name}',
        *[''] * len(CLASS_NAMES),
        *(f'{figures[key]:.3f}' for key in measures),
      )
    )
  return Cells(columns, rows)


def _measured(
  found: Sequence[dict[str, Any]], measures: tuple[str, ...]
) -> list[str]:
  """Returns the cells of a row; empty ones for a network without captions."""
  texts = [
    cells.mean([evaluation['accuracy'][task] for evaluation in found], 1)
    for task in CLASS_NAMES
  ]
  for key in measures:
    values = [evaluation[key] for evaluation in found if key in evaluation]
    texts.append(cells.mean(values, 3) if values else '')
  return texts


def _stated(row: Row, measures: tuple[str, ...]) -> list[str]:
  figures = {f'accuracy_{task}': 1 for task in CLASS_NAMES}
  figures |= dict.fromkeys(measures, 2)
  return [
    f'{row.paper[key]:.{decimals}f}' if key in row.paper else ''
    for key, decimals in figures.items()
  ]
