"""The evaluation of a split as one HTML page.

The page needs no other file, no script and no network: style, charts (SVG) and
pictures (JPEG) are in it.
"""

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax import files
from aqa_jax.evaluation import evaluation_files
from aqa_jax.evaluation.dive_words import class_words
from aqa_jax.predictions import Predictions
from aqa_jax.report import filmstrip, page, report_charts, report_tables
from aqa_jax.report.filmstrip import Segment
from aqa_jax.report.named_chart import named_chart
from aqa_jax.report.report_tables import is_number, number
from aqa_jax.report.score_sections import score_errors
from aqa_jax.task import Section, Task

# Given the place of a dive, returns the segments of its filmstrip.
Filmstrips = Callable[[int], Sequence[Segment]]

_SHOWN_OF_A_KIND = 3
# Sections of a dive with a smaller place are above its pictures.
_PLACE_OF_PICTURES = 50
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
    predictions: predictions for any number of dives.

  Returns:
    'best', 'typical' (next to the median) and 'worst' -> their places in the
    predictions, three of each; fewer where there are fewer dives, since none
    is shown twice. Empty for a model without the score.
  """
  if 'score' not in predictions.outputs:
    return {}
  order = np.argsort(np.abs(score_errors(predictions)), kind='stable')
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


def explained(tasks: Sequence[Task]) -> str:
  """Returns of what the importance of frames is, for people."""
  return next((task.explains for task in tasks if task.gives_score), 'score')


def write_report(
  folder: str | os.PathLike[str],
  tasks: Sequence[Task],
  evaluation: Mapping[str, Any],
  predictions: Predictions,
  filmstrips: Filmstrips | None,
  facts: Mapping[str, str],
) -> pathlib.Path:
  """Writes report_<split>.html, all or nothing.

  Args:
    folder: folder of the run; the training curves are from its metrics.jsonl,
      if there is one.
    tasks: tasks of the model.
    evaluation: what `train.evaluate_best` returns for the split. A measure that
      is absent or NaN is left out or shown as a dash.
    predictions: the predictions that were evaluated, of at least one dive.
    filmstrips: given a dive's place in the predictions, returns its segments
      (`filmstrip.make_filmstrip`); asked for the shown dives only. None for a
      model that sees no pictures.
    facts: name -> text, to stand in the page's head: the dataset, the tasks.

  Returns:
    The file's path. The same arguments give the same bytes.
  """
  folder = pathlib.Path(folder)
  shown = dives_to_show(predictions)
  rows = evaluation_files.prediction_rows(tasks, predictions)
  step = evaluation.get('step')
  text = page.render(
    'report.html',
    split=evaluation['split'],
    num_dives=evaluation['num_dives'],
    facts={
      'checkpoint': f'step {step}' if step is not None else '',
      **facts,
    },
    warnings=_warnings(evaluation),
    has_pictures=filmstrips is not None,
    explains=explained(tasks),
    is_trained=step is not None,
    sections=_sections(tasks, predictions, evaluation, shown),
    dives=[
      _dive(kind, rank, tasks, rows[index], predictions, index, filmstrips)
      for kind, indices in shown.items()
      for rank, index in enumerate(indices, 1)
    ],
    curves=_curves(folder / 'metrics.jsonl', tasks, step),
  )
  path = evaluation_files.split_path(
    folder, 'report', evaluation['split'], '.html'
  )
  files.write_atomically(path, text)
  return path


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


def _sections(
  tasks: Sequence[Task],
  predictions: Predictions,
  evaluation: Mapping[str, Any],
  shown: Mapping[str, Sequence[int]],
) -> list[Section]:
  """Returns the tasks' parts of the page, in order."""
  sections = [
    section
    for task in tasks
    for section in task.sections(predictions, evaluation, shown)
  ]
  return sorted(sections, key=lambda section: section.place)


def _dive(
  kind: str,
  rank: int,
  tasks: Sequence[Task],
  row: Mapping[str, Any],
  predictions: Predictions,
  index: int,
  filmstrips: Filmstrips | None,
) -> dict[str, Any]:
  """Returns what the template shows of a dive."""
  classes = {
    name: row[f'true_{name}'] for name in predictions.schema.class_names
  }
  facts = [class_words(classes)] if classes else []
  if 'difficulty' in row:
    facts.append(f'difficulty {row["difficulty"]:g}')
  found = [task.dive_section(predictions, index) for task in tasks]
  sections = sorted(filter(None, found), key=lambda section: section.place)
  segments, largest = (
    filmstrip.shown(filmstrips(index)) if filmstrips else ((), 0.0)
  )
  return {
    'id': f'{kind}-{rank}',
    'kind': kind,
    'name': evaluation_files.dive_name(row),
    'number': row['dive_number'],
    'facts': ', '.join(facts),
    'above': [s for s in sections if s.place < _PLACE_OF_PICTURES],
    'below': [s for s in sections if s.place >= _PLACE_OF_PICTURES],
    'largest': number(largest, 2),
    'segments': segments,
  }


@dataclasses.dataclass
class _Curve:
  """A measure by training step."""

  steps: list[float] = dataclasses.field(default_factory=list)
  values: list[float] = dataclasses.field(default_factory=list)

  def arrays(self) -> tuple[np.ndarray, np.ndarray]:
    return np.array(self.steps, float), np.array(self.values, float)


def _curves(
  path: pathlib.Path, tasks: Sequence[Task], step: int | None
) -> list[dict[str, Any]]:
  """Returns the charts of the training, none where nothing was recorded."""
  curves = _read_curves(path)
  losses = ['loss', *(task.name for task in tasks)]
  of_tasks = {
    title: tuple(measures)
    for task in tasks
    for title, measures in task.curves().items()
  }
  order = [f'train/{name}' for name in losses]
  order += [
    f'validation/{measure}'
    for measure in itertools.chain(*of_tasks.values(), _MEASURE_NAMES)
  ]
  charts: dict[str, dict[str, str]] = {}
  for name in sorted(
    curves,
    # Unknown ones by name, at the end.
    key=lambda n: (order.index(n) if n in order else len(order), n),
  ):
    group, measure = name.split('/', 1)
    label = _MEASURE_NAMES.get(measure, _of_chart(measure).replace('_', ' '))
    if group == 'train':
      title = f'training: {label}' + ' loss' * (measure in losses[1:])
    else:
      chart = [c for c, measures in of_tasks.items() if measure in measures]
      title = f'validation: {(chart or [label])[0]}'
    charts.setdefault(title, {})[label] = name
  return [
    named_chart(
      title,
      report_charts.curve_chart(
        title,
        {label: curves[name].arrays() for label, name in names.items()},
        step,
      ),
    )
    for title, names in charts.items()
  ]


def _of_chart(measure: str) -> str:
  """Returns the part of a measure's name that its chart does not tell."""
  for prefix in ('accuracy_', 'stage_end_mae_', 'fault_spearman_'):
    measure = measure.removeprefix(prefix)
  return 'mean' if measure == 'mean_fault_spearman' else measure


def _read_curves(path: pathlib.Path) -> dict[str, _Curve]:
  """Reads metrics.jsonl; leaves out measures that are always NaN."""
  if not path.exists():
    return {}
  curves: dict[str, _Curve] = {}
  for line in path.read_text('utf-8', errors='replace').splitlines():
    try:
      scalars = json.loads(line)
      step = float(scalars.pop('step'))
    except (ValueError, KeyError, TypeError, AttributeError):
      continue  # A line that a kill has cut off.
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
