"""The tables of the evaluation report, as rows of text for its template."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict, TypeGuard

import numpy as np

from aqa_jax.evaluation import caption_metrics, metrics
from aqa_jax.predictions import Predictions

Evaluation = Mapping[str, Any]

_NONE = '–'


@dataclasses.dataclass(frozen=True)
class Measure:
  """The name and the format of a measure.

  Attributes:
    key: its name in an evaluation.
    name: name for the reader.
    short: short name for the head of a column; '' if it heads none.
    decimals: decimals to write.
    higher_is_better: False if a lower value is better.
  """

  key: str
  name: str
  short: str = ''
  decimals: int = 3
  higher_is_better: bool = True


SCORE_MEASURES = (
  Measure('spearman', 'Spearman', 'Spearman'),
  Measure('kendall_tau', 'Kendall τ', 'Kendall'),
  Measure('spearman_within_events', 'Spearman within events', 'within'),
  Measure('execution_spearman', 'Spearman, execution', 'execution'),
  Measure('relative_l2', 'Relative L2 × 100', 'R-L2', 3, False),
  Measure('mse', 'MSE, points²', 'MSE', 1, False),
  Measure('mae', 'MAE, points', 'MAE', 2, False),
)
CAPTION_MEASURES = tuple(
  Measure(key, name) for key, name in caption_metrics.NAMES.items()
)


def is_number(value: float | None) -> TypeGuard[float]:
  """Returns whether a value is there and defined: neither None nor NaN."""
  return value is not None and not math.isnan(value)


def number(value: float | None, decimals: int) -> str:
  """Returns a number as text, a dash where it is None or NaN."""
  if is_number(value):
    # Adding 0 makes a zero of the rounded -0.
    rounded = round(float(value), decimals) + 0.0
    return f'{rounded:.{decimals}f}'.replace('-', '\N{MINUS SIGN}')
  return _NONE


def signed(value: float | None, decimals: int) -> str:
  """Returns a number with its sign as text, a dash for None or NaN."""
  text = number(value, decimals)
  is_positive = is_number(value) and round(float(value), decimals) > 0
  return f'+{text}' if is_positive else text


def headline(evaluation: Evaluation) -> list[dict[str, str]]:
  """Returns a row for each measure of the score that was evaluated.

  Args:
    evaluation: what `train.evaluate_best` returns for a split.

  Returns:
    Rows of texts: key, name, value, interval ('' where there is none), baseline
    and baseline_name, the best of the baselines ('' where there is none).
  """
  rows = []
  for measure in SCORE_MEASURES:
    if measure.key not in evaluation:
      continue
    # A single dive has no rank: there is nothing to show.
    if evaluation.get('num_dives') == 1 and not is_number(
      evaluation[measure.key]
    ):
      continue
    low, high = evaluation.get('intervals', {}).get(measure.key, (None, None))
    baseline_name, baseline = _best_baseline(evaluation, measure)
    rows.append(
      {
        'key': measure.key,
        'name': measure.name,
        'value': number(evaluation[measure.key], measure.decimals),
        'interval': (
          f'{number(low, measure.decimals)}–{number(high, measure.decimals)}'
          if is_number(low) and is_number(high)
          else ''
        ),
        'baseline': number(baseline, measure.decimals) if baseline_name else '',
        'baseline_name': baseline_name,
      }
    )
  return rows


def _best_baseline(
  evaluation: Evaluation, measure: Measure
) -> tuple[str, float | None]:
  """Returns name and value of the best baseline; '' and None for none."""
  values = {
    name: baseline[measure.key]
    for name, baseline in evaluation.get('baselines', {}).items()
    if is_number(baseline.get(measure.key))
  }
  if not values:
    return '', None
  choose = max if measure.higher_is_better else min
  name = choose(values, key=values.__getitem__)
  return name, values[name]


class BaselineTable(TypedDict):
  """The model beside all baselines and ceilings.

  Attributes:
    columns: short names of the measures that a baseline or a ceiling has.
    rows: (kind, name, cells), kind 'model', 'baseline' or 'ceiling'.
  """

  columns: list[str]
  rows: list[tuple[str, str, list[str]]]


def baseline_table(evaluation: Evaluation) -> BaselineTable:
  """Returns the model beside all baselines and ceilings.

  Args:
    evaluation: what `train.evaluate_best` returns for a split.
  """
  rows = [('model', 'this model', evaluation)]
  for kind in ('baseline', 'ceiling'):
    found = evaluation.get(f'{kind}s') or {}
    rows += [(kind, name, values) for name, values in found.items()]
  # The measures of baselines and ceilings; without any, those of the model.
  compared = rows[1:] or rows
  measures = [
    measure
    for measure in SCORE_MEASURES
    if any(is_number(values.get(measure.key)) for _, _, values in compared)
  ]
  return {
    'columns': [measure.short for measure in measures],
    'rows': [
      (kind, name, [number(values.get(m.key), m.decimals) for m in measures])
      for kind, name, values in rows
    ],
  }


class CaptionTable(TypedDict):
  """The captions' measures beside their baselines.

  Attributes:
    columns: (kind, name), kind 'model' or 'baseline'.
    rows: (name of a measure, cells), of the measures that the model has.
  """

  columns: list[tuple[str, str]]
  rows: list[tuple[str, list[str]]]


def caption_table(evaluation: Evaluation) -> CaptionTable | None:
  """Returns the captions' measures beside their baselines.

  Args:
    evaluation: measures of a split.

  Returns:
    The table; None where no captions were evaluated.
  """
  measures = [m for m in CAPTION_MEASURES if m.key in evaluation]
  if not measures:
    return None
  baselines = evaluation.get('caption_baselines') or {}
  compared = [evaluation, *baselines.values()]
  return {
    'columns': [
      ('model', 'this model'),
      *(('baseline', name) for name in baselines),
    ],
    'rows': [
      (m.name, [number(values.get(m.key), m.decimals) for values in compared])
      for m in measures
    ],
  }


@dataclasses.dataclass(frozen=True)
class GroupError:
  """The score's errors on some of the dives.

  Attributes:
    name: name of the group.
    num_dives: dives of the group.
    bias: mean of predicted minus true score, points; NaN without dives.
    mae: mean absolute error, points; NaN without dives.
  """

  name: str
  num_dives: int
  bias: float
  mae: float


def group_errors(
  errors: np.ndarray, ids: np.ndarray, names: Mapping[int, str]
) -> list[GroupError]:
  """Returns the errors of each group, in the order of `names`.

  Args:
    errors: float [dives], predicted minus true score, points.
    ids: int [dives], the group of each.
    names: id -> name of the group. A group may have no dive.
  """
  groups = []
  for group, name in names.items():
    own = errors[ids == group]
    bias, mae = float('nan'), float('nan')
    if own.size:
      bias, mae = float(own.mean()), float(np.abs(own).mean())
    groups.append(GroupError(name, own.size, bias, mae))
  return groups


class ErrorRow(TypedDict):
  """The errors of a group, as texts and as a bar.

  Attributes:
    name: name of the group.
    num_dives: dives of the group.
    bias: mean signed error, points.
    mae: mean absolute error, points.
    is_over: whether the bias is not negative.
    left: where the bar of the bias begins, percent of its cell.
    width: width of the bar, percent of its cell.
    reach: half the width of the band of the MAE, percent of its cell.
    spearman: Spearman of the group, if it is an event.
  """

  name: str
  num_dives: int
  bias: str
  mae: str
  is_over: bool
  left: float
  width: float
  reach: float
  spearman: NotRequired[str]


def error_rows(groups: Sequence[GroupError]) -> list[ErrorRow]:
  """Returns groups for the template.

  Args:
    groups: groups from `group_errors`; those without a dive are left out.
  """
  groups = [group for group in groups if group.num_dives]
  largest = max((group.mae for group in groups), default=0.0) or 1.0
  rows: list[ErrorRow] = []
  for group in groups:
    width = 50 * abs(group.bias) / largest
    rows.append(
      {
        'name': group.name,
        'num_dives': group.num_dives,
        'bias': signed(group.bias, 1),
        'mae': number(group.mae, 1),
        'is_over': group.bias >= 0,
        'left': round(50 - (0 if group.bias >= 0 else width), 2),
        'width': round(width, 2),
        'reach': round(50 * group.mae / largest, 2),
      }
    )
  return rows


def confusion_tables(
  predictions: Predictions, evaluation: Evaluation
) -> list[dict[str, Any]]:
  """Returns the confusion matrix of each classification.

  Args:
    predictions: predictions for a split.
    evaluation: what `train.evaluate_best` returns for a split.

  Returns:
    Tables: task, accuracy and majority as text, class_names, and rows, one a
    true class: name, num_dives, recall in percent as text, and cells, each
    (count, share of the row's dives, whether it is the right class). Classes
    that no dive has and no prediction names are only in `absent`.
  """
  tables = []
  for task, class_names in predictions.schema.class_names.items():
    counts = metrics.confusion_matrix(
      predictions.outputs['classes'][task],
      predictions.label(task),
      len(class_names),
    )
    recalls = metrics.recall(counts)
    present = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    rows = []
    for label in present:
      total = int(counts[label].sum())
      rows.append(
        {
          'name': class_names[label],
          'num_dives': total,
          'recall': number(recalls[label], 1),
          'cells': [
            (
              int(counts[label, other]),
              round(float(counts[label, other] / max(total, 1)), 3),
              bool(label == other),
            )
            for other in present
          ],
        }
      )
    tables.append(
      {
        'task': task.replace('_', ' '),
        'accuracy': number(evaluation.get('accuracy', {}).get(task), 2),
        'majority': number(
          evaluation.get('majority_accuracy', {}).get(task), 2
        ),
        'class_names': [class_names[label] for label in present],
        'rows': rows,
        'absent': [
          name for i, name in enumerate(class_names) if i not in present
        ],
      }
    )
  return tables


def class_rows(
  row: Mapping[str, str], predictions: Predictions, index: int
) -> list[dict[str, Any]]:
  """Returns true and predicted classes of a dive.

  Args:
    row: has true_<name> and predicted_<name>, names of classes.
    predictions: predictions for a split.
    index: place of the dive, from 0.

  Returns:
    Rows: task, true, true_percent, predicted, predicted_percent ('' where there
    are no probabilities) and is_right.
  """
  shares = predictions.outputs.get('class_probabilities', {})
  rows = []
  for task, class_names in predictions.schema.class_names.items():
    true, guess = row[f'true_{task}'], row[f'predicted_{task}']
    percent = {}
    if task in shares:
      percent = {
        name: f'{100 * float(share):.0f} %'
        for name, share in zip(class_names, shares[task][index], strict=True)
      }
    rows.append(
      {
        'task': task.replace('_', ' '),
        'true': true,
        'true_percent': percent.get(true, ''),
        'predicted': guess,
        'predicted_percent': percent.get(guess, ''),
        'is_right': true == guess,
      }
    )
  return rows
