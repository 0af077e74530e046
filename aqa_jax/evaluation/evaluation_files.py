"""One evaluation as files and as text."""

import csv
import io
import json
import os
import pathlib
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax import files
from aqa_jax.evaluation.dive_words import class_words
from aqa_jax.evaluation.number_text import shortest
from aqa_jax.predictions import Predictions
from aqa_jax.task import Task
from tfds_mtl_aqa.input_error import InputError

_WIDTH = 100


def prediction_rows(
  tasks: Sequence[Task], predictions: Predictions
) -> list[dict[str, Any]]:
  """Returns one row a dive, truth and prediction side by side.

  Args:
    tasks: tasks of the model.
    predictions: predictions for any number of dives.

  Returns:
    Rows with: event, sample, dive_number ('' where unknown), difficulty; what
    each task's `columns` gives; and true_<name> of the classifications that are
    no task (class names). What the dataset lacks is left out.
  """
  labels, rows = predictions.labels, []
  for index in range(len(predictions)):
    row: dict[str, Any] = {}
    if 'event' in labels:
      row['event'] = int(labels['event'][index])
    row |= {'sample': int(labels['sample'][index]), 'dive_number': ''}
    if 'difficulty' in labels:
      row['difficulty'] = shortest(labels['difficulty'][index])
    if 'dive_number' in labels:
      row['dive_number'] = str(labels['dive_number'][index])
    for task in tasks:
      columns = task.columns(predictions, index)
      if taken := sorted(row.keys() & columns.keys()):
        raise InputError(
          f'{type(task).__name__}: the column {taken[0]} is there already; '
          'give it another name.'
        )
      row |= columns
    for name, class_names in predictions.schema.class_names.items():
      row.setdefault(f'true_{name}', class_names[int(labels[name][index])])
    rows.append(row)
  return rows


def write_predictions(
  folder: str | os.PathLike[str], split: str, rows: Sequence[Mapping[str, Any]]
) -> pathlib.Path:
  """Writes predictions_<split>.csv, one row a dive, all or nothing.

  Args:
    folder: an existing folder.
    split: the evaluated split; what a file name should not hold becomes '_'.
    rows: rows from `prediction_rows`, at least one.

  Returns:
    The file's path: UTF-8, comma-separated, with a header.

  Raises:
    ValueError: there are no rows.
  """
  if not rows:
    raise ValueError('There are no predictions to write.')
  text = io.StringIO(newline='')
  table = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
  table.writeheader()
  table.writerows(rows)
  path = split_path(folder, 'predictions', split, '.csv')
  files.write_atomically(path, text.getvalue())
  return path


def write_evaluation(
  folder: str | os.PathLike[str], split: str, evaluation: Mapping[str, Any]
) -> pathlib.Path:
  """Writes eval_<split>.json, all or nothing.

  Args:
    folder: an existing folder.
    split: the evaluated split; what a file name should not hold becomes '_'.
    evaluation: what `train.evaluate_best` returns for a split.

  Returns:
    The file's path: strict JSON, where NaN and infinities are null.
  """
  path = split_path(folder, 'eval', split, '.json')
  text = json.dumps(
    files.json_ready(evaluation),
    indent=2,
    allow_nan=False,
    ensure_ascii=False,
  )
  files.write_atomically(path, text + '\n')
  return path


def format_table(tasks: Sequence[Task], evaluation: Mapping[str, Any]) -> str:
  """Returns an evaluation as a plain text table, without a last line end.

  Args:
    tasks: tasks of the model.
    evaluation: measures of the model; those of the JSON file will do.

  Returns:
    What each task's `table` gives; '-' where something is not defined. A
    checkpoint chosen on the test split is marked.
  """
  lines = [f'{evaluation["num_dives"]} dives']
  if evaluation.get('selected_on') == 'test':
    lines.append('The checkpoint was chosen on the test split: too favourable.')
  if evaluation.get('trained_on'):
    lines.append(f'{evaluation["trained_on"]} of them were trained on: a leak.')
  for task in tasks:
    lines += task.table(evaluation)
  return '\n'.join(lines)


def format_samples(rows: Sequence[Mapping[str, Any]], n: int) -> str:
  """Returns some predictions beside the truth, without a last line end.

  Args:
    rows: rows from `prediction_rows`.
    n: dives to show, evenly spread over the rows; all if there are fewer.

  Returns:
    For each dive its key, score, dive in words and caption, in lines of at
    most 100 columns; what was not predicted is left out.
  """
  n = min(n, len(rows))
  if n < 1:
    return ''
  chosen = np.unique(np.linspace(0, len(rows) - 1, n).round().astype(int))
  return '\n\n'.join(_sample(rows[index]) for index in chosen)


def split_path(
  folder: str | os.PathLike[str], prefix: str, split: str, ending: str
) -> pathlib.Path:
  """Returns the path of a split's file.

  Args:
    folder: folder of the file.
    prefix: what its name begins with.
    split: the evaluated split; what a file name should not hold becomes '_'.
    ending: such as '.csv'.
  """
  name = re.sub(r'[^\w.-]+', '_', split)
  return pathlib.Path(folder) / f'{prefix}_{name}{ending}'


def dive_name(row: Mapping[str, Any]) -> str:
  """Returns which dive a row is of, such as 'event 3, dive 5'.

  Args:
    row: a row from `prediction_rows`, or from the file.
  """
  dive = f'dive {row["sample"]}'
  return f'event {row["event"]}, {dive}' if 'event' in row else dive


def _sample(row: Mapping[str, Any]) -> str:
  """Returns one dive's truth and prediction."""
  parts = [dive_name(row)]
  if row['dive_number']:
    parts.append(row['dive_number'])
  if 'difficulty' in row:
    parts.append(f'difficulty {row["difficulty"]:g}')
  lines = [', '.join(parts)]
  for side in ('true', 'predicted'):
    label = f'  {side:<11}'
    said = {
      key.removeprefix(f'{side}_'): value
      for key, value in row.items()
      if key.startswith(f'{side}_')
    }
    caption, summary = said.pop('caption', None), []
    if 'score' in said:
      summary.append(f'{said.pop("score"):.2f} points')
    classes = {name: v for name, v in said.items() if isinstance(v, str)}
    if classes:
      summary.append(class_words(classes))
    numbers = (f'{k} {v:g}' for k, v in said.items() if k not in classes)
    summary += numbers
    blocks = ['  '.join(summary)] if summary else []
    if caption is not None:
      blocks.append(f'"{caption}"')
    for block in blocks:
      lines += textwrap.wrap(
        block,
        _WIDTH,
        initial_indent=label,
        subsequent_indent=' ' * len(label),
        break_on_hyphens=False,
      )
      label = ' ' * len(label)
  return '\n'.join(lines)
