"""The last seconds of a video, for a second look at what it shows."""

import collections
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from aqa_jax.judging.video import VideoFrame

_SECONDS = 10.0
_FRAMES_PER_SECOND = 12.5
# Of the shorter side, pixels.
_SIDE = 256


class RecentFrames:
  """Keeps the last ten seconds of a video, at 12.5 frames a second."""

  def __init__(self, speed: float = 1.0):
    """Begins without frames.

    Args:
      speed: how fast the video shows what happened.
    """
    self._interval = 1 / _FRAMES_PER_SECOND / speed
    self._kept: collections.deque[np.ndarray] = collections.deque(
      maxlen=round(_SECONDS * _FRAMES_PER_SECOND)
    )
    self._next = 0.0

  def watch(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Yields frames, and keeps those that count."""
    for frame in frames:
      if frame.seconds >= self._next:
        self._kept.append(_small(frame.image))
        self._next = frame.seconds + 0.99 * self._interval
      yield frame

  def images(self) -> list[np.ndarray]:
    """Returns what is kept: uint8 [height, width, 3] each, RGB."""
    return list(self._kept)


def _small(image: np.ndarray) -> np.ndarray:
  height, width, _ = image.shape
  scale = min(_SIDE / min(height, width), 1.0)
  size = max(round(scale * width), 1), max(round(scale * height), 1)
  small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
  return np.ascontiguousarray(small[..., ::-1])
