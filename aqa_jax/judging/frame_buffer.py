"""The last frames of a video, from which clips are cut."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from aqa_jax.judging.clip import Clip
from aqa_jax.judging.model import FrameFormat
from aqa_jax.judging.video import VideoFrame
from tfds_mtl_aqa import jpeg
from tfds_mtl_aqa.clips.clip import encode

# A rate so near that of the training is taken frame by frame, as there: MTL-AQA
# has videos of 25 and of 30 frames a second. A fifth less, a quarter more; with
# room for rounded times.
NEAR = 1.2501
# Fewer different frames than this share of the window are told.
_DIFFERENT = 0.6
# What is kept of a video never grows beyond this, whatever its times are.
_MAX_KEPT = 8192
# Longer side and quality of a picture for people.
_PICTURE_SIZE, _PICTURE_QUALITY = 240, 80
# Below this ratio of width to height a picture would be distorted too much.
_NARROW = 1.1


@dataclasses.dataclass(frozen=True)
class StoredFrame:
  """A frame as a dataset stores it.

  Attributes:
    number: its place in the video, from 1.
    seconds: when it is shown, from the start of the video.
    data: JPEG file.
    picture: JPEG file for people; empty unless asked for.
  """

  number: int
  seconds: float
  data: bytes
  picture: bytes


class FrameBuffer:
  """Keeps the last frames of a video, as a dataset stores them.

  Attributes:
    warnings: what was found wrong with the frames, sentences.
  """

  def __init__(
    self,
    frame_format: FrameFormat,
    count: int,
    seconds: float,
    speed: float = 1.0,
    with_pictures: bool = False,
  ):
    """Makes an empty buffer.

    Args:
      frame_format: how the network's frames are made.
      count: frames of a clip.
      seconds: of the video that are kept.
      speed: how fast the video shows what happened.
      with_pictures: whether to keep pictures of the frames, for people.
    """
    self.warnings: list[str] = []
    self._format = frame_format
    self._count = count
    self._seconds = seconds
    self._rate = frame_format.frames_per_second
    self._speed = speed
    self._with_pictures = with_pictures
    self._kept: collections.deque[StoredFrame] = collections.deque(
      maxlen=_MAX_KEPT
    )

  def __len__(self) -> int:
    """Returns how many frames are kept."""
    return len(self._kept)

  @property
  def first(self) -> StoredFrame:
    """The first frame that is kept."""
    return self._kept[0]

  @property
  def last(self) -> StoredFrame:
    """The last frame."""
    return self._kept[-1]

  @property
  def interval(self) -> float:
    """How long the last frame is shown, s: as long as the one before."""
    if len(self._kept) > 1:
      return self.last.seconds - self._kept[-2].seconds
    return 1 / self._rate

  def add(self, frame: VideoFrame) -> None:
    """Adds the next frame of the video."""
    image = frame.image
    if _is_narrow(image):
      image = _middle(image, self._format)
      warning = 'It is narrow: only the middle of the picture is judged.'
      if warning not in self.warnings:
        self.warnings.append(warning)
    kept = self._kept
    kept.append(
      StoredFrame(
        frame.number,
        frame.seconds,
        encode(image, self._format.size),
        _picture(frame.image) if self._with_pictures else b'',
      )
    )
    first = frame.seconds - self._seconds
    while len(kept) > self._count and kept[0].seconds < first:
      kept.popleft()

  def clip(
    self, name: str, warnings: Sequence[str], end: float | None = None
  ) -> Clip:
    """Returns the clip that ends with a frame.

    Frames of about the rate of the training are taken one by one. Those of
    another rate are taken by their times.

    Args:
      name: path of the video.
      warnings: what reading the video has found.
      end: time near that of its last frame, s; None for the last one kept.
    """
    kept = list(self._kept)
    if end is not None:
      times = np.array([frame.seconds for frame in kept])
      kept = kept[: int(np.abs(times - end).argmin()) + 1]
    chosen = _chosen(kept, self._count, self._rate * self._speed)
    found = [*warnings, *self.warnings]
    padded = self._count - len(chosen)
    if padded:
      found.append(
        f'It is too short: {len(chosen) / self._rate:.1f} of the '
        f'{self._count / self._rate:.1f} seconds that the network sees; the '
        'first frame is repeated before them.'
      )
    different = len({frame.number for frame in chosen})
    if different < _DIFFERENT * len(chosen):
      found.append(
        f'It has too few frames a second: {different} different ones stand for '
        f'the {len(chosen)} that the network sees.'
      )
    chosen = [chosen[0]] * padded + chosen
    return Clip(
      name=name,
      frames=[frame.data for frame in chosen],
      numbers=np.array([frame.number for frame in chosen]),
      seconds=np.array([frame.seconds for frame in chosen]),
      padded=padded,
      warnings=tuple(found),
      pictures=tuple(f.picture for f in chosen if self._with_pictures),
    )


def _picture(image: np.ndarray) -> bytes:
  """Returns a small JPEG of a frame, with its proportions."""
  return jpeg.encode_bgr(jpeg.shrunk(image, _PICTURE_SIZE), _PICTURE_QUALITY)


def _chosen(
  kept: list[StoredFrame], count: int, rate: float
) -> list[StoredFrame]:
  """Returns at most `count` frames up to the last, at a rate of video time."""
  if len(kept) == 1:
    return kept
  times = np.array([frame.seconds for frame in kept])
  last = times[-count:]
  # Of a variable rate the median alone may be near.
  intervals = np.median(np.diff(last)), np.ptp(last) / (len(last) - 1)
  if all(1 / NEAR <= interval * rate <= NEAR for interval in intervals):
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
