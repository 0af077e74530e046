"""The part of a video that is judged, placed by hand."""

import dataclasses
import math
import numbers
from collections.abc import Iterable, Sequence

import numpy as np

from aqa_jax.judging.clip import Clip
from aqa_jax.judging.frame_buffer import NEAR, FrameBuffer
from aqa_jax.judging.model import FrameFormat
from aqa_jax.judging.video import VideoFrame
from tfds_mtl_aqa.input_error import InputError

# A time that a player or this program shows is rounded.
_ROUNDING = 5e-3


@dataclasses.dataclass(frozen=True)
class Window:
  """Which part of a video is judged.

  Attributes:
    end_frame: number of its last frame, from 1; None for the last one.
    end_seconds: time of its last frame, s from the start; instead of end_frame.
    speed: how fast the video shows what happened: 0.25 for slow motion at a
      quarter of the speed.
  """

  end_frame: int | None = None
  end_seconds: float | None = None
  speed: float = 1.0

  @property
  def is_placed(self) -> bool:
    """Whether its end is given."""
    return self.end_frame is not None or self.end_seconds is not None

  def check(self) -> None:
    """Raises InputError where a field can't be."""
    if self.end_frame is not None and self.end_seconds is not None:
      raise InputError('give end_frame or end_seconds, not both.')
    if self.end_frame is not None and not (
      isinstance(self.end_frame, (int, np.integer))
      and not isinstance(self.end_frame, bool)
      and self.end_frame >= 1
    ):
      raise InputError(
        f'end_frame={self.end_frame!r}: give a whole number from 1 on.'
      )
    if self.end_seconds is not None and not (
      _is_number(self.end_seconds) and self.end_seconds >= 0
    ):
      raise InputError(f'end_seconds={self.end_seconds!r}: give 0 or more.')
    if not _is_number(self.speed) or not 0.01 <= self.speed <= 100:
      raise InputError(f'speed={self.speed!r}: give 0.01 to 100.')

  def ends_before(self, frame: VideoFrame) -> bool:
    """Returns whether a frame comes after the window."""
    if self.end_frame is not None:
      return frame.number > self.end_frame
    return self.end_seconds is not None and (
      frame.seconds > self.end_seconds + _ROUNDING
    )


def _is_number(value: object) -> bool:
  return isinstance(value, numbers.Real) and math.isfinite(value)


def read_window(
  name: str,
  frames: Iterable[VideoFrame],
  frame_format: FrameFormat,
  count: int,
  window: Window,
  with_pictures: bool = False,
  warnings: Sequence[str] = (),
) -> Clip:
  """Returns the clip of a window; see `FrameBuffer.clip`.

  Args:
    name: path of the video, for messages.
    frames: all frames of the video, in the order of time; read one by one.
    frame_format: how the network's frames are made.
    count: frames of the clip.
    window: which part to judge.
    with_pictures: whether to make pictures of the frames, for people.
    warnings: what reading the frames has found; it may add to them.

  Raises:
    InputError: the video has no frames, or ends before the window does.
  """
  window.check()
  rate = frame_format.frames_per_second
  # Seconds of the video that the window may take.
  span = (count + 1) / rate * NEAR / window.speed
  buffer = FrameBuffer(frame_format, count, span, window.speed, with_pictures)
  is_whole = False
  for frame in frames:
    if window.ends_before(frame):
      is_whole = True
      break
    buffer.add(frame)
    if frame.number == window.end_frame:
      is_whole = True
      break  # What comes next may be damaged.
  if not buffer:
    raise InputError(
      f'{name}: has no frames before the end that was asked for.'
    )
  last = buffer.last
  if window.end_frame is not None and last.number < window.end_frame:
    raise InputError(
      f'{name}: has {last.number} frames; give an end up to that.'
    )
  slack = max(buffer.interval, 1 / rate) + _ROUNDING
  if not is_whole and (window.end_seconds or 0) > last.seconds + slack:
    raise InputError(
      f'{name}: ends at {last.seconds:.2f} s; give an end up to that.'
    )
  return buffer.clip(name, warnings)
