"""The results of trainings as a table of the paper: Markdown, CSV and HTML."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from aqa_jax import files
from aqa_jax.evaluation import caption_metrics, row_comparison
from aqa_jax.evaluation.dive_words import dive_words
from aqa_jax.paper.experiment_run import Run
from aqa_jax.report import filmstrip, page
from tfds_mtl_aqa.labels import CLASS_NAMES

_TITLES = {
  4: 'STL against MTL, by network (Table 4)',
  5: 'The auxiliary tasks (Table 5)',
  6: 'What the networks say (Table 6)',
  8: 'STL against MTL, by training set (Table 8)',
}
_NUM_SAMPLES = 5


@dataclasses.dataclass(frozen=True)
class Table:
  """A table of texts.

  Attributes:
    title: title of the table.
    columns: their names.
    rows: rows of cells, one for each column.
    notes: sentences below the table.
    pictures: row, from 0 -> a JPEG file to show above it.
  """

  title: str
  columns: tuple[str, ...]
  rows: list[tuple[str, ...]]
  notes: list[str]
  pictures: Mapping[int, bytes] = dataclasses.field(default_factory=dict)


def make_table(number: int, runs: Sequence[Run]) -> Table:
  """Returns a table of finished trainings.

  Args:
    number: number of the paper's table: 4, 5, 6 or 8.
    runs: finished, of one or more seeds.
  """
  by_row: dict[str, list[Run]] = {}
  for run in runs:
    by_row.setdefault(run.row.name, []).append(run)
  make = {4: _scores, 5: _auxiliary, 6: _samples, 8: _scores}[number]
  columns, rows, pictures = make(by_row)
  return Table(_TITLES[number], columns, rows, _notes(by_row), pictures)


def _notes(by_row: dict[str, list[Run]]) -> list[str]:
  evaluations = [r.evaluation for runs in by_row.values() for r in runs]
  first = evaluations[0]
  seeds = max(len(runs) for runs in by_row.values())
  notes = [
    f'{first["num_dives"]} test dives, {seeds} seed(s). Deviations are between '
    'seeds; intervals (95 %) are over dives and seeds together, and so is p.'
  ]
  baselines = {
    name: figures['spearman']
    for name, figures in first['baselines'].items()
    if figures['spearman'] is not None
  }
  notes.append(
    'Without any video (Spearman): '
    + ', '.join(f'{name} {value:.3f}' for name, value in baselines.items())
    + '.'
  )
  if 'one judge' in first.get('ceilings', {}):
    one = first['ceilings']['one judge']['spearman']
    notes.append(f'One judge alone gives a Spearman of {one:.3f}.')
  if any(e.get('selected_on') == 'test' for e in evaluations):
    notes.append('Checkpoints were chosen on the test split: too favourable.')
  dtypes = {r.compute_dtype for runs in by_row.values() for r in runs}
  if len(dtypes) > 1:
    notes.append(
      f'The trainings computed in {" and ".join(sorted(dtypes))}: rows may '
      'differ by that.'
    )
  leaks = {
    runs[0].row.label: runs[0].evaluation.get('trained_on', 0)
    for runs in by_row.values()
  }
  notes += [
    f'{label}: {count} of the test dives were trained on.'
    for label, count in leaks.items()
    if count
  ]
  notes += dict.fromkeys(
    note for e in evaluations for note in e.get('caption_notes', ())
  )
  return notes


# Column names; rows of cells; and row -> a JPEG file that belongs above it.
_Cells = tuple[tuple[str, ...], list[tuple[str, ...]], dict[int, bytes]]


def _scores(by_row: dict[str, list[Run]]) -> _Cells:
  """Returns the Spearman of each row, and its difference to another row's."""
  columns = (
    'row', 'paper', 'Spearman', 'interval', 'rel. L2', 'difference to STL',
    'interval', 'p',
  )  # fmt: skip
  scores = {
    name: np.stack([run.scores() for run in runs])
    for name, runs in by_row.items()
  }
  rows = []
  for name, runs in by_row.items():
    true = runs[0].scores('true')
    spread = row_comparison.spread(scores[name], true)
    relative = np.mean([run.evaluation['relative_l2'] for run in runs])
    cells = [
      runs[0].row.label,
      f'{runs[0].row.paper["spearman"]:.4f}',
      _with_deviation([spread.mean], spread.deviation, 3),
      f'{spread.low:.3f} to {spread.high:.3f}',
      f'{relative:.3f}',
    ]
    other = runs[0].row.compared_with
    if other in scores:
      gap = row_comparison.difference(scores[name], scores[other], true)
      p = f'{gap.p:.3f}' if gap.p >= 0.001 else '< 0.001'
      cells += [f'{gap.mean:+.3f}', f'{gap.low:+.3f} to {gap.high:+.3f}', p]
    else:
      cells += [''] * 3
    rows.append(tuple(cells))
  return columns, rows, {}


