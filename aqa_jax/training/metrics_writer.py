"""Files of numbers by training step."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging

from aqa_jax.files import json_ready, write_atomically
from tfds_mtl_aqa.input_error import InputError


class MetricsWriter:
  """Writes metrics.jsonl and TensorBoard files.

  A line of metrics.jsonl is {"step": 120, "train/loss": 3.21, ...}, one for
  each call of `write_scalars`; NaN and infinities are null. Every line is
  flushed: a kill loses none. A resumed run removes the lines after its
  checkpoint, so that every step is there once. TensorBoard's own files, in the
  folder tensorboard/, only grow: a resumed run tells TensorBoard to hide the
  steps after its checkpoint.
  """

  def __init__(
    self,
    folder: str | os.PathLike[str],
    start_step: int | None,
    tensorboard: bool = True,
    enabled: bool = True,
  ):
    """Opens the files, creating the folder if needed.

    Args:
      folder: workdir of the run, on a local or mounted disk.
      start_step: the step of the checkpoint the run resumes from, whose own
        lines stay; None for a run from scratch, which starts an empty file.
      tensorboard: whether to write TensorBoard files.
      enabled: False writes nothing at all, for all processes but the first.

    Raises:
      InputError: the folder is a file.
    """
    self._metrics = self._tensorboard = None
    if not enabled:
      return
    folder = pathlib.Path(folder)
    try:
      folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
      raise InputError(
        f'{folder} is or lies under a file: give a folder for the run.'
      ) from None
    self._metrics = JsonLines(folder / 'metrics.jsonl', start_step)
    if tensorboard:
      # Imported here: not every command trains.
      import tensorboardX

      self._tensorboard = tensorboardX.SummaryWriter(
        os.fspath(folder / 'tensorboard'),
        # The first step that TensorBoard hides.
        purge_step=None if start_step is None else start_step + 1,
        # Else two starts within a second would write to the same file.
        filename_suffix=f'.{start_step or 0}',
      )

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    """Writes numbers.

    Args:
      step: training steps done.
      scalars: name -> number; NumPy and JAX scalars too.

    Raises:
      ValueError: a value is not one number, or is named 'step'.
    """
    if not self._metrics:
      return
    numbers = {}
    for name, value in scalars.items():
      array = np.asarray(value)
      if array.size != 1 or name == 'step':
        raise ValueError(
          f"Scalars must be single numbers not named 'step', got {name!r} of "
          f'shape {array.shape}.'
        )
      numbers[name] = float(array.reshape(()))
    self._metrics.append({'step': int(step)} | numbers)
    if self._tensorboard:
      for name, number in numbers.items():
        self._tensorboard.add_scalar(name, number, int(step))

  def flush(self) -> None:
    """Waits until all is on the disk: then a loss of power does no harm."""
    if self._metrics:
      self._metrics.sync()
    if self._tensorboard:
      self._tensorboard.flush()

  def close(self) -> None:
    """Closes the files; a second call does nothing."""
    for writer in (self._metrics, self._tensorboard):
      if writer:
        writer.close()
    self._metrics = self._tensorboard = None


class JsonLines:
  """A file of JSON objects, one a line, each with the key 'step'."""

  def __init__(self, path: pathlib.Path, start_step: int | None):
    """Opens the file to append to it.

    Args:
      path: path of the file; made if it is not there.
      start_step: lines of later steps are taken out; None for all lines.
    """
    if path.exists():
      self._drop_after(path, start_step)
    self._file = open(path, 'a', encoding='utf-8', newline='')  # noqa: SIM115

  def append(self, record: Mapping[str, Any]) -> None:
    """Writes a line and flushes it, so that a kill can't lose it.

    Args:
      record: has the key 'step'; NaN and infinities become null.
    """
    line = json.dumps(json_ready(record), allow_nan=False, ensure_ascii=False)
    self._file.write(line + '\n')
    self._file.flush()

  def sync(self) -> None:
    """Waits until all lines are on the disk."""
    os.fsync(self._file.fileno())

  def close(self) -> None:
    """Closes the file."""
    self._file.close()

  @staticmethod
  def _drop_after(path: pathlib.Path, start_step: int | None) -> None:
    """Keeps the whole lines up to a step, none if it is None."""
    old = path.read_bytes()
    kept, unreadable = [], 0
    # After the last line end is b'', or a line that a kill has cut off.
    for line in old.split(b'\n')[:-1]:
      try:
        text = line.decode('utf-8')
        step = json.loads(text)['step']
        if start_step is not None and step <= start_step:
          kept.append(text + '\n')
      except (ValueError, KeyError, TypeError):
        unreadable += 1
    if unreadable:
      logging.warning('Dropped %d unreadable lines of %s.', unreadable, path)
    new = ''.join(kept)
    if new.encode('utf-8') != old:
      write_atomically(path, new)
