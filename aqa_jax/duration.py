"""Durations of a config, in epochs, examples or steps."""

import contextlib
import math
import re

import ml_collections

from tfds_mtl_aqa.input_error import InputError

_DURATION = re.compile(r'\s*([0-9.eE+-]+)\s*(epoch|example|step)s?\s*')


def parse(text: str, field: str) -> tuple[float, str]:
  """Returns the number and the unit of a duration.

  Args:
    text: such as '100 epochs', '30000 examples' or '500 steps'.
    field: field of the config that holds it.

  Returns:
    A number, 0 or more, and 'epoch', 'example' or 'step'.

  Raises:
    InputError: it is no duration.
  """
  match = _DURATION.fullmatch(text)
  number = math.nan
  if match:
    with contextlib.suppress(ValueError):
      number = float(match[1])
  if match is None or not 0 <= number < math.inf:
    raise InputError(
      f"config.{field}='{text}': give a number of epochs, examples or steps, 0 "
      "or more, such as '1.5 epochs'."
    )
  return number, match[2]


def to_steps(text: str, field: str, batch_size: int, num_examples: int) -> int:
  """Returns a duration in steps, rounded to the nearest.

  Args:
    text: see `parse`.
    field: field of the config that holds it.
    batch_size: examples of a step.
    num_examples: examples of an epoch.

  Raises:
    InputError: it is no duration, or more steps than a counter holds.
  """
  number, unit = parse(text, field)
  examples = {'epoch': num_examples, 'example': 1, 'step': batch_size}[unit]
  steps = number * examples / batch_size
  if steps >= 2**31:
    raise InputError(
      f"config.{field}='{text}': that is {steps:.3g} steps of "
      f'config.batch_size={batch_size}; give fewer than 2 billion.'
    )
  return round(steps)


def count_steps(config: ml_collections.ConfigDict, num_examples: int) -> int:
  """Returns the steps of a whole training, `config.duration`.

  Raises:
    InputError: `config.duration` or `config.checkpoint_every` is no duration or
      too long, or `config.duration` is less than one step.
  """
  steps = to_steps(config.duration, 'duration', config.batch_size, num_examples)
  if not steps:
    raise InputError(
      f"config.duration='{config.duration}': that is 0 steps of "
      f'config.batch_size={config.batch_size}; give at least one.'
    )
  # Checked here, before anything is compiled.
  to_steps(
    config.checkpoint_every, 'checkpoint_every', config.batch_size, num_examples
  )
  return steps


def times(text: str, factor: float, field: str) -> str:
  """Returns a duration times a factor.

  Args:
    text: see `parse`.
    factor: to multiply with, 0 or more.
    field: field of the config that holds it.

  Raises:
    InputError: it is no duration.
  """
  number, unit = parse(text, field)
  return f'{number * factor:.12g} {unit}s'
