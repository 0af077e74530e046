"""One evaluation as files and as text: predictions, measures, tables.

`Predictions` holds what a model said about some dives; `evaluate` measures it
beside the baselines; the rest writes or prints either.
"""

import csv
import dataclasses
import io
import json
import os
import pathlib
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax import files
from aqa_jax.evaluation import baselines, caption_metrics, metrics
from tfds_mtl_aqa import labels as label_names

_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Predictions:
  """What a model predicts for the dives of a split, and the truth.

  Attributes:
    labels: feature name -> [dives], as in `tfds_mtl_aqa.features`: event,
      sample, dive_number (text; may lack), difficulty, final_score,
      start_frame, end_frame and the five class labels.
    scores: float [dives], points; None for a model without the score.
    classes: task -> int [dives], class ids of the predicted tasks.
    captions: the generated words, one list a dive, without <sos> and <eos>;
      None for a model without captions.
    reference_captions: the true words, likewise; None where there are none.
    class_probabilities: task -> float [dives, classes], each row's sum 1; of
      the predicted tasks or of none.
  """

  labels: Mapping[str, np.ndarray]
  scores: np.ndarray | None = None
  classes: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  captions: Sequence[Sequence[str]] | None = None
  reference_captions: Sequence[Sequence[str]] | None = None
  class_probabilities: Mapping[str, np.ndarray] = dataclasses.field(
    default_factory=dict
  )

  def __post_init__(self):
    """Checks that everything is of as many dives.

    Raises:
      ValueError: something is of another number of dives, or a task is none
        of the five.
    """
    unknown = set(self.classes) - set(label_names.CLASS_NAMES)
    if unknown:
      raise ValueError(f'Unknown tasks: {sorted(unknown)}.')
    sizes = {f'labels[{name!r}]': len(v) for name, v in self.labels.items()}
    sizes |= {f'classes[{name!r}]': len(v) for name, v in self.classes.items()}
    sizes |= {
      f'class_probabilities[{name!r}]': len(v)
      for name, v in self.class_probabilities.items()
    }
    for name in ('scores', 'captions', 'reference_captions'):
      if getattr(self, name) is not None:
        sizes[name] = len(getattr(self, name))
    if len(set(sizes.values())) > 1:
      raise ValueError(f'The numbers of dives differ: {sizes}.')

  def __len__(self) -> int:
    return len(self.labels['final_score'])


def evaluate(
  predictions: Predictions, train_labels: Mapping[str, np.ndarray]
) -> dict[str, Any]:
  """Measures predictions beside the baselines.

  Args:
    predictions: of at least one dive.
    train_labels: the training split's labels, to fit the baselines on.

  Returns:
    num_dives: the number of dives.
    spearman, kendall_tau, relative_l2, mse, mae: see
      `metrics.score_metrics`, and execution_spearman; absent without scores.
    accuracy: predicted task -> percent; absent without classes.
    bleu_1 to bleu_4: 0 to 1; absent without captions or references.
    baselines: baseline -> what `metrics.score_metrics` gives.
    majority_accuracy: task -> percent, for all five.
    What is not defined is NaN (null in the file).

  Raises:
    ValueError: there are no dives, or as `metrics` and `baselines` raise it.
  """
  labels = predictions.labels
  evaluation: dict[str, Any] = {'num_dives': len(predictions)}
  if predictions.scores is not None:
    evaluation |= metrics.score_metrics(
      predictions.scores, labels['final_score']
    )
    evaluation['execution_spearman'] = metrics.execution_spearman(
      predictions.scores, labels['final_score'], labels['difficulty']
    )
  if predictions.classes:
    evaluation['accuracy'] = metrics.class_accuracies(
      predictions.classes, labels
    )
  if (
    predictions.captions is not None
    and predictions.reference_captions is not None
  ):
    evaluation |= caption_metrics.caption_bleu(
      predictions.captions, predictions.reference_captions
    )
  evaluation['baselines'] = baselines.compute_baselines(train_labels, labels)
  evaluation['majority_accuracy'] = baselines.majority_accuracies(
    train_labels, labels
  )
  return evaluation


