"""The tables of the paper, that of modern heads, and which rows each has."""

import dataclasses
import fnmatch
from collections.abc import Collection

from aqa_jax.paper import (
  comparison_rows,
  modern_rows,
  network_rows,
  probe_rows,
)
from aqa_jax.paper.row import Row
from tfds_mtl_aqa.input_error import InputError

TABLES: tuple[int | str, ...] = (4, 5, 6, 7, 8, 9, 10, 'modern')
# Scale -> the dataset that it is for.
SCALES = {'small': 'simulated_dives', 'full': 'mtl_aqa'}


def rows(
  table: int | str,
  dataset: str,
  scale: str,
  data_dir: str,
  without: Collection[str] = (),
) -> list[Row]:
  """Returns the rows of a table.

  Args:
    table: one of TABLES.
    dataset: 'simulated_dives' or 'mtl_aqa'.
    scale: 'small', toys that two CPU cores train in minutes; or 'full', the
      paper's networks.
    data_dir: where the prepared datasets are.
    without: names of rows to leave out, or patterns such as 'probe-i3d-*'.

  Raises:
    InputError: there is no such table at this scale, or no such row.
  """
  if SCALES.get(scale) != dataset:
    raise InputError(
      f'--scale={scale} --dataset={dataset}: give small and simulated_dives, '
      'or full and mtl_aqa.'
    )
  if table == 4:
    found = network_rows.all_tasks(scale)
  elif table == 5:
    found = network_rows.auxiliary(scale)
  elif table == 6:
    found = network_rows.multitask(scale)
  elif table == 7:
    found = comparison_rows.rows(scale)
  elif table == 8:
    found = network_rows.by_size(scale, data_dir)
  elif table == 'modern':
    found = modern_rows.rows(scale)
  elif table in (9, 10):
    found = probe_rows.rows(scale, vaults=table == 10)
  else:
    raise InputError(f'--table={table}: give one of {TABLES}.')
  left_out: set[str] = set()
  for pattern in without:
    matching = fnmatch.filter([row.name for row in found], pattern)
    if not matching:
      raise InputError(
        f'--without={pattern}: table {table} has no such row; --dry_run prints '
        'their folders, which have their names.'
      )
    left_out.update(matching)
  kept = [row for row in found if row.name not in left_out]
  if not kept:
    raise InputError(f'--without: leaves no row of table {table}.')
  return [
    dataclasses.replace(row, compared_with='')
    if row.compared_with in left_out
    else row
    for row in kept
  ]
