"""Runs a command whose errors end in one line."""

import argparse
import io
import math
import os
import pathlib
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import logging

from aqa_jax import own_parts
from tfds_mtl_aqa.input_error import InputError


class Parser(argparse.ArgumentParser):
  """A parser whose errors are one line, as all others of this program."""

  def error(self, message: str) -> NoReturn:
    """Raises an InputError."""
    raise InputError(f'{message}; see --help.')


def number(least: float, most: float) -> Callable[[str], float]:
  """Returns what reads a number from `least` to `most`, for an argument."""

  def read(text: str) -> float:
    try:
      value = float(text)
    except ValueError:
      value = math.nan
    if not least <= value <= most:
      raise argparse.ArgumentTypeError(
        f'give a number from {least:g} to {most:g}, not {text!r}'
      )
    return value

  return read


def path(text: str) -> pathlib.Path:
  """Returns the path that an argument names; ~ is the home folder.

  Not every shell puts the home folder into --out=~/model.
  """
  if not text:
    raise argparse.ArgumentTypeError('give a name, not nothing')
  found = pathlib.Path(os.path.expanduser(text))
  try:
    found.exists()
  except OSError as e:  # Such as a name that is too long.
    raise argparse.ArgumentTypeError(
      f'{text[:100]!r}: {e.strerror}; give another name'
    ) from e
  return found


def run(main: Callable[[], int | None], program: str) -> None:
  """Runs a command, and ends the program with its exit code.

  The code is what `main` returns, 0 for None; 2 for an InputError, and 130
  after Ctrl-C.

  Args:
    main: the command.
    program: name of the program, which begins a line of error.
  """
  # Libraries print warnings that a user can do nothing about.
  logging.set_verbosity(logging.ERROR)
  own_parts.find_in(os.getcwd())
  if isinstance(sys.stdout, io.TextIOWrapper):
    # A name may have letters that the terminal has not.
    sys.stdout.reconfigure(errors='backslashreplace')
  try:
    code = main()
    sys.stdout.flush()
  except BrokenPipeError:
    # Whoever reads has enough, such as `head`. Python would try to write again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = 1
  except InputError as e:
    print(f'{program}: {e}', file=sys.stderr)
    code = 2
  except KeyboardInterrupt:
    print(f'{program}: interrupted.', file=sys.stderr, flush=True)
    sys.stdout.flush()
    # Not sys.exit: XLA may be compiling, and would crash.
    os._exit(130)
  sys.exit(code or 0)
