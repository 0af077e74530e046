"""The results of finished runs as a table of the paper."""

import dataclasses
from collections.abc import Sequence

from aqa_jax.paper import (
  auxiliary_cells,
  modern_cells,
  probe_cells,
  sample_cells,
  score_cells,
  table_notes,
)
from aqa_jax.paper.experiment_run import Run
from aqa_jax.paper.row import Row
from aqa_jax.paper.table_files import Table

_TITLES: dict[int | str, str] = {
  4: 'STL against MTL, by network (Table 4)',
  5: 'The auxiliary tasks (Table 5)',
  6: 'What the networks say (Table 6)',
  7: 'Against other systems (Table 7)',
  8: 'STL against MTL, by training set (Table 8)',
  9: 'The score of dives from each layer (Table 9)',
  10: 'The score of vaults from each layer (Table 10)',
  'modern': 'Heads in place of the score',
}
# Of table 10.
_PARTS = {
  'test_shared_events': 'Vaults of the events of training',
  'test': 'Vaults of other events',
}


def make_table(
  number: int | str, rows: Sequence[Row], runs: Sequence[Run]
) -> Table:
  """Returns a table of finished runs.

  Args:
    number: number of the paper's table, or 'modern'.
    rows: its rows.
    runs: finished, of one or more seeds; also those that the rows need.
  """
  by_row = {
    # What a row needs may be a row of the table, too, of another label.
    row.name: [
      dataclasses.replace(run, row=row)
      for run in runs
      if run.row.name == row.name
    ]
    for row in rows
  }
  if number in (4, 8):
    made = score_cells.make(by_row, 'STL')
  elif number == 7:
    made = score_cells.make(by_row, 'C3D-AVG-MTL')
  elif number == 5:
    made = auxiliary_cells.make(by_row)
  elif number == 6:
    made = sample_cells.make(by_row)
  elif number == 'modern':
    made = modern_cells.make(by_row)
  else:
    made = probe_cells.make(by_row, _PARTS)
  examples = 'vaults' if number == 10 else 'dives'
  notes = [*table_notes.notes(by_row, _PARTS, examples), *made.notes]
  return Table(_TITLES[number], made.columns, made.rows, notes, made.pictures)
