"""The evaluation of a split as one HTML page that needs nothing else.

No script, no network: style, charts (SVG) and pictures (JPEG) are in the page.
"""

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from aqa_jax import files
from aqa_jax.evaluation import evaluation_files
from aqa_jax.evaluation.evaluation_files import Predictions
from aqa_jax.report import report_charts, report_tables
from aqa_jax.report.filmstrip import Segment
from aqa_jax.report.report_tables import GroupError, is_number, number, signed
from aqa_jax.tasks import losses
from tfds_mtl_aqa.labels import CLASS_NAMES

# What `write_report` asks for the segments of a dive's filmstrip.
Filmstrips = Callable[[int], Sequence[Segment]]

_SHOWN_OF_A_KIND = 3
# Charts of several validation figures each; any other has one of its own.
_VALIDATION_CHARTS = {
  'rank correlation': (
    'spearman',
    'kendall_tau',
    'execution_spearman',
    'spearman_within_events',
  ),
  'accuracy, percent': tuple(f'accuracy_{task}' for task in CLASS_NAMES),
  'captions': (*(f'bleu_{n}' for n in range(1, 5)), 'meteor', 'rouge_l'),
}
_MEASURE_NAMES = {
  measure.key: measure.name
  for measure in (
    *report_tables.SCORE_MEASURES,
    *report_tables.CAPTION_MEASURES,
  )
}


