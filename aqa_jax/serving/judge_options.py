"""The options of a judgement, from the address of a request."""

from collections.abc import Mapping
from typing import Any

from aqa_jax.judging.window_end import parse_end
from aqa_jax.serving.problem import Problem
from tfds_mtl_aqa.input_error import InputError

_NAMES = ('end', 'speed', 'force', 'name')


def judge_options(query: Mapping[str, str]) -> dict[str, Any]:
  """Returns options of `Judge.dives`.

  Args:
    query: of the address: end, such as '62' or '2.4s'; speed, from 0.01 to 100;
      force, '1' or '0'. One that is empty is left out. `name` is no option.

  Raises:
    Problem: one is wrong, or unknown.
  """
  unknown = sorted(set(query) - set(_NAMES))
  if unknown:
    raise _wrong(unknown[0], f'is unknown; there are {", ".join(_NAMES)}.')
  options: dict[str, Any] = {}
  if end := query.get('end', '').strip():
    try:
      frame, seconds = parse_end(end)
    except InputError as e:
      raise _wrong('end', str(e)) from e
    options |= (
      {'end_seconds': seconds} if frame is None else {'end_frame': frame}
    )
  if speed := query.get('speed', '').strip():
    try:
      options['speed'] = float(speed)
    except ValueError:
      options['speed'] = 0.0
    if not 0.01 <= options['speed'] <= 100:
      raise _wrong('speed', f'give 0.01 to 100, not {speed[:100]!r}.')
  force = query.get('force', '0').strip()
  if force not in ('', '0', '1'):
    raise _wrong('force', f'give 1 or 0, not {force[:100]!r}.')
  options['force'] = force == '1'
  return options


def _wrong(name: str, message: str) -> Problem:
  return Problem(400, 'bad_option', f'{name[:100]}: {message}')
