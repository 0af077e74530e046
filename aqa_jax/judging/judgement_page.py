"""Judgements as one HTML page, which needs no other file."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation.conformal import COVERAGE
from aqa_jax.evaluation.dive_words import class_words
from aqa_jax.judging.judgement import Judgement
from aqa_jax.judging.judgement_table import clock
from aqa_jax.judging.model import Model
from aqa_jax.judging.model_card import SIMULATED
from aqa_jax.report import filmstrip, marks_sections, page
from aqa_jax.report.report import explained
from aqa_jax.report.report_tables import number

# What a score's scale goes to: about the highest of MTL-AQA.
_HIGHEST = 105.0


def judgement_page(judgements: Sequence[Judgement], model: Model) -> str:
  """Returns the page, HTML.

  Args:
    judgements: judgements with pictures, any number.
    model: model that made them.
  """
  return page.render(
    'judgements.html',
    judgements=[_shown(each, model.schema.score_rule) for each in judgements],
    explains=explained(model.tasks),
    num_dives=sum(judgement.is_dive for judgement in judgements),
    caution=SIMULATED if model.is_of_simulated_dives else '',
    facts={
      'network': model.config.network,
      'trained on': model.dataset,
      'step': str(model.step),
    },
  )


def _shown(judgement: Judgement, rule: ScoreRule) -> dict[str, Any]:
  """Returns what the template shows of a judgement."""
  shown: dict[str, Any] = {
    'name': pathlib.PurePath(judgement.name).name,
    'path': judgement.name,
    'frames': judgement.frame_words(),
    'take_off': clock(judgement.take_off_seconds),
    'entry': clock(judgement.entry_seconds),
    'score': None,
    'classes': [
      (
        name.replace('_', ' '),
        value,
        f'{100 * judgement.class_probabilities[name][value]:.0f} %',
      )
      for name, value in judgement.classes.items()
    ],
    'words': class_words(judgement.classes) if judgement.classes else '',
    'dive_number': judgement.dive_number,
    'heights': judgement.difficulty_words(),
    'caption': judgement.caption,
    'lost': _lost(judgement),
    'warnings': judgement.warnings,
    'board': None,
    'segments': [],
    'largest': '',
  }
  if judgement.score is not None:
    shown['score'] = _gauge(judgement.score, judgement.score_interval)
  if judgement.marks and judgement.difficulty is not None:
    shown['board'] = marks_sections.scoreboard(
      'predicted', judgement.marks, judgement.difficulty, rule
    )
  if judgement.importance is not None and judgement.pictures:
    segments = filmstrip.cut(
      judgement.frame_numbers,
      judgement.importance,
      [functools.partial(_itself, data) for data in judgement.pictures],
    )
    shown['segments'], largest = filmstrip.shown(segments)
    shown['largest'] = number(largest, 2)
  return shown


def _lost(judgement: Judgement) -> dict[str, Any] | None:
  """Returns what the template shows of where points were lost."""
  lost = judgement.points_lost
  if not lost:
    return None
  widest = max(*(each.points for each in lost), 1.0)
  shown: dict[str, Any] = {
    'rows': [
      {
        'name': each.fault.replace('_', ' '),
        'phase': each.phase.replace('_', ' '),
        'points': number(each.points, 1),
        'width': round(100 * each.points / widest, 1),
        'seen': clock(each.seen_seconds),
      }
      for each in lost
    ]
  }
  rest = judgement.points_unexplained
  if rest is not None:
    assert judgement.score is not None and judgement.perfect_score is not None
    shown |= {
      'lost': number(judgement.perfect_score - judgement.score, 1),
      'perfect': number(judgement.perfect_score, 1),
      'unexplained': number(rest, 1),
    }
  return shown


def _itself(picture: bytes) -> bytes:
  return picture


def _gauge(
  score: float, interval: tuple[float, float] | None
) -> dict[str, Any]:
  """Returns the score and its interval; places are percent of the scale."""

  def place(points: float) -> float:
    return round(100 * min(max(points / _HIGHEST, 0.0), 1.0), 2)

  gauge: dict[str, Any] = {'points': number(score, 1), 'place': place(score)}
  if interval is not None:
    low, high = interval
    gauge |= {
      'coverage': f'{100 * COVERAGE:g}',
      'low': number(low, 1),
      'high': number(high, 1),
      'left': place(low),
      'width': round(place(high) - place(low), 2),
    }
  return gauge
