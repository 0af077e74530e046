"""The goodput: the share of the time that went into steps that were kept."""

import json
import math
import pathlib
import time

import jax

from aqa_jax.files import write_atomically
from aqa_jax.training.progress import format_duration

_FILE = 'goodput.json'


class Goodput:
  """The time of a training over all of its starts, in goodput.json.

  Useful is the time of steps that a checkpoint holds. Not useful are start-up,
  compilation, validation, saving, and steps that a kill lost and that had to be
  done again. Two times do not count at all: between an end and the next start,
  and the evaluation on the test splits after the last step.
  """

  def __init__(self, workdir: pathlib.Path, started: float):
    """Begins another start.

    Args:
      workdir: folder of the run.
      started: `time.monotonic()` when the program was started. Monotonic: a
        clock that is set back does no harm.
    """
    self._path = workdir / _FILE
    self._started = started
    self._added = self._marked = self._kept = 0.0
    self._before = {'starts': 0, 'seconds': 0.0, 'useful_seconds': 0.0}
    if self._path.exists():
      try:
        recorded = json.loads(self._path.read_text())
        before = {name: float(recorded[name]) for name in self._before}
      except (ValueError, KeyError, TypeError, OverflowError):
        # A damaged file must not end the training: begin to count anew.
        before = {}
      if before and all(0 <= x < math.inf for x in before.values()):
        self._before = before | {'starts': int(before['starts'])}
    self.record()

  def add(self, seconds: float) -> None:
    """Adds the time of a step."""
    self._added += seconds

  def mark(self) -> None:
    """Notes that a checkpoint of the steps so far is being written."""
    self._marked = self._added

  def keep(self) -> None:
    """Counts the time before the last mark as useful: it is on the disk."""
    self._kept = self._marked
    self.record()

  def record(self) -> None:
    """Writes the file. A kill loses only the time since the last record."""
    if jax.process_index():
      return
    figures = self.figures()
    write_atomically(self._path, json.dumps(figures, indent=2) + '\n')

  def figures(self) -> dict[str, float]:
    """Returns starts, seconds, useful_seconds and their ratio, goodput."""
    seconds = self._before['seconds'] + time.monotonic() - self._started
    useful = self._before['useful_seconds'] + self._kept
    return {
      'starts': self._before['starts'] + 1,
      'seconds': seconds,
      'useful_seconds': useful,
      'goodput': useful / seconds,
    }

  def summary(self) -> str:
    """Returns the figures as a sentence."""
    figures = self.figures()
    return (
      f'Goodput {100 * figures["goodput"]:.0f} %: steps took '
      f'{format_duration(figures["useful_seconds"])} of '
      f'{format_duration(figures["seconds"])}, in {figures["starts"]} start(s).'
    )
