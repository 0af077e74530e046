"""Prints judgements as they are made."""

import sys

import tqdm

from aqa_jax.judging import judgement_table
from aqa_jax.judging.judgement import Judgement


class JudgementPrinter:
  """Prints judgements: the dives of a video with several as a table."""

  def __init__(self, prints: bool):
    """Prints nothing yet.

    Args:
      prints: False to print nothing at all.
    """
    self._prints = prints
    self._waiting: Judgement | None = None
    self._number = 0

  def __enter__(self) -> 'JudgementPrinter':
    """Returns it."""
    return self

  def __exit__(self, *error: object) -> None:
    """Prints the judgement that waits, after Ctrl-C, too."""
    self._end()

  def add(self, judgement: Judgement) -> None:
    """Prints a judgement, or lets it wait for the next one."""
    if not self._prints:
      return
    waiting = self._waiting
    if self._number and waiting and waiting.name == judgement.name:
      if self._number == 1:
        _print(judgement_table.heading(waiting))
        _print(judgement_table.line(1, waiting))
      self._number += 1
      _print(judgement_table.line(self._number, judgement))
    else:
      self._end()
      self._number = 1
    self._waiting = judgement

  def _end(self) -> None:
    """Prints the judgement that waits, if there is one."""
    if self._waiting is not None:
      _print(f'{self._waiting}\n' if self._number == 1 else '')
    self._waiting = None


def _print(text: str) -> None:
  tqdm.tqdm.write(text, file=sys.stdout)
