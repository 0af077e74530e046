"""The frames of one dive: which they are in their source, and as JPEG files."""

import collections
import dataclasses
import os
import pathlib
import struct
from collections.abc import Mapping

import cv2
import numpy as np

from tfds_mtl_aqa import features, input_error, jpeg
from tfds_mtl_aqa.mtl_aqa import image_file, video_file

JPEG_QUALITY = 95
NUM_FRAMES = features.WINDOW_FRAMES + 2 * features.MARGIN_FRAMES
_PADDING = struct.Struct('<ii')
# Changes with what is read of the same files, so that frames which an earlier
# version has left behind are made anew.
_READING = 2


@dataclasses.dataclass(frozen=True)
class FrameFiles:
  """Frames of a dive that are image files, in order.

  Attributes:
    folder: that holds them.
    names: of the files.
  """

  folder: pathlib.Path
  names: tuple[str, ...]

  def read(self) -> list[np.ndarray]:
    """Decodes the frames: uint8 [height, width, 3], BGR."""
    return image_file.read([self.folder / name for name in self.names])

  def describe(self, index: int) -> tuple[str, str]:
    """Returns which file a frame is, and what to do if it is wrong."""
    return str(self.folder / self.names[index]), 'Extract or copy it again.'

  def fingerprint(self) -> str:
    """Returns text that changes when a file does."""
    return repr([_stamp(self.folder / name) for name in self.names])


@dataclasses.dataclass(frozen=True)
class VideoFrames:
  """Frames of a dive that are part of a video.

  Attributes:
    video: the file.
    first: the first frame, counted from 0.
    count: how many.
  """

  video: video_file.VideoFile
  first: int
  count: int

  def read(self) -> list[np.ndarray]:
    """Decodes the frames: uint8 [height, width, 3], BGR."""
    return self.video.read(self.first, self.count)

  def describe(self, index: int) -> tuple[str, str]:
    """Returns which frame of the video it is, and what to do if it is wrong."""
    path = self.video.path
    return (
      f'{path}, frame {self.first + index + 1}',
      video_file.extract_advice(path, self.video.folder),
    )

  def fingerprint(self) -> str:
    """Returns text that changes when the file does."""
    return repr((_stamp(self.video.path), self.first, self.count))


@dataclasses.dataclass(frozen=True)
class Clip:
  """Where the stored frames of a dive come from.

  Attributes:
    frames: the real ones.
    padding: how often the first and the last of them are repeated, so that
      there are `NUM_FRAMES`.
  """

  frames: FrameFiles | VideoFrames
  padding: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class ClipEncoder:
  """Makes the stored form of the dives.

  Attributes:
    clips: by name of the dive.
    frame_size: (width, height) in pixels; (None, None) for the source's own.
  """

  clips: Mapping[str, Clip]
  frame_size: features.FrameSize

  def __call__(self, name: str) -> list[bytes]:
    """Returns a dive's padding, for `split_record`, and its JPEG files.

    Raises:
      InputError: a source is damaged.
    """
    clip = self.clips[name]
    images = clip.frames.read()
    _check_sizes(images, clip.frames)
    jpegs = [_encode(image, self.frame_size) for image in images]
    head, tail = clip.padding
    return [
      _PADDING.pack(head, tail),
      *jpegs[:1] * head,
      *jpegs,
      *jpegs[-1:] * tail,
    ]

  def fingerprint(self, name: str) -> str:
    """Returns what the stored form of a dive is made from, as text."""
    clip = self.clips[name]
    made_from = (
      _READING,
      self.frame_size,
      JPEG_QUALITY,
      clip.padding,
      clip.frames.fingerprint(),
    )
    return repr(made_from)


def split_record(record: list[bytes]) -> tuple[tuple[int, int], list[bytes]]:
  """Returns the padding and the JPEG files of what a `ClipEncoder` made."""
  return _PADDING.unpack(record[0]), record[1:]


def _encode(image: np.ndarray, frame_size: features.FrameSize) -> bytes:
  """Resizes, whatever the shape, and compresses one frame.

  Args:
    image: uint8 [height, width, 3], BGR.
    frame_size: (width, height); (None, None) leaves the size alone.
  """
  width, height = frame_size
  if width is not None and (image.shape[1], image.shape[0]) != frame_size:
    shrinks = image.shape[1] >= width and image.shape[0] >= height
    image = cv2.resize(
      image,
      frame_size,
      interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
  return jpeg.encode_bgr(image, JPEG_QUALITY)


def _check_sizes(
  images: list[np.ndarray], frames: FrameFiles | VideoFrames
) -> None:
  """Checks that a dive's frames are of one size: another is not of the dive."""
  sizes = [(image.shape[1], image.shape[0]) for image in images]
  usual = collections.Counter(sizes).most_common(1)[0][0]
  for index, size in enumerate(sizes):
    if size != usual:
      name, remedy = frames.describe(index)
      raise input_error.InputError(
        f'{name}: is {size[0]}x{size[1]}, the other frames of the dive are '
        f'{usual[0]}x{usual[1]}. {remedy}'
      )


def _stamp(path: pathlib.Path) -> tuple[str, int, int]:
  try:
    status = os.stat(path)
  except OSError as e:
    raise input_error.InputError(f'{path}: {e.strerror}.') from e
  return str(path), status.st_size, status.st_mtime_ns