def _auxiliary(by_row: dict[str, list[Run]]) -> _Cells:
  """Returns accuracies and captions, with the paper's and the baselines'."""
  evaluations = [
    (runs[0].row, [run.evaluation for run in runs]) for runs in by_row.values()
  ]
  first = evaluations[0][1][0]
  measures = {k: n for k, n in caption_metrics.NAMES.items() if k in first}
  columns = ('row', *CLASS_NAMES, *measures.values())
  rows = []
  for row, found in evaluations:
    cells = [row.label]
    for task in CLASS_NAMES:
      values = [evaluation['accuracy'][task] for evaluation in found]
      cells.append(_with_deviation(values, _deviation(values), 1))
    for key in measures:
      values = [evaluation[key] for evaluation in found]
      cells.append(_with_deviation(values, _deviation(values), 3))
    rows.append(tuple(cells))
    rows.append(
      (
        'the same, in the paper',
        *(f'{row.paper[f"accuracy_{task}"]:.1f}' for task in CLASS_NAMES),
        *(f'{row.paper[key]:.2f}' for key in measures),
      )
    )
  majority = first['majority_accuracy']
  rows.append(
    (
      'baseline: the commonest class',
      *(f'{majority[task]:.1f}' for task in CLASS_NAMES),
      *[''] * len(measures),
    )
  )
  for name, figures in first['caption_baselines'].items():
    rows.append(
      (
        f'baseline: {name}',
        *[''] * len(CLASS_NAMES),
        *(f'{figures[key]:.3f}' for key in measures),
      )
    )
  return columns, rows, {}


def _samples(by_row: dict[str, list[Run]]) -> _Cells:
  """Returns dives from the best predicted to the worst, for seed 0."""
  columns = ('dive', 'who', 'score', 'what', 'commentary')
  rows: list[tuple[str, ...]] = []
  pictures: dict[int, bytes] = {}
  first, *_ = (runs[0] for runs in by_row.values())
  errors = np.abs(first.scores() - first.scores('true'))
  places = np.linspace(0, len(errors) - 1, _NUM_SAMPLES).round().astype(int)
  for dive in np.argsort(errors, kind='stable')[places]:
    for runs in by_row.values():
      row = runs[0].predictions[dive]
      if runs[0] is first:
        name = f'event {row["event"]}, dive {row["sample"]}'
        pictures[len(rows)] = first.picture(dive)
        rows.append((name, 'truth', *_said(row, 'true')))
      rows.append(('', runs[0].row.label, *_said(row, 'predicted')))
  return columns, rows, pictures


def _said(row: dict[str, str], side: str) -> tuple[str, str, str]:
  classes = {task: row[f'{side}_{task}'] for task in CLASS_NAMES}
  score = f'{float(row[f"{side}_score"]):.2f}'
  return score, dive_words(classes), row[f'{side}_caption']


def _deviation(values: Sequence[float]) -> float:
  return float(np.std(values, ddof=1)) if len(values) > 1 else float('nan')


def _with_deviation(
  values: Sequence[float], deviation: float, decimals: int
) -> str:
  mean = f'{np.mean(values):.{decimals}f}'
  if np.isnan(deviation):
    return mean
  return f'{mean} ± {deviation:.{decimals}f}'


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
    lines.append(line(row))
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
