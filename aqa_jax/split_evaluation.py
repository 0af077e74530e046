"""The evaluation of one test split: its measures, files, table and page."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from aqa_jax.evaluation import evaluation_files, predict
from aqa_jax.evaluation.conformal import ScoreIntervals
from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.evaluation.interval_coverage import measure_intervals
from aqa_jax.predictions import Predictions
from aqa_jax.report import report
from aqa_jax.report.report import Filmstrips
from aqa_jax.task import Task


def add_measures(
  evaluation: dict[str, Any],
  tasks: Sequence[Task],
  predictions: Predictions,
  evaluators: Sequence[Evaluator],
  intervals: ScoreIntervals | None,
) -> None:
  """Adds to an evaluation what is measured of the predictions.

  Args:
    evaluation: what is known of it.
    tasks: tasks of the model.
    predictions: predictions for the dives of the split, see
      `with_half_widths`.
    evaluators: see `chosen_evaluators`.
    intervals: intervals of the scores; None for none.
  """
  predict.add_figures(evaluation, predict.measure(tasks, predictions), 'a task')
  if intervals is not None:
    evaluation['score_interval'] = measure_intervals(predictions, intervals)
  for evaluator in evaluators:
    predict.add_figures(
      evaluation, evaluator.evaluate(predictions), type(evaluator).__name__
    )


def publish(
  workdir: pathlib.Path,
  tasks: Sequence[Task],
  evaluation: Mapping[str, Any],
  predictions: Predictions,
  filmstrips: Filmstrips | None,
  facts: Mapping[str, str],
) -> None:
  """Writes the files and the page of an evaluation, and prints its table.

  Args:
    workdir: folder of the run.
    tasks: tasks of the model.
    evaluation: what `add_measures` has completed.
    predictions: the predictions that were measured.
    filmstrips: see `report.write_report`.
    facts: see `report.write_report`.
  """
  name = evaluation['split']
  rows = evaluation_files.prediction_rows(tasks, predictions)
  evaluation_files.write_predictions(workdir, name, rows)
  evaluation_files.write_evaluation(workdir, name, evaluation)
  origin = ''
  if evaluation['step'] is not None:
    origin = f', checkpoint of step {evaluation["step"]}'
  print(f'\n{name}: {len(predictions)} dives{origin}\n')
  print(evaluation_files.format_table(tasks, evaluation))
  print('\n' + evaluation_files.format_samples(rows, n=4))
  path = report.write_report(
    workdir, tasks, evaluation, predictions, filmstrips, facts
  )
  print(f'\nReport, for a browser: {path}')
