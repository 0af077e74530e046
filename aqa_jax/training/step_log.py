"""Writes the scalars of the training steps, and watches them for NaN."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aqa_jax.training.metrics_writer import JsonLines, MetricsWriter

_FILE = 'non_finite.jsonl'


class StepLog:
  """Collects the scalars of steps, and writes their means.

  A step whose loss or gradient was not finite changed nothing (see `steps`). It
  is not in the means: its number and the dives of its batch go into
  non_finite.jsonl.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    writer: MetricsWriter,
    start_step: int | None,
    max_non_finite: int,
  ):
    """Starts empty.

    Args:
      workdir: folder of the run.
      writer: writer of the means.
      start_step: see `MetricsWriter`.
      max_non_finite: so many steps in a row that are not finite end the
        training.
    """
    self._path = workdir / _FILE
    self._writer = writer
    self._start_step = start_step
    self._max_non_finite = max_non_finite
    self._in_a_row = 0
    self._unwritten: list[tuple[int, dict[str, jax.Array]]] = []
    if self._path.exists() and jax.process_index() == 0:
      JsonLines(self._path, start_step).close()

  def add(self, step: int, scalars: dict[str, jax.Array]) -> None:
    """Adds a step; waits for the one before: the host is one step ahead.

    Args:
      step: steps done.
      scalars: the step's; see `steps.make_train_step`.
    """
    if self._unwritten:
      jax.block_until_ready(self._unwritten[-1][1])
    self._unwritten.append((step, scalars))

  def unwritten(self) -> list[dict[str, Any]]:
    """Returns the steps that no line has yet, as JSON can hold them.

    Returns:
      For each, 'step', an int, and the scalars of `steps.make_train_step`.
    """
    return [
      {
        'step': step,
        **{name: np.asarray(v).tolist() for name, v in fetched.items()},
      }
      for step, fetched in jax.device_get(self._unwritten)
    ]

  def restore(self, unwritten: Sequence[Mapping[str, Any]]) -> None:
    """Takes over the steps that were not written when a checkpoint was saved.

    Args:
      unwritten: steps from the method `unwritten`.
    """
    # Earlier versions named it so.
    renamed = {'key': 'dive_id'}
    self._unwritten = [
      (
        step['step'],
        {renamed.get(k, k): v for k, v in step.items() if k != 'step'},
      )
      for step in unwritten
    ]

  def write(self) -> None:
    """Writes the means since the last time.

    Raises:
      FloatingPointError: too many steps in a row were not finite.
    """
    steps = self.unwritten()
    self._unwritten = []
    if not steps:
      return
    others = ('step', 'dive_id', 'is_finite')
    worst, last_of_worst = 0, 0
    for step in steps:
      self._in_a_row = 0 if step['is_finite'] else self._in_a_row + 1
      if self._in_a_row > worst:
        worst, last_of_worst = self._in_a_row, step['step']
      if not step['is_finite']:
        self._record(step)
    finite = [step for step in steps if step['is_finite']]
    means = {
      f'train/{name}': np.mean([step[name] for step in finite] or [np.nan])
      for name in steps[0]
      if name not in others
    }
    self._writer.write_scalars(steps[-1]['step'], means)
    if worst >= self._max_non_finite:
      raise FloatingPointError(
        f'the loss or its gradient was not finite in {worst} steps in a row, '
        f'the last of them step {last_of_worst}; {self._path} lists their '
        'dives. The checkpoints before them are kept. A lower '
        'config.optimizer.learning_rate, in another --workdir, may help.'
      )

  def _record(self, step: Mapping[str, Any]) -> None:
    if jax.process_index():
      return
    file = JsonLines(self._path, step['step'] - 1)
    file.append({k: v for k, v in step.items() if k != 'is_finite'})
    file.close()
