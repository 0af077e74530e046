"""The lines of a plain text table."""

from collections.abc import Iterable, Sequence

import numpy as np


def cell(value: float | None, decimals: int) -> str:
  """Returns a number for the table, '-' for NaN and None.

  Args:
    value: number to write.
    decimals: decimals to write.
  """
  if value is None or np.isnan(value):
    return '-'
  return f'{value:.{decimals}f}'


def interval(ends: Sequence[float | None], decimals: int) -> str:
  """Returns an interval for the table, such as '0.71-0.80'.

  Args:
    ends: lower and upper end.
    decimals: decimals of both ends.
  """
  return '-'.join(cell(end, decimals) for end in ends)


def line(name: str, cells: Iterable[str], width: int = 14) -> str:
  """Returns one line of the table.

  Args:
    name: name of the line.
    cells: cells of the line.
    width: width of a column, with the space before it.
  """
  # A cell that is too wide still has a space before it.
  return f'{name:<38}' + ''.join(f' {text:>{width - 1}}' for text in cells)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
  """Returns the lines of a table whose columns are as wide as they need.

  Args:
    rows: cells of each row, as many in all. The first column is aligned on the
      left, the others on the right.
  """
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return [
    '  '.join(
      text.rjust(width) if index else text.ljust(width)
      for index, (text, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in rows
  ]
