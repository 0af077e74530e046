"""The Spearman from each layer of each network: tables 9 and 10."""

from collections.abc import Mapping

from aqa_jax.paper import cells
from aqa_jax.paper.cells import ByRow, Cells
from aqa_jax.paper.row import Row
from aqa_jax.paper.row_scores import RowScores


def make(by_row: ByRow, parts: Mapping[str, str]) -> Cells:
  """Returns the cells of a table of linear probes.

  Args:
    by_row: finished runs of each row: a layer of a network.
    parts: split -> title of its part of the table.
  """
  by_network: dict[str, dict[str, Row]] = {}
  for runs in by_row.values():
    row = runs[0].row
    by_network.setdefault(row.label, {})[row.column] = row
  layers = tuple(
    dict.fromkeys(column for rows in by_network.values() for column in rows)
  )
  columns = ('features of', *layers)
  splits = next(iter(by_row.values()))[0].row.splits
  found: list[tuple[str, ...]] = []
  for split in splits:
    if len(splits) > 1:
      found.append((parts[split], *[''] * len(layers)))
    scores = {name: RowScores.of(runs, split) for name, runs in by_row.items()}
    for label, rows in by_network.items():
      for title, texts in _lines(label, rows, scores, split, by_row):
        found.append((title, *(texts.get(layer, '') for layer in layers)))
  return Cells(columns, found)


def _lines(
  label: str,
  rows: Mapping[str, Row],
  scores: Mapping[str, RowScores],
  split: str,
  by_row: ByRow,
) -> list[tuple[str, dict[str, str]]]:
  """Returns the lines of a network: (title, layer -> text)."""
  value, interval, paper, difference = ({} for _ in range(4))
  others = []
  for layer, row in rows.items():
    spread = scores[row.name].spread
    value[layer] = cells.spearman(spread)
    interval[layer] = cells.interval(spread.low, spread.high)
    if split in row.paper:
      paper[layer] = f'{row.paper[split]:.4f}'
    if other := scores.get(row.compared_with):
      others.append(by_row[row.compared_with][0].row.label)
      if gap := scores[row.name].difference(other):
        difference[layer] = f'{gap.mean:+.3f} (p {cells.p_value(gap)})'
  lines = [(label, value), ('its interval', interval)]
  if paper:
    lines.append(('the same, in the paper', paper))
  if difference:
    lines.append((f'difference to {others[0]}', difference))
  return lines
