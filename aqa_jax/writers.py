"""Where training tells how it goes: metric files and the progress line."""

import contextlib
import errno
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import numpy as np
from absl import logging

from tfds_mtl_aqa.input_error import InputError


def is_disk_full(error: Exception) -> bool:
  """Returns whether an error, of whatever library, says so."""
  return os.strerror(errno.ENOSPC) in str(error)


class MetricsWriter:
  """Writes metrics.jsonl and, with TensorFlow, TensorBoard files.

  A line of metrics.jsonl is {"step": 120, "train/loss": 3.21, ...}, one for
  each call of `write_scalars`; NaN and infinities are null. Every line is
  flushed, so that a killed run loses none, and a resumed one takes off the
  lines past its checkpoint: every step stands there once. TensorBoard's own
  files, in the folder tensorboard/, are only ever appended to: there the steps
  between the checkpoint and the kill show twice.

  The methods are those of clu's `metric_writers.MetricWriter`, as far as this
  project uses them.
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
      folder: of the run (its workdir), on a local or mounted disk.
      start_step: the step of the checkpoint the run resumes from, whose own
        lines stay; None for a run from scratch, which starts an empty file.
      tensorboard: whether to write TensorBoard files where that is possible.
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
      self._tensorboard = _tensorboard_writer(folder / 'tensorboard')

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
      self._tensorboard.write_scalars(int(step), numbers)

  def flush(self) -> None:
    """Returns when all is on the disk, even if the power fails."""
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


class ProgressLine:
  """Prints how far training is, how fast it goes and how long it will take.

  On a terminal the line is rewritten in place; elsewhere (a log file) each is
  a line of its own. The speed counts from the previous line, the time left from
  the first step on; compilation, which the first step contains, is left out.
  """

  def __init__(
    self,
    num_steps: int,
    batch_size: int,
    seconds: float = 10.0,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Prints nothing yet.

    Args:
      num_steps: the step training ends at.
      batch_size: dives a step, over all processes.
      seconds: from one line to the next.
      stream: where to print; None for standard output.
      clock: returns seconds, ever growing.

    Raises:
      ValueError: num_steps or batch_size is not positive.
    """
    if num_steps < 1 or batch_size < 1:
      raise ValueError(
        f'num_steps and batch_size must be positive, got {num_steps} and '
        f'{batch_size}.'
      )
    self._num_steps = num_steps
    self._batch_size = batch_size
    self._seconds = seconds
    self._stream = sys.stdout if stream is None else stream
    self._clock = clock
    self._first: tuple[int, float] | None = None
    self._last: tuple[int, float] | None = None
    self._width = 0

  def due(self, step: int) -> bool:
    """Returns whether `update` is worth its fetch of the losses now.

    Args:
      step: training steps done.

    Returns:
      True at the first step asked about, at the last step of training, and
      when the time between two lines has passed.
    """
    if self._last is None:
      return True
    last_step, last_time = self._last
    return step > last_step and (
      step >= self._num_steps or self._clock() - last_time >= self._seconds
    )

  def update(self, step: int, losses: Mapping[str, Any]) -> None:
    """Prints a line if one is due.

    Args:
      step: training steps done.
      losses: 'loss', the sum, and its parts by name; single numbers.
    """
    if not self.due(step):
      return
    now = self._clock()
    speed = seconds_left = None
    if self._first is None:
      self._first = step, now
    else:
      if now > self._last[1]:
        speed = (
          self._batch_size * (step - self._last[0]) / (now - self._last[1])
        )
      seconds_left = (
        (self._num_steps - step)
        * (now - self._first[1])
        / (step - self._first[0])
      )
    self._last = step, now
    line = format_progress(step, self._num_steps, losses, speed, seconds_left)
    if self._stream.isatty():
      # Blanks cover what a longer line left behind.
      self._stream.write('\r' + line.ljust(self._width))
      self._width = len(line)
      if step >= self._num_steps:
        self.break_line()
    else:
      self._stream.write(line + '\n')
    self._stream.flush()

  def break_line(self) -> None:
    """Ends a line that would be rewritten, before something else is printed."""
    if self._width:
      self._stream.write('\n')
      self._stream.flush()
      self._width = 0


