"""The report's parts about the marks of the judges."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax.data import judges_marks
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.predictions import Predictions
from aqa_jax.report.report_tables import number, signed
from aqa_jax.task import Section


def sections(
  predictions: Predictions, evaluation: Mapping[str, Any]
) -> list[Section]:
  """Returns the errors of the marks, by judge; none where none is known.

  Args:
    predictions: the predictions that were evaluated.
    evaluation: measures of the predictions.
  """
  if 'mark_mae' not in evaluation:
    return []
  true = np.asarray(predictions.label('judge_scores'), np.float64)
  error = np.asarray(predictions.outputs['marks'], np.float64) - true
  rows = []
  for judge, errors in enumerate(error.T, start=1):
    errors = errors[np.isfinite(errors)]
    if not errors.size:
      continue
    rows.append(
      {
        'judge': str(judge),
        'count': str(errors.size),
        'bias': signed(float(errors.mean()), 2),
        'mae': number(float(np.abs(errors).mean()), 2),
        'within': number(100 * float((np.abs(errors) <= 0.5).mean()), 1),
      }
    )
  content = {
    'rows': rows,
    'mae': number(evaluation['mark_mae'], 3),
    'within': number(evaluation['marks_within_half'], 1),
  }
  return [Section('marks', 'Marks', 'marks.html', content, 15)]


def dive_section(
  score: Section, predictions: Predictions, index: int
) -> Section:
  """Returns a dive's score with the marks that it follows from.

  Args:
    score: the section of the score alone.
    predictions: the predictions that were evaluated.
    index: place of the dive, from 0.
  """
  outputs, rule = predictions.outputs, predictions.schema.score_rule
  true = np.asarray(predictions.labels['judge_scores'][index], np.float64)
  boards = [
    scoreboard(
      'predicted',
      outputs['marks'][index],
      float(outputs['used_difficulty'][index]),
      rule,
    )
  ]
  if np.isfinite(true).all():
    difficulty = float(predictions.label('difficulty')[index])
    boards.append(scoreboard('true', true, difficulty, rule))
  content = score.content | {'boards': boards}
  return dataclasses.replace(score, template='dive_marks.html', content=content)


def scoreboard(
  name: str,
  marks: Sequence[float] | np.ndarray,
  difficulty: float,
  rule: ScoreRule,
) -> dict[str, Any]:
  """Returns what a template shows of the marks of a dive.

  Args:
    name: whose marks they are.
    marks: float [7].
    difficulty: of the dive.
    rule: how the score follows.
  """
  marks = np.asarray(marks, np.float64)
  counts = judges_marks.counting(marks)
  return {
    'name': name,
    'marks': [
      {'mark': number(float(mark), 1), 'counts': bool(is_counted)}
      for mark, is_counted in zip(marks, counts, strict=True)
    ],
    'sum': formula(marks, difficulty, rule),
  }


def formula(
  marks: Sequence[float] | np.ndarray, difficulty: float, rule: ScoreRule
) -> str:
  """Returns how the score follows from the marks, as a text.

  Such as '(7.0 + 7.0 + 7.5) × 3.2 = 68.80'.

  Args:
    marks: float [7].
    difficulty: of the dive.
    rule: how the score follows.
  """
  marks = np.asarray(marks, np.float64)
  middle = ' + '.join(f'{m:.1f}' for m in marks[judges_marks.counting(marks)])
  score = float(
    rule.score(judges_marks.trimmed_sum(marks), np.asarray(difficulty))
  )
  if rule is ScoreRule.SUM:
    return f'{difficulty:.1f} + ({middle}) / 3 = {score:.2f}'
  return f'({middle}) × {difficulty:.1f} = {score:.2f}'