def prediction_rows(predictions: Predictions) -> list[dict[str, Any]]:
  """Returns one row a dive, truth and prediction side by side.

  Args:
    predictions: of any number of dives.

  Returns:
    Rows with: event, sample, dive_number ('' where unknown), difficulty,
    true_score, [predicted_score], for each task true_<task> and
    [predicted_<task>] (class names), [true_caption], [predicted_caption]
    (words joined by blanks). Columns in brackets only where predicted or
    known.
  """
  labels = predictions.labels
  rows = []
  for index in range(len(predictions)):
    row: dict[str, Any] = {
      'event': int(labels['event'][index]),
      'sample': int(labels['sample'][index]),
      'dive_number': '',
      'difficulty': _shortest(labels['difficulty'][index]),
      'true_score': _shortest(labels['final_score'][index]),
    }
    if 'dive_number' in labels:
      number = labels['dive_number'][index]
      row['dive_number'] = (
        number.decode('utf-8') if isinstance(number, bytes) else str(number)
      )
    if predictions.scores is not None:
      row['predicted_score'] = _shortest(predictions.scores[index])
    for task, class_names in label_names.CLASS_NAMES.items():
      row[f'true_{task}'] = class_names[int(labels[task][index])]
      if task in predictions.classes:
        row[f'predicted_{task}'] = class_names[
          int(predictions.classes[task][index])
        ]
    if predictions.reference_captions is not None:
      row['true_caption'] = ' '.join(predictions.reference_captions[index])
    if predictions.captions is not None:
      row['predicted_caption'] = ' '.join(predictions.captions[index])
    rows.append(row)
  return rows


def write_predictions(
  folder: str | os.PathLike[str], split: str, rows: Sequence[Mapping[str, Any]]
) -> pathlib.Path:
  """Writes predictions_<split>.csv, one row a dive, all or nothing.

  Args:
    folder: an existing folder.
    split: the evaluated split; what a file name should not hold becomes '_'.
    rows: of `prediction_rows`, at least one.

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
    evaluation: of `evaluate`, with whatever else the caller adds (the step).

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


def format_table(evaluation: Mapping[str, Any]) -> str:
  """Returns an evaluation as a plain text table, without a last line end.

  Args:
    evaluation: of `evaluate`, or of the JSON file.

  Returns:
    The scores of the model above those of every baseline, the accuracies beside
    the majority class's, and BLEU, as far as they were evaluated; '-' where
    something is not defined. A checkpoint chosen on the test split is marked.
  """
  lines = [f'{evaluation["num_dives"]} dives']
  if evaluation.get('selected_on') == 'test':
    lines.append('The checkpoint was chosen on the test split: too favourable.')
  if evaluation.get('trained_on'):
    lines.append(f'{evaluation["trained_on"]} of them were trained on: a leak.')
  intervals = evaluation.get('intervals', {})
  if 'spearman' in evaluation:
    columns = {'spearman': 4, 'relative_l2': 3, 'mae': 2}
    rows = {'model': evaluation}
    rows |= {f'baseline: {n}': m for n, m in evaluation['baselines'].items()}
    rows |= {
      f'ceiling: {n}': m for n, m in evaluation.get('ceilings', {}).items()
    }
    lines += ['', _line('score', ['Spearman', 'rel. L2', 'MAE'])]
    lines += [
      _line(name, [_cell(row[key], n) for key, n in columns.items()])
      for name, row in rows.items()
    ]
    if intervals:
      ends = [_interval(intervals[key], n) for key, n in columns.items()]
      lines.insert(-len(rows) + 1, _line('  95 % interval', ends))
    alone = [_cell(evaluation['execution_spearman'], 4)]
    lines.append(_line('model, execution alone', alone))
    if 'spearman_within_events' in evaluation:
      within = [_cell(evaluation['spearman_within_events'], 4)]
      lines.append(_line('model, within an event', within))
  if 'accuracy' in evaluation:
    lines += ['', _line('class, % correct', ['model', 'majority'])]
    lines += [
      _line(
        task, [_cell(right, 2), _cell(evaluation['majority_accuracy'][task], 2)]
      )
      for task, right in evaluation['accuracy'].items()
    ]
  if 'bleu_1' in evaluation:
    names = {k: n for k, n in caption_metrics.NAMES.items() if k in evaluation}
    captions = {'model': evaluation}
    captions |= {
      f'baseline: {n}': m
      for n, m in evaluation.get('caption_baselines', {}).items()
    }
    lines += ['', _line('caption', names.values(), 9)]
    lines += [
      _line(name, [_cell(row[key], 4) for key in names], 9)
      for name, row in captions.items()
    ]
    lines += [f'  {note}' for note in evaluation.get('caption_notes', ())]
  return '\n'.join(lines)


def format_samples(rows: Sequence[Mapping[str, Any]], n: int) -> str:
  """Returns some predictions beside the truth, without a last line end.

  Args:
    rows: of `prediction_rows`.
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