def format_progress(
  step: int,
  num_steps: int,
  losses: Mapping[str, Any],
  dives_per_second: float | None = None,
  seconds_left: float | None = None,
) -> str:
  """Returns the progress line.

  Args:
    step: training steps done.
    num_steps: the step training ends at.
    losses: 'loss', the sum, and its parts by name; single numbers.
    dives_per_second: the training speed; None where unknown.
    seconds_left: until the last step; None where unknown.

  Returns:
    Such as 'step 120/2000  loss 3.21 (score 1.9 classes 1.2)  31.2 dives/s
    3m20s left', in one line.
  """
  pieces = [f'step {step}/{num_steps}']
  parts = ' '.join(
    f'{name} {_short(value)}'
    for name, value in losses.items()
    if name != 'loss'
  )
  if 'loss' in losses:
    pieces.append(
      f'loss {_short(losses["loss"])}' + (f' ({parts})' if parts else '')
    )
  elif parts:
    pieces.append(parts)
  if dives_per_second is not None:
    pieces.append(f'{_short(dives_per_second)} dives/s')
  if seconds_left is not None:
    pieces.append(f'{format_duration(seconds_left)} left')
  return '  '.join(pieces)


def format_duration(seconds: float) -> str:
  """Returns a time span in its two largest units: 45s, 3m20s, 2h05m, 1d03h.

  Args:
    seconds: not negative; rounded to whole seconds.
  """
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  days, hours = divmod(hours, 24)
  if days:
    return f'{days}d{hours:02d}h'
  if hours:
    return f'{hours}h{minutes:02d}m'
  if minutes:
    return f'{minutes}m{seconds:02d}s'
  return f'{seconds}s'


def write_atomically(path: str | os.PathLike[str], text: str) -> None:
  """Writes a text file that is, at any time, wholly old or wholly new.

  Args:
    path: the file, in an existing folder.
    text: its content, written as UTF-8 with the line ends it has.
  """
  path = pathlib.Path(path)
  # The process id keeps two runs in one folder from writing one file.
  part = path.with_name(f'{path.name}.{os.getpid()}.part')
  try:
    with open(part, 'w', encoding='utf-8', newline='') as file:
      file.write(text)
      file.flush()
      os.fsync(file.fileno())
    os.replace(part, path)
  finally:
    part.unlink(missing_ok=True)


def json_ready(value: Any) -> Any:
  """Returns a value that strict JSON can hold.

  Args:
    value: numbers, NumPy scalars and arrays, texts, None, and mappings and
      sequences of them.

  Returns:
    The same in Python's own types; NaN and infinities become None.
  """
  if isinstance(value, Mapping):
    return {str(key): json_ready(entry) for key, entry in value.items()}
  if isinstance(value, (np.ndarray, np.generic)):
    return json_ready(value.tolist())
  if isinstance(value, (list, tuple)):
    return [json_ready(entry) for entry in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


class JsonLines:
  """A file of JSON objects, one a line, each with the key 'step'."""

  def __init__(self, path: pathlib.Path, start_step: int | None):
    """Opens the file to append to it.

    Args:
      path: of the file; made if it is not there.
      start_step: lines of later steps are taken out; None for all lines.
    """
    if path.exists():
      self._drop_after(path, start_step)
    self._file = open(path, 'a', encoding='utf-8', newline='')  # noqa: SIM115

  def append(self, record: Mapping[str, Any]) -> None:
    """Writes a line, and sees to it that a kill can not lose it."""
    line = json.dumps(json_ready(record), allow_nan=False, ensure_ascii=False)
    self._file.write(line + '\n')
    self._file.flush()

  def sync(self) -> None:
    """Returns when all lines are on the disk."""
    os.fsync(self._file.fileno())

  def close(self) -> None:
    """Closes the file."""
    self._file.close()

  @staticmethod
  def _drop_after(path: pathlib.Path, start_step: int | None) -> None:
    """Keeps the whole lines up to a step, none if it is None."""
    old = path.read_bytes()
    kept, unreadable = [], 0
    # What follows the last line end is a line that a kill has torn, or b''.
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


def _tensorboard_writer(folder: pathlib.Path) -> Any:
  """Returns clu's writer of TensorBoard files, None without TensorFlow."""
  # It has things to say at its import that concern nobody here.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  try:
    import tensorflow as tf
    from clu import metric_writers
  except ImportError as error:
    logging.log_first_n(
      logging.INFO,
      'No TensorBoard files, only metrics.jsonl (%s). For them install the '
      'extra: pip install "aqa_jax[tf]".',
      1,
      error,
    )
    return None
  # TensorFlow would take all of the GPU's memory from JAX. It refuses once it
  # is in use, and then has what it wanted.
  with contextlib.suppress(RuntimeError):
    tf.config.set_visible_devices([], 'GPU')
  return metric_writers.SummaryWriter(os.fspath(folder))


def _short(value: Any) -> str:
  """Returns a number in three digits, without an exponent above 1000."""
  number = float(value)
  if 1000 <= abs(number) < 1e9:
    return f'{number:.0f}'
  return f'{number:.3g}'