def dives_to_show(predictions: Predictions) -> dict[str, list[int]]:
  """Returns the dives that the report shows, by the score's absolute error.

  Args:
    predictions: of any number of dives.

  Returns:
    'best', 'typical' (next to the median) and 'worst' -> their places in the
    predictions, three of each; fewer where there are fewer dives, since none
    is shown twice. Empty for a model without the score.
  """
  if predictions.scores is None:
    return {}
  order = np.argsort(np.abs(_errors(predictions)), kind='stable')
  best, worst, typical = (
    min((len(order) + spare) // 3, _SHOWN_OF_A_KIND) for spare in (2, 1, 0)
  )
  first = min(
    max((len(order) - typical) // 2, best), len(order) - worst - typical
  )
  return {
    'worst': order[len(order) - worst :][::-1].tolist(),
    'typical': order[first : first + typical].tolist(),
    'best': order[:best].tolist(),
  }


def write_report(
  folder: str | os.PathLike[str],
  evaluation: Mapping[str, Any],
  predictions: Predictions,
  filmstrips: Filmstrips,
  facts: Mapping[str, str],
) -> pathlib.Path:
  """Writes report_<split>.html, all or nothing.

  Args:
    folder: of the run; the training curves are those of its metrics.jsonl, if
      there is one.
    evaluation: of `evaluation_files.evaluate`, with `split`, and whatever else
      the caller adds. What is absent or NaN is left out or shown as a dash.
    predictions: that were evaluated, of at least one dive.
    filmstrips: given a dive's place in the predictions, returns its segments
      (`filmstrip.make_filmstrip`); asked for the shown dives only.
    facts: name -> text, to stand in the page's head: the dataset, the tasks.

  Returns:
    The file's path. The same arguments give the same bytes.
  """
  folder = pathlib.Path(folder)
  shown = dives_to_show(predictions)
  rows = evaluation_files.prediction_rows(predictions)
  step = evaluation.get('step')
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('aqa_jax.report'),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  text = environment.get_template('report.html').render(
    split=evaluation['split'],
    num_dives=evaluation['num_dives'],
    facts={'checkpoint': f'step {step}' if step is not None else ''} | facts,
    warnings=_warnings(evaluation),
    headline=report_tables.headline(evaluation),
    baselines=report_tables.baseline_table(evaluation),
    scatters=_scatters(predictions, shown),
    events=_events(predictions, evaluation),
    class_errors=_class_errors(predictions),
    confusions=report_tables.confusion_tables(predictions, evaluation),
    captions=report_tables.caption_table(evaluation),
    caption_notes=evaluation.get('caption_notes') or [],
    dives=[
      _dive(kind, rank, index, rows[index], predictions, filmstrips(index))
      for kind, indices in shown.items()
      for rank, index in enumerate(indices, 1)
    ],
    curves=_curves(folder / 'metrics.jsonl', step),
  )
  path = evaluation_files.split_path(
    folder, 'report', evaluation['split'], '.html'
  )
  files.write_atomically(path, text)
  return path


def _errors(predictions: Predictions) -> np.ndarray:
  """Returns predicted minus true scores, float64 [dives], points."""
  return np.asarray(predictions.scores, np.float64) - np.asarray(
    predictions.labels['final_score'], np.float64
  )


def _warnings(evaluation: Mapping[str, Any]) -> list[str]:
  warnings = []
  if evaluation.get('selected_on') == 'test':
    warnings.append(
      'The checkpoint was chosen on the test split: the figures are better '
      'than they would be on dives that had no part in the choice.'
    )
  if evaluation.get('trained_on'):
    warnings.append(
      f'{evaluation["trained_on"]} of the {evaluation["num_dives"]} dives were '
      'trained on: the figures do not say how well the model judges new dives.'
    )
  return warnings


def _scatters(
  predictions: Predictions, shown: Mapping[str, Sequence[int]]
) -> list[dict[str, Any]]:
  """Returns the charts of predicted against true scores and executions."""
  if predictions.scores is None:
    return []
  marked = {
    kind: {index: f'#{kind}-{rank}' for rank, index in enumerate(indices, 1)}
    for kind, indices in shown.items()
    if indices
  }
  true = np.asarray(predictions.labels['final_score'], np.float64)
  predicted = np.asarray(predictions.scores, np.float64)
  difficulty = np.asarray(predictions.labels['difficulty'], np.float64)
  return [
    _chart(
      'Score', report_charts.scatter_chart(true, predicted, 'score', marked)
    ),
    _chart(
      'Execution: score / difficulty',
      report_charts.scatter_chart(
        true / difficulty, predicted / difficulty, 'execution', marked
      ),
    ),
  ]


def _chart(name: str, svg: str) -> dict[str, Any]:
  # Markup: Matplotlib has escaped the texts in it.
  return {'name': name, 'svg': Markup(svg)}


def _events(
  predictions: Predictions, evaluation: Mapping[str, Any]
) -> dict[str, Any] | None:
  """Returns the chart and the table of the errors by event."""
  if predictions.scores is None:
    return None
  ids = np.asarray(predictions.labels['event'])
  names = {int(event): str(int(event)) for event in np.unique(ids)}
  groups = report_tables.group_errors(_errors(predictions), ids, names)
  by_bias = sorted(groups, key=lambda group: group.bias)
  rows = report_tables.error_rows(groups)
  # The keys of the evaluation are text once it has been in a file.
  found = {str(k): v for k, v in (evaluation.get('events') or {}).items()}
  for row in rows:
    row['spearman'] = number(found.get(row['name'], {}).get('spearman'), 2)
  return {
    'chart': _chart(
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
  """Returns for each task the table of the errors by true class."""
  if predictions.scores is None:
    return []
  errors = _errors(predictions)
  groups: dict[str, list[GroupError]] = {
    task: report_tables.group_errors(
      errors, np.asarray(predictions.labels[task]), dict(enumerate(names))
    )
    for task, names in CLASS_NAMES.items()
  }
  return [
    {'name': task.replace('_', ' '), 'rows': report_tables.error_rows(own)}
    for task, own in groups.items()
  ]


def _dive(
  kind: str,
  rank: int,
  index: int,
  row: Mapping[str, Any],
  predictions: Predictions,
  segments: Sequence[Segment],
) -> dict[str, Any]:
  """Returns what the template shows of a dive."""
  classes = []
  for task, class_names in CLASS_NAMES.items():
    if task not in predictions.classes:
      continue
    true, guess = row[f'true_{task}'], row[f'predicted_{task}']
    shares = predictions.class_probabilities.get(task)
    percent = {}
    if shares is not None:
      percent = {
        name: f'{100 * float(share):.0f} %'
        for name, share in zip(class_names, shares[index], strict=True)
      }
    classes.append(
      {
        'task': task.replace('_', ' '),
        'true': true,
        'true_percent': percent.get(true, ''),
        'predicted': guess,
        'predicted_percent': percent.get(guess, ''),
        'is_right': true == guess,
      }
    )
  largest = max(np.abs(segment.importances).max() for segment in segments)
  return {
    'id': f'{kind}-{rank}',
    'kind': kind,
    'event': row['event'],
    'sample': row['sample'],
    'number': row['dive_number'],
    'difficulty': f'{row["difficulty"]:g}',
    'true_score': number(row['true_score'], 2),
    'predicted_score': number(row['predicted_score'], 2),
    'error': signed(row['predicted_score'] - row['true_score'], 2),
    'words': evaluation_files.dive_words(
      {task: row[f'true_{task}'] for task in CLASS_NAMES}
    ),
    'classes': classes,
    'true_caption': row.get('true_caption'),
    'predicted_caption': row.get('predicted_caption'),
    'largest': number(largest, 2),
    'segments': [_segment(segment, largest) for segment in segments],
  }


def _segment(segment: Segment, largest: float) -> dict[str, Any]:
  """Returns a picture, and its bars in parts of the largest of the dive."""
  bars = [
    {
      'frame': int(frame),
      'points': signed(value, 2),
      'height': round(float(value / largest), 3) if largest else 0.0,
      'is_shown': place == segment.shown,
    }
    for place, (frame, value) in enumerate(
      zip(segment.frames, segment.importances, strict=True)
    )
  ]
  return {
    'picture': segment.picture,
    'frame': int(segment.frames[segment.shown]),
    'bars': bars,
  }


@dataclasses.dataclass
class _Curve:
  """A measure by training step."""

  steps: list[float] = dataclasses.field(default_factory=list)
  values: list[float] = dataclasses.field(default_factory=list)

  def arrays(self) -> tuple[np.ndarray, np.ndarray]:
    return np.array(self.steps, float), np.array(self.values, float)


def _curves(path: pathlib.Path, step: int | None) -> list[dict[str, Any]]:
  """Returns the charts of the training, none where nothing was recorded."""
  curves = _read_curves(path)
  charts: dict[str, dict[str, str]] = {}
  for name in sorted(curves, key=_place_of_curve):
    title, label = _title_and_label(*name.split('/', 1))
    charts.setdefault(title, {})[label] = name
  return [
    _chart(
      title,
      report_charts.curve_chart(
        title,
        {label: curves[name].arrays() for label, name in names.items()},
        step,
      ),
    )
    for title, names in charts.items()
  ]


def _title_and_label(group: str, measure: str) -> tuple[str, str]:
  """Returns the chart that a curve belongs to, and its name there."""
  label = _MEASURE_NAMES.get(
    measure, measure.removeprefix('accuracy_').replace('_', ' ')
  )
  if group == 'train':
    return f'training: {label}' + ' loss' * (measure in losses.TASKS), label
  for chart, measures in _VALIDATION_CHARTS.items():
    if measure in measures:
      return f'validation: {chart}', label
  return f'validation: {label}', label


def _place_of_curve(name: str) -> tuple[int, str]:
  """Returns what to sort the curves by; unknown ones by name, at the end."""
  known = [f'train/{term}' for term in ('loss', *losses.TASKS)]
  known += [
    f'validation/{measure}'
    for measure in itertools.chain(*_VALIDATION_CHARTS.values(), _MEASURE_NAMES)
  ]
  return (known.index(name) if name in known else len(known)), name


def _read_curves(path: pathlib.Path) -> dict[str, _Curve]:
  """Reads metrics.jsonl; what is NaN throughout is left out."""
  if not path.exists():
    return {}
  curves: dict[str, _Curve] = {}
  for line in path.read_text('utf-8', errors='replace').splitlines():
    try:
      scalars = json.loads(line)
      step = float(scalars.pop('step'))
    except (ValueError, KeyError, TypeError, AttributeError):
      continue  # A kill has torn it.
    for name, value in scalars.items():
      if name.startswith(('train/', 'validation/')):
        curve = curves.setdefault(name, _Curve())
        curve.steps.append(step)
        curve.values.append(float('nan') if value is None else float(value))
  return {
    name: curve
    for name, curve in curves.items()
    if any(is_number(value) for value in curve.values)
  }