def dive_words(classes: Mapping[str, str]) -> str:
  """Returns a dive in words, such as 'backward 3.5 somersaults tuck'.

  Args:
    classes: task -> class name, of any of the five tasks. That there is no
      armstand and no twist is said only where nothing else is.

  Raises:
    ValueError: a class name is none of its task's.
  """
  for task, name in classes.items():
    if name not in label_names.CLASS_NAMES[task]:
      raise ValueError(f'{name!r} is no class of {task!r}.')
  words = []
  if classes.get('armstand') == 'yes':
    words.append('armstand')
  if 'rotation_type' in classes:
    words.append(classes['rotation_type'])
  for task in ('somersaults', 'twists'):
    if task in classes and (task, classes[task]) != ('twists', '0'):
      count = classes[task]
      words += [count, task[:-1] if count == '1' else task]
  if 'position' in classes:
    words.append(classes['position'])
  if not words:
    absent = {'armstand': 'armstand', 'twists': 'twist'}
    words = [f'no {word}' for task, word in absent.items() if task in classes]
  return ' '.join(words)


def _shortest(number: Any) -> float:
  """Returns a float whose text is as short as the number's own type allows."""
  # float(float32(3.2)) would print as 3.200000047683716.
  number = np.asarray(number)
  if number.dtype.kind != 'f':
    return float(number)
  # TFDS reads a float32 as a Python float: it is as short as it was.
  short = float(str(number.astype(np.float32)))
  return short if np.float32(short) == number else float(str(number))


def split_path(
  folder: str | os.PathLike[str], prefix: str, split: str, ending: str
) -> pathlib.Path:
  """Returns the path of a split's file.

  Args:
    folder: that it lies in.
    prefix: what its name begins with.
    split: the evaluated split; what a file name should not hold becomes '_'.
    ending: such as '.csv'.
  """
  name = re.sub(r'[^\w.-]+', '_', split)
  return pathlib.Path(folder) / f'{prefix}_{name}{ending}'


def _cell(value: float | None, decimals: int) -> str:
  """Returns a number for the table, '-' for NaN and null."""
  if value is None or np.isnan(value):
    return '-'
  return f'{value:.{decimals}f}'


def _interval(ends: Sequence[float | None], decimals: int) -> str:
  return '-'.join(_cell(end, decimals) for end in ends)


def _line(name: str, cells: Iterable[str], width: int = 14) -> str:
  """Returns one line of the table."""
  # A cell that is too wide still has a space before it.
  return f'{name:<38}' + ''.join(f' {cell:>{width - 1}}' for cell in cells)


def _sample(row: Mapping[str, Any]) -> str:
  """Returns one dive's truth and prediction."""
  number = f', {row["dive_number"]}' if row['dive_number'] else ''
  lines = [
    f'event {row["event"]}, dive {row["sample"]}{number}, difficulty '
    f'{row["difficulty"]:g}'
  ]
  for side in ('true', 'predicted'):
    label = f'  {side:<11}'
    summary = []
    if f'{side}_score' in row:
      summary.append(f'{row[f"{side}_score"]:.2f} points')
    classes = {
      task: row[f'{side}_{task}']
      for task in label_names.CLASS_NAMES
      if f'{side}_{task}' in row
    }
    if classes:
      summary.append(dive_words(classes))
    caption = row.get(f'{side}_caption')
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
