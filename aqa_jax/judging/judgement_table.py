"""Judgements as tables: a CSV file, and lines for the terminal."""

import csv
import io
import textwrap
from collections.abc import Iterator
from typing import Any

from aqa_jax.evaluation.dive_words import class_words
from aqa_jax.judging.judgement import Judgement
from aqa_jax.judging.model_card import SIMULATED

_HEADER = '  dive   take-off      entry   score  90 % interval  what'


def heading(judgement: Judgement) -> str:
  """Returns the lines above the table of a video's dives.

  Args:
    judgement: of any of its dives.
  """
  lines = [f'{judgement.name}: several dives', _HEADER]
  if judgement.is_of_simulated_dives:
    lines = [*textwrap.wrap(SIMULATED, 80), *lines]
  return '\n'.join(lines)


def line(number: int, judgement: Judgement) -> str:
  """Returns a dive as a line of the table.

  Args:
    number: of the dive in its video, from 1.
    judgement: its judgement.
  """
  score = interval = '-'
  if judgement.score is not None:
    score = f'{judgement.score:.1f}'
  if judgement.score_interval is not None:
    interval = '{:.1f} to {:.1f}'.format(*judgement.score_interval)
  words = class_words(judgement.classes) if judgement.classes else ''
  what = ' '.join(filter(None, (judgement.dive_number, words)))
  return (
    f'  {number:4d} {clock(judgement.take_off_seconds):>10} '
    f'{clock(judgement.entry_seconds):>10} {score:>7}  {interval:>13}  {what}'
  )


def clock(seconds: float | None) -> str:
  """Returns a time as a player shows it, such as 1:02:03.4."""
  if seconds is None:
    return '-'
  tenths = round(10 * seconds)
  minutes, tenths = divmod(tenths, 600)
  hours, minutes = divmod(minutes, 60)
  begin = f'{hours}:{minutes:02d}' if hours else f'{minutes}'
  return f'{begin}:{tenths // 10:02d}.{tenths % 10}'


def csv_text(rows: list[dict[str, Any]]) -> str:
  """Returns a CSV file with a line a dive.

  Args:
    rows: from `Judgement.to_dict`; what is nested gets a column each.
  """
  flat = [dict(_flat(row)) for row in rows]
  names = list(dict.fromkeys(name for row in flat for name in row))
  text = io.StringIO(newline='')
  table = csv.DictWriter(text, names, lineterminator='\n')
  table.writeheader()
  table.writerows(flat)
  return text.getvalue()


def _flat(row: dict[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
  for name, value in row.items():
    if isinstance(value, dict):
      yield from _flat(value, f'{prefix}{name}/')
    elif name == 'score_interval' and value is not None:
      yield from zip(('score_low', 'score_high'), value, strict=True)
    elif name in ('frame_numbers', 'frame_seconds') and value:
      yield f'first_{name[:-1]}', value[0]
      yield f'last_{name[:-1]}', value[-1]
    elif name == 'warnings':
      yield prefix + name, ' '.join(value)
    elif name == 'marks':
      yield prefix + name, ' '.join(f'{mark:g}' for mark in value)
    elif name == 'points_lost':
      for lost in value:
        yield f'{prefix}{name}/{lost["fault"]}', lost['points']
    elif not isinstance(value, list):
      yield prefix + name, value
