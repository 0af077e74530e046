"""Where points were lost: what each fault cost, predicted and true.

The truth is what the judges of a simulated dive subtract for the fault, by the
rules of the simulation; of another dataset, its true size times its cost.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aqa_jax.evaluation import metrics
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.report.report_tables import number
from aqa_jax.tasks.fault_costs import PREFIX, FaultCosts, true_deductions
from aqa_jax.text_table import cell, line

# Judges whose marks count for the execution.
_COUNTING = 3
_HEAD = ['Spearman', 'MAE', 'true mean', 'predicted']


def true_points(
  predictions: Predictions,
  costs: FaultCosts,
  dataset: str,
  dives: np.ndarray | slice,
) -> dict[str, np.ndarray]:
  """Returns the points of the score that each fault truly cost.

  Args:
    predictions: has the faults and the difficulties among its labels.
    costs: what faults cost, where the dataset is not simulated.
    dataset: its name, such as 'simulated_dives/quickstart'.
    dives: which of the dives.

  Returns:
    Fault -> float [dives].
  """
  rule = predictions.schema.score_rule
  labels: Columns = {
    name: np.asarray(values)[dives]
    for name, values in predictions.labels.items()
    if name.startswith(PREFIX)
  }
  deductions = true_deductions(dataset, labels)
  if deductions is None:
    lost: Columns = costs.lost(
      {name.removeprefix(PREFIX): sizes for name, sizes in labels.items()}
    )
  else:
    lost = {
      name: rule.execution_of_marks(_COUNTING * points)
      for name, points in deductions.items()
    }
  difficulty = predictions.label('difficulty')[dives]
  return {name: rule.points(each, difficulty) for name, each in lost.items()}


def measure(
  predictions: Predictions, costs: FaultCosts, dataset: str
) -> dict[str, Any]:
  """Returns how well the points lost are known.

  Args:
    predictions: has `points_lost` among its outputs.
    costs: see `true_points`.
    dataset: see `true_points`.

  Returns:
    faults: fault -> spearman and mae, points, of predicted against true points
      lost, and true_mean and predicted_mean, points.
    phases: phase -> the same of the sum over its faults.
    all: the same of the sum over all faults.
  """
  predicted = predictions.outputs['points_lost']
  true = true_points(predictions, costs, dataset, slice(None))
  phases = dict.fromkeys(filter(None, map(costs.phase, predicted)))
  return {
    'faults': {name: _measured([name], predicted, true) for name in predicted},
    'phases': {
      phase: _measured(
        [name for name in predicted if costs.phase(name) == phase],
        predicted,
        true,
      )
      for phase in phases
    },
    'all': _measured(list(predicted), predicted, true),
  }


def _measured(
  names: list[str], predicted: Columns, true: Columns
) -> dict[str, float]:
  """Returns the measures of the sum over some faults."""
  found, wanted = (
    np.sum([np.asarray(columns[name], np.float64) for name in names], axis=0)
    for columns in (predicted, true)
  )
  return {
    'spearman': float(metrics.spearman(found, wanted)),
    'mae': float(np.abs(found - wanted).mean()),
    'true_mean': float(wanted.mean()),
    'predicted_mean': float(found.mean()),
  }


def _rows(
  measured: Mapping[str, Any],
) -> list[tuple[str, str, Mapping[str, float]]]:
  """Returns (kind, name, measures) of faults, phases and all faults."""
  return [
    *(('fault', name, each) for name, each in measured['faults'].items()),
    *(('phase', name, each) for name, each in measured['phases'].items()),
    ('all', 'all faults', measured['all']),
  ]


def table(measured: Mapping[str, Any]) -> list[str]:
  """Returns the lines of the table on the terminal.

  Args:
    measured: from `measure`, or from its JSON file.
  """
  lines = ['', line('points lost', _HEAD)]
  for kind, name, each in _rows(measured):
    shown = name.replace('_', ' ')
    lines.append(
      line(
        f'in the {shown}' if kind == 'phase' else shown,
        [
          cell(each['spearman'], 3),
          *(
            cell(each[key], 2) for key in ('mae', 'true_mean', 'predicted_mean')
          ),
        ],
      )
    )
  return lines


def section(measured: Mapping[str, Any], costs: FaultCosts) -> dict[str, Any]:
  """Returns what the template `points_lost.html` shows of a split.

  Args:
    measured: from `measure`.
    costs: of the model.
  """
  return {
    'always': number(costs.always, 2),
    'rows': [
      {
        'kind': kind,
        'name': name.replace('_', ' '),
        'phase': costs.phase(name).replace('_', ' '),
        'spearman': number(each['spearman'], 3),
        'mae': number(each['mae'], 2),
        'true': number(each['true_mean'], 2),
        'predicted': number(each['predicted_mean'], 2),
      }
      for kind, name, each in _rows(measured)
    ],
  }


def dive_section(
  predictions: Predictions, costs: FaultCosts, dataset: str, index: int
) -> dict[str, Any]:
  """Returns what the template `dive_points_lost.html` shows of a dive.

  Args:
    predictions: see `measure`.
    costs: see `true_points`.
    dataset: see `true_points`.
    index: place of the dive, from 0.
  """
  outputs = predictions.outputs
  true = true_points(predictions, costs, dataset, np.array([index]))
  predicted = {
    name: float(points[index])
    for name, points in outputs['points_lost'].items()
  }
  widest = max([*predicted.values(), *(float(t[0]) for t in true.values()), 1])
  rows = [
    {
      'name': name.replace('_', ' '),
      'phase': costs.phase(name).replace('_', ' '),
      'points': number(points, 1),
      'width': round(100 * max(points, 0.0) / widest, 1),
      'true': number(float(true[name][0]), 1),
      'true_width': round(100 * float(true[name][0]) / widest, 1),
      'size': f'{float(outputs["faults"][name][index]):.3g}',
      'true_size': f'{float(predictions.label(PREFIX + name)[index]):.3g}',
    }
    for name, points in sorted(predicted.items(), key=lambda item: -item[1])
  ]
  content: dict[str, Any] = {'rows': rows}
  if 'score' in outputs:
    perfect = float(outputs['perfect_score'][index])
    lost = perfect - float(outputs['score'][index])
    rest = perfect - float(predictions.label('final_score')[index])
    content |= {
      'perfect': number(perfect, 1),
      'lost': number(lost, 1),
      'truly_lost': number(rest, 1),
      'unexplained': number(lost - sum(predicted.values()), 1),
      'truly_unexplained': number(
        rest - sum(float(each[0]) for each in true.values()), 1
      ),
    }
  return content


def columns(
  predictions: Predictions, costs: FaultCosts, dataset: str, index: int
) -> dict[str, float]:
  """Returns points_lost_<fault> and deducted_<fault>, the truth, of a dive.

  Args:
    predictions: see `measure`.
    costs: see `true_points`.
    dataset: see `true_points`.
    index: place of the dive, from 0.
  """
  true = true_points(predictions, costs, dataset, np.array([index]))
  row = {}
  for name, points in predictions.outputs['points_lost'].items():
    row[f'points_lost_{name}'] = round(float(points[index]), 3)
    row[f'deducted_{name}'] = round(float(true[name][0]), 3)
  return row
