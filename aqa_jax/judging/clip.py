"""The part of a video that is judged, as frames that a network has learned."""

import collections
import dataclasses
from collections.abc import Iterable

import cv2
import numpy as np

from aqa_jax.judging.model import FrameFormat
from aqa_jax.judging.video import VideoFrame
from tfds_mtl_aqa import jpeg
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.mtl_aqa.clip import encode

# A rate so near that of the training is taken frame by frame, as there: MTL-AQA
# has videos of 25 and of 30 frames a second.
_NEAR = 1.25
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
    if self.end_frame is not None and self.end_frame < 1:
      raise InputError(f'end_frame={self.end_frame}: give 1 or more.')
    if self.end_seconds is not None and not self.end_seconds >= 0:
      raise InputError(f'end_seconds={self.end_seconds}: give 0 or more.')
    if not 0.01 <= self.speed <= 100:
      raise InputError(f'speed={self.speed}: give 0.01 to 100.')

  def ends_before(self, frame: VideoFrame) -> bool:
    """Returns whether a frame comes after the window."""
    if self.end_frame is not None:
      return frame.number > self.end_frame
    # A time from a player's display is rounded.
    return self.end_seconds is not None and (
      frame.seconds > self.end_seconds + 1e-3
    )


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

  Raises:
    InputError: the video has no frames, or ends before the window does.
  """
  window.check()
  rate = frame_format.frames_per_second
  # Seconds of the video that the window may take.
  span = (count + 1) / rate * _NEAR / window.speed
  kept: collections.deque[_Stored] = collections.deque()
  warnings: list[str] = []
  is_whole = False
  for frame in frames:
    if window.ends_before(frame):
      is_whole = True
      break
    image = frame.image
    if _is_narrow(image):
      image = _middle(image, frame_format)
      _add(warnings, 'It is narrow: only the middle of the picture is judged.')
    data = encode(image, frame_format.size)
    picture = _picture(frame.image) if with_pictures else b''
    kept.append(_Stored(frame.number, frame.seconds, data, picture))
    while len(kept) > count and kept[0].seconds < frame.seconds - span:
      kept.popleft()
  if not kept:
    raise InputError(
      f'{name}: has no frames before the end that was asked for.'
    )
  last = kept[-1]
  if window.end_frame is not None and last.number < window.end_frame:
    raise InputError(
      f'{name}: has {last.number} frames; give an end_frame up to that.'
    )
  if not is_whole and (window.end_seconds or 0) > last.seconds + 1 / rate:
    raise InputError(
      f'{name}: ends at {last.seconds:.2f} s; give end_seconds up to that.'
    )
  chosen = _chosen(list(kept), count, rate * window.speed)
  padded = count - len(chosen)
  if padded:
    warnings.append(
      f'It is too short: {len(chosen)} frames of the {count} that the network '
      'sees; the first one is repeated before them.'
    )
  chosen = [chosen[0]] * padded + chosen
  return Clip(
    name=name,
    frames=[stored.data for stored in chosen],
    numbers=np.array([stored.number for stored in chosen]),
    seconds=np.array([stored.seconds for stored in chosen]),
    padded=padded,
    warnings=tuple(warnings),
    pictures=tuple(stored.picture for stored in chosen if with_pictures),
  )


def _picture(image: np.ndarray) -> bytes:
  """Returns a small JPEG of a frame, with its proportions."""
  height, width, _ = image.shape
  scale = _PICTURE_SIZE / max(height, width)
  if scale < 1:
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
  return jpeg.encode_bgr(image, _PICTURE_QUALITY)


def _add(warnings: list[str], warning: str) -> None:
  if warning not in warnings:
    warnings.append(warning)


def _chosen(kept: list[_Stored], count: int, rate: float) -> list[_Stored]:
  """Returns at most `count` frames up to the last, at a rate of video time."""
  if len(kept) == 1:
    return kept
  times = np.array([stored.seconds for stored in kept])
  interval = float(np.median(np.diff(times)))
  if interval <= 0 or 1 / _NEAR <= interval * rate <= _NEAR:
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
