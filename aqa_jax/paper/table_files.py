"""A table of texts as files: Markdown, CSV and HTML."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Mapping, Sequence

from aqa_jax import files
from aqa_jax.report import filmstrip, page


@dataclasses.dataclass(frozen=True)
class Table:
  """A table of texts.

  Attributes:
    title: title of the table.
    columns: their names.
    rows: rows of cells, one for each column; a row whose other cells are empty
      is the title of those below it.
    notes: sentences below the table.
    pictures: row, from 0 -> a JPEG file to show above it.
  """

  title: str
  columns: tuple[str, ...]
  rows: list[tuple[str, ...]]
  notes: list[str]
  pictures: Mapping[int, bytes] = dataclasses.field(default_factory=dict)


def write(table: Table, folder: pathlib.Path, stem: str) -> list[pathlib.Path]:
  """Writes a table as <stem>.md, <stem>.csv and <stem>.html.

  The pictures are files beside the Markdown, <stem>_1.jpg and so on; the HTML
  page contains them.

  Args:
    table: table to write.
    folder: an existing folder.
    stem: stem of the files' names.

  Returns:
    The three paths, in that order.
  """
  names = {
    row: f'{stem}_{number}.jpg'
    for number, row in enumerate(sorted(table.pictures), 1)
  }
  for row, name in names.items():
    (folder / name).write_bytes(table.pictures[row])
  contents = {
    '.md': _markdown(table, names),
    '.csv': _csv(table),
    '.html': _html(table),
  }
  paths = [folder / f'{stem}{suffix}' for suffix in contents]
  for path, text in zip(paths, contents.values(), strict=True):
    files.write_atomically(path, text)
  return paths


def _markdown(table: Table, names: Mapping[int, str]) -> str:
  def line(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(c.replace('|', '\\|') for c in cells) + ' |'

  head = [line(table.columns), line(['---'] * len(table.columns))]
  lines = [f'## {table.title}', '']
  if 0 not in names:
    lines += head
  for number, row in enumerate(table.rows):
    if number in names:
      # A picture ends the table above it.
      lines += [''] * (number > 0)
      lines += [f'![{row[0]}]({names[number]})', '', *head]
    is_heading = not any(row[1:])
    lines.append(line([f'**{row[0]}**', *row[1:]] if is_heading else row))
  return '\n'.join([*lines, '', *(f'- {note}' for note in table.notes)]) + '\n'


def _csv(table: Table) -> str:
  text = io.StringIO(newline='')
  csv.writer(text, lineterminator='\n').writerows([table.columns, *table.rows])
  return text.getvalue()


def _html(table: Table) -> str:
  return page.render(
    'table.html',
    title=table.title,
    columns=table.columns,
    rows=table.rows,
    notes=table.notes,
    pictures={
      row: filmstrip.data_uri(picture)
      for row, picture in table.pictures.items()
    },
  )
