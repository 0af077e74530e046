"""The progress line of a training."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO


class ProgressLine:
  """Prints how far training is, how fast it goes and how long it will take.

  On a terminal the new line replaces the last one; a log file gets them all.
  The speed is that since the previous line. The time left is estimated from all
  steps but the first, which contains the compilation.
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
      clock: returns seconds that never go back.

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
    """Returns whether `update` would print a line now.

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
    if self._first is None or self._last is None:
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
      # Spaces cover the rest of a longer line.
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


def _short(value: Any) -> str:
  """Returns a number in three digits, without an exponent above 1000."""
  number = float(value)
  if 1000 <= abs(number) < 1e9:
    return f'{number:.0f}'
  return f'{number:.3g}'
