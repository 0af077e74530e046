"""A dive as a row of pictures, with the importance of each frame."""

import base64
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from aqa_jax.report.report_tables import signed
from tfds_mtl_aqa import jpeg

_PICTURES = 8
# Larger frames are made smaller; a page has some seventy of them.
_MAX_SIZE = 128
# Height of a picture that shows several frames side by side.
_ROW_HEIGHT = 96
_JPEG_QUALITY = 85


@dataclasses.dataclass(frozen=True)
class Segment:
  """Some consecutive frames of a dive, one of them as a picture.

  Attributes:
    frames: int [frames], their numbers in the dive's window, from 1.
    importances: float [frames], points; see `frame_importance`.
    shown: place of the frame in the picture, from 0.
    picture: that frame, as the network sees it: data URI of a JPEG.
  """

  frames: np.ndarray
  importances: np.ndarray
  shown: int
  picture: str


def make_filmstrip(
  video: np.ndarray,
  offsets: Sequence[int] | np.ndarray,
  importances: np.ndarray,
) -> list[Segment]:
  """Cuts the frames that the network saw into eight segments.

  Args:
    video: uint8 [frames, height, width, 3], RGB, as the network saw it.
    offsets: int [frames], the place of each in the window, from 0; see
      `VideoInput.offsets`.
    importances: float [frames], points; see `frame_importance`.

  Returns:
    The segments in order, fewer than eight where there are fewer frames; each
    shows its middle frame.

  Raises:
    ValueError: the numbers of frames differ, or there is none.
  """
  return cut(
    np.asarray(offsets) + 1,
    importances,
    [functools.partial(_small_jpeg, frame) for frame in video],
  )


def cut(
  numbers: np.ndarray,
  importances: np.ndarray,
  pictures: Sequence[Callable[[], bytes]],
) -> list[Segment]:
  """Cuts frames into eight segments; see `make_filmstrip`.

  Args:
    numbers: int [frames], what the frames are called.
    importances: float [frames], points.
    pictures: for each frame, what makes its JPEG file; called for those shown.

  Raises:
    ValueError: the numbers of frames differ, or there is none.
  """
  lengths = len(pictures), len(numbers), len(importances)
  if len(set(lengths)) > 1 or not len(pictures):
    raise ValueError(f'The numbers of frames differ, or are 0: {lengths}.')
  segments = []
  count = len(pictures)
  for part in np.array_split(np.arange(count), min(_PICTURES, count)):
    shown = len(part) // 2
    segments.append(
      Segment(
        frames=np.asarray(numbers)[part],
        importances=np.asarray(importances, np.float64)[part],
        shown=shown,
        picture=data_uri(pictures[part[shown]]()),
      )
    )
  return segments


def shown(segments: Sequence[Segment]) -> tuple[list[dict[str, Any]], float]:
  """Returns segments as the macro `filmstrip` shows them.

  Args:
    segments: segments of a dive, one or more.

  Returns:
    The segments, their bars in parts of the largest; and the largest, points.
  """
  largest = float(
    max(np.abs(segment.importances).max() for segment in segments)
  )
  return [_shown(segment, largest) for segment in segments], largest


def _shown(segment: Segment, largest: float) -> dict[str, Any]:
  bars = [
    {
      'frame': int(frame),
      'points': signed(value, 2),
      'height': round(float(value / largest), 3) if largest else 0.0,
      'is_shown': place == segment.shown,
    }
    for place, (frame, value) in enumerate(
      zip(segment.frames, segment.importances, strict=True)
    )
  ]
  return {
    'picture': segment.picture,
    'frame': int(segment.frames[segment.shown]),
    'bars': bars,
  }


def make_picture(video: np.ndarray) -> bytes:
  """Puts eight frames side by side, from the first to the last.

  Args:
    video: uint8 [frames, height, width, 3], RGB, one frame or more.

  Returns:
    A JPEG file, 96 pixels high.
  """
  places = np.linspace(0, len(video) - 1, min(_PICTURES, len(video)))
  row = np.concatenate(list(video[places.round().astype(int)]), axis=1)
  height, width = row.shape[:2]
  size = max(round(width * _ROW_HEIGHT / height), 1), _ROW_HEIGHT
  row = cv2.resize(row, size, interpolation=cv2.INTER_CUBIC)
  return jpeg.encode(row, _JPEG_QUALITY)


def data_uri(data: bytes) -> str:
  """Returns a JPEG file as the address of a picture within a page."""
  return 'data:image/jpeg;base64,' + base64.b64encode(data).decode('ascii')


def _small_jpeg(frame: np.ndarray) -> bytes:
  """Returns a frame as a JPEG of at most 128 pixels a side."""
  return jpeg.encode(jpeg.shrunk(frame, _MAX_SIZE), _JPEG_QUALITY)
