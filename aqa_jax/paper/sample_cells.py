"""Dives from the best predicted to the worst, for seed 0: table 6."""

import numpy as np

from aqa_jax.evaluation.dive_words import dive_words
from aqa_jax.paper.cells import ByRow, Cells
from tfds_mtl_aqa.labels import CLASS_NAMES

_NUM_SAMPLES = 5


def make(by_row: ByRow) -> Cells:
  """Returns the cells of the table of samples.

  Args:
    by_row: finished runs of each row; the errors of the first order the dives.
  """
  columns = ('dive', 'who', 'score', 'what', 'commentary')
  rows: list[tuple[str, ...]] = []
  pictures: dict[int, bytes] = {}
  first, *_ = (runs[0] for runs in by_row.values())
  predictions = {
    name: runs[0].predictions(runs[0].row.splits[0])
    for name, runs in by_row.items()
  }
  errors = [
    abs(float(row['predicted_score']) - float(row['true_score']))
    for row in predictions[first.row.name]
  ]
  places = np.linspace(0, len(errors) - 1, _NUM_SAMPLES).round().astype(int)
  for dive in np.argsort(errors, kind='stable')[places]:
    for name, runs in by_row.items():
      row = predictions[name][dive]
      if runs[0] is first:
        title = f'event {row["event"]}, dive {row["sample"]}'
        pictures[len(rows)] = first.picture(dive)
        rows.append((title, 'truth', *_said(row, 'true')))
      rows.append(('', runs[0].row.label, *_said(row, 'predicted')))
  return Cells(columns, rows, pictures)


def _said(row: dict[str, str], side: str) -> tuple[str, str, str]:
  classes = {task: row[f'{side}_{task}'] for task in CLASS_NAMES}
  score = f'{float(row[f"{side}_score"]):.2f}'
  return score, dive_words(classes), row[f'{side}_caption']
