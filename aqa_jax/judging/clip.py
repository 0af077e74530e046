"""The part of a video that is judged, as frames that a network has learned."""

import collections
import dataclasses
import math
import numbers
from collections.abc import Iterable, Sequence

import numpy as np

from aqa_jax.judging.model import FrameFormat
from aqa_jax.judging.video import VideoFrame
from tfds_mtl_aqa import jpeg
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.mtl_aqa.clip import encode

# A rate so near that of the training is taken frame by frame, as there: MTL-AQA
# has videos of 25 and of 30 frames a second. A fifth less, a quarter more; with
# room for rounded times.
_NEAR = 1.2501
# Fewer different frames than this share of the window are told.
_DIFFERENT = 0.6
# What is kept of a video never grows beyond this, whatever its times are.
_MAX_KEPT = 8192
# A time that a player or this program shows is rounded.
_ROUNDING = 5e-3
# Longer side and quality of a picture for people.
_PICTURE_SIZE, _PICTURE_QUALITY = 240, 80
# Below this ratio of width to height a picture would be distorted too much.
_NARROW = 1.1


@dataclasses.dataclass(frozen=True)
class Clip:
  """The frames of a video that are judged.

  Attributes:
    name: path of the video, or another name of it.
    frames: JPEG files, as a dataset stores them, in the order of time.
    numbers: int [frames], number of each frame in the video, from 1.
    seconds: float [frames], when each frame is shown, from the video's start.
    padded: so many frames at the beginning repeat the first.
    pictures: JPEG file of each frame, for people; empty unless asked for.
    warnings: what may make the judgement worse, sentences.
  """

  name: str
  frames: list[bytes]
  numbers: np.ndarray
  seconds: np.ndarray
  padded: int
  warnings: tuple[str, ...]
  pictures: tuple[bytes, ...] = ()


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


@dataclasses.dataclass(frozen=True)
class _Stored:
  number: int
  seconds: float
  data: bytes
  picture: bytes


def read_clip(
  name: str,
  frames: Iterable[VideoFrame],
  frame_format: FrameFormat,
  count: int,
  window: Window,
  with_pictures: bool = False,
  warnings: Sequence[str] = (),
) -> Clip:
  """Returns the part of a video that is judged.

  Frames of about the rate of the training are taken one by one. Those of
  another rate are taken by their times.

  Args:
    name: path of the video, for messages.
    frames: all frames of the video, in the order of time; read one by one.
    frame_format: how the network's frames are made.
    count: how many frames to return.
    window: which part to judge.
    with_pictures: whether to make pictures of the frames, for people.
    warnings: what reading the frames has found; it may add to them.

  Raises:
    InputError: the video has no frames, or ends before the window does.
  """
  window.check()
  rate = frame_format.frames_per_second
  # Seconds of the video that the window may take.
  span = (count + 1) / rate * _NEAR / window.speed
  kept: collections.deque[_Stored] = collections.deque(maxlen=_MAX_KEPT)
  found: list[str] = []
  is_whole = False
  for frame in frames:
    if window.ends_before(frame):
      is_whole = True
      break
    image = frame.image
    if _is_narrow(image):
      image = _middle(image, frame_format)
      _add(found, 'It is narrow: only the middle of the picture is judged.')
    data = encode(image, frame_format.size)
    picture = _picture(frame.image) if with_pictures else b''
    kept.append(_Stored(frame.number, frame.seconds, data, picture))
    while len(kept) > count and kept[0].seconds < frame.seconds - span:
      kept.popleft()
    if frame.number == window.end_frame:
      is_whole = True
      break  # What comes next may be damaged.
  if not kept:
    raise InputError(
      f'{name}: has no frames before the end that was asked for.'
    )
  last = kept[-1]
  if window.end_frame is not None and last.number < window.end_frame:
    raise InputError(
      f'{name}: has {last.number} frames; give an end_frame up to that.'
    )
  # The last frame is shown for as long as the one before.
  shown = last.seconds - kept[-2].seconds if len(kept) > 1 else 1 / rate
  slack = max(shown, 1 / rate) + _ROUNDING
  if not is_whole and (window.end_seconds or 0) > last.seconds + slack:
    raise InputError(
      f'{name}: ends at {last.seconds:.2f} s; give end_seconds up to that.'
    )
  chosen = _chosen(list(kept), count, rate * window.speed)
  padded = count - len(chosen)
  if padded:
    found.append(
      f'It is too short: {len(chosen) / rate:.1f} of the '
      f'{count / rate:.1f} seconds that the network sees; the first frame is '
      'repeated before them.'
    )
  different = len({stored.number for stored in chosen})
  if different < _DIFFERENT * len(chosen):
    found.append(
      f'It has too few frames a second: {different} different ones stand for '
      f'the {len(chosen)} that the network sees.'
    )
  chosen = [chosen[0]] * padded + chosen
  return Clip(
    name=name,
    frames=[stored.data for stored in chosen],
    numbers=np.array([stored.number for stored in chosen]),
    seconds=np.array([stored.seconds for stored in chosen]),
    padded=padded,
    warnings=(*warnings, *found),
    pictures=tuple(stored.picture for stored in chosen if with_pictures),
  )


def _picture(image: np.ndarray) -> bytes:
  """Returns a small JPEG of a frame, with its proportions."""
  return jpeg.encode_bgr(jpeg.shrunk(image, _PICTURE_SIZE), _PICTURE_QUALITY)


def _add(warnings: list[str], warning: str) -> None:
  if warning not in warnings:
    warnings.append(warning)


def _chosen(kept: list[_Stored], count: int, rate: float) -> list[_Stored]:
  """Returns at most `count` frames up to the last, at a rate of video time."""
  if len(kept) == 1:
    return kept
  times = np.array([stored.seconds for stored in kept])
  last = times[-count:]
  # Of a variable rate the median alone may be near.
  intervals = np.median(np.diff(last)), np.ptp(last) / (len(last) - 1)
  if all(1 / _NEAR <= interval * rate <= _NEAR for interval in intervals):
    return kept[-count:]
  wanted = times[-1] - np.arange(count)[::-1] / rate
  # Half an interval more than the first frame reaches back is no padding.
  wanted = wanted[wanted > times[0] - 0.5 / rate]
  nearest = np.abs(times[None] - wanted[:, None]).argmin(axis=1)
  return [kept[index] for index in nearest]


def _is_narrow(image: np.ndarray) -> bool:
  height, width, _ = image.shape
  return width < _NARROW * height


def _middle(image: np.ndarray, frame_format: FrameFormat) -> np.ndarray:
  """Returns the rows in the middle, of the proportions of the training."""
  height, width, _ = image.shape
  ratio = 4 / 3
  if frame_format.height:
    ratio = frame_format.width / frame_format.height
  rows = max(round(width / ratio), 1)
  top = max((height - rows) // 2, 0)
  return image[top : top + rows]
