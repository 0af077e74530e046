"""One training of a row of a table, and what it wrote."""

import csv
import dataclasses
import json
import pathlib

import numpy as np

from aqa_jax.paper_tables import Row


@dataclasses.dataclass(frozen=True)
class Run:
  """One training of a row.

  Attributes:
    row: of the table.
    seed: of the training.
    workdir: of the training.
    command: arguments of Python that train and evaluate.
  """

  row: Row
  seed: int
  workdir: pathlib.Path
  command: tuple[str, ...]

  def is_finished(self) -> bool:
    """Returns whether the test split has been evaluated."""
    return (self.workdir / 'eval_test.json').exists()

  def evaluation(self) -> dict:
    """Returns what was measured on the test split."""
    return json.loads((self.workdir / 'eval_test.json').read_text())

  def predictions(self) -> list[dict[str, str]]:
    """Returns the predictions for the test split, a row a dive."""
    path = self.workdir / 'predictions_test.csv'
    with open(path, encoding='utf-8', newline='') as file:
      return list(csv.DictReader(file))

  def scores(self, side: str = 'predicted') -> np.ndarray:
    """Returns the predicted (or 'true') scores, float [dives], points."""
    return np.array([float(row[f'{side}_score']) for row in self.predictions()])
