"""The report's parts about the score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax.predictions import Predictions
from aqa_jax.report import report_charts, report_tables
from aqa_jax.report.interval_table import interval_table
from aqa_jax.report.named_chart import named_chart
from aqa_jax.report.report_tables import GroupError, number, signed
from aqa_jax.task import Section


def sections(
  predictions: Predictions,
  evaluation: Mapping[str, Any],
  shown: Mapping[str, Sequence[int]],
) -> list[Section]:
  """Returns the headline, the scatter plots and the errors by group.

  Args:
    predictions: the predictions that were evaluated.
    evaluation: measures of the predictions.
    shown: kind -> places of the dives whose pictures the report shows.
  """
  headline = {
    'cards': report_tables.headline(evaluation),
    'table': report_tables.baseline_table(evaluation),
  }
  events = _events(predictions, evaluation)
  charts = _scatters(predictions, shown)
  errors = {'events': events, 'by_class': _class_errors(predictions)}
  found = [Section('headline', '', 'headline.html', headline, 0)]
  if events:
    charts.append(events['chart'])
  found.append(Section('score', 'Score', 'scatters.html', charts, 10))
  if events or errors['by_class']:
    found.append(Section('errors', 'Errors', 'errors.html', errors, 20))
  if 'score_interval' in evaluation:
    content = interval_table(evaluation)
    found.append(
      Section('intervals', 'Intervals', 'intervals.html', content, 15)
    )
  return found


def dive_section(predictions: Predictions, index: int) -> Section:
  """Returns true and predicted score of a dive and the error between.

  Args:
    predictions: the predictions that were evaluated.
    index: place of the dive, from 0.
  """
  true = float(predictions.labels['final_score'][index])
  predicted = float(predictions.outputs['score'][index])
  content = {
    'true': number(true, 2),
    'predicted': number(predicted, 2),
    'error': signed(predicted - true, 2),
    'half_width': '',
  }
  half = predictions.outputs.get('score_half_width')
  if half is not None and np.isfinite(half[index]):
    content['half_width'] = number(half[index], 1)
  return Section('', '', 'dive_score.html', content, 0)


def score_errors(predictions: Predictions) -> np.ndarray:
  """Returns predicted minus true scores, float64 [dives], points.

  Args:
    predictions: predictions that have scores.
  """
  return np.asarray(predictions.outputs['score'], np.float64) - np.asarray(
    predictions.labels['final_score'], np.float64
  )


def _scatters(
  predictions: Predictions, shown: Mapping[str, Sequence[int]]
) -> list[dict[str, Any]]:
  """Returns the charts of predicted against true scores and executions."""
  marked = {
    kind: {index: f'#{kind}-{rank}' for rank, index in enumerate(indices, 1)}
    for kind, indices in shown.items()
    if indices
  }
  true = np.asarray(predictions.labels['final_score'], np.float64)
  predicted = np.asarray(predictions.outputs['score'], np.float64)
  charts = [
    named_chart(
      'Score', report_charts.scatter_chart(true, predicted, 'score', marked)
    )
  ]
  if 'difficulty' in predictions.labels:
    difficulty = np.asarray(predictions.labels['difficulty'], np.float64)
    rule = predictions.schema.score_rule
    charts.append(
      named_chart(
        f'Execution: {rule.formula}',
        report_charts.scatter_chart(
          rule.execution(true, difficulty),
          rule.execution(predicted, difficulty),
          'execution',
          marked,
        ),
      )
    )
  return charts


def _events(
  predictions: Predictions, evaluation: Mapping[str, Any]
) -> dict[str, Any] | None:
  """Returns the chart and the table of the errors by event."""
  if 'event' not in predictions.labels:
    return None
  ids = np.asarray(predictions.labels['event'])
  names = {int(event): str(int(event)) for event in np.unique(ids)}
  groups = report_tables.group_errors(score_errors(predictions), ids, names)
  by_bias = sorted(groups, key=lambda group: group.bias)
  rows = report_tables.error_rows(groups)
  # In an evaluation that was read from a file the keys are texts.
  found = {str(k): v for k, v in (evaluation.get('events') or {}).items()}
  for row in rows:
    row['spearman'] = number(found.get(row['name'], {}).get('spearman'), 2)
  return {
    'chart': named_chart(
      'Error by event',
      report_charts.event_chart(
        [int(group.name) for group in by_bias],
        np.array([group.bias for group in by_bias]),
        np.array([group.mae for group in by_bias]),
      ),
    ),
    'rows': rows,
    'has_spearman': bool(found),
  }


def _class_errors(predictions: Predictions) -> list[dict[str, Any]]:
  """Returns for each classification the table of the errors by true class."""
  errors = score_errors(predictions)
  groups: dict[str, list[GroupError]] = {
    task: report_tables.group_errors(
      errors, np.asarray(predictions.labels[task]), dict(enumerate(names))
    )
    for task, names in predictions.schema.class_names.items()
  }
  return [
    {'name': task.replace('_', ' '), 'rows': report_tables.error_rows(own)}
    for task, own in groups.items()
  ]
