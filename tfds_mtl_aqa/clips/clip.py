"""The frames of a dive: where they come from, and how they are stored."""

import collections
import dataclasses
import itertools
import os
import pathlib
import struct
from collections.abc import Mapping

import cv2
import numpy as np

from tfds_mtl_aqa import features, input_error, jpeg
from tfds_mtl_aqa.clips import image_file, video_file

JPEG_QUALITY = 95
_PADDING = struct.Struct('<ii')
# To increase when the same files come to give other frames: frames that an
# earlier version has left behind are then made again.
_READING = 2
# Decoded at a time: whole pieces of an event would not fit into the memory.
_PART_FRAMES = 128


@dataclasses.dataclass(frozen=True)
class FrameFiles:
  """Frames of a dive that are image files.

  Attributes:
    folder: that holds the files.
    names: of the files, in the order of the frames.
  """

  folder: pathlib.Path
  names: tuple[str, ...]

  def parts(self) -> 'list[FrameFiles]':
    """Returns the same frames, a limited number in each part."""
    return [
      FrameFiles(self.folder, self.names[first : first + _PART_FRAMES])
      for first in range(0, len(self.names), _PART_FRAMES)
    ]

  def read(self) -> list[np.ndarray]:
    """Returns the decoded frames: each uint8 [height, width, 3], BGR.

    Raises:
      InputError: a file can't be read, or is damaged.
    """
    return image_file.read([self.folder / name for name in self.names])

  def describe(self, index: int) -> tuple[str, str]:
    """Returns the path of a frame's file, and what to do if it is wrong."""
    return str(self.folder / self.names[index]), 'Extract or copy it again.'

  def fingerprint(self) -> str:
    """Returns text that changes when a file does."""
    return repr([_stamp(self.folder / name) for name in self.names])


@dataclasses.dataclass(frozen=True)
class VideoFrames:
  """Frames of a dive that are part of a video.

  Attributes:
    video: the file.
    places: numbers of the frames, counted from 0, in order, at least one.
  """

  video: video_file.VideoFile
  places: tuple[int, ...]

  def parts(self) -> 'list[VideoFrames]':
    """Returns the same frames; a part spans a limited number of the video's."""
    first = self.places[0]
    parts = itertools.groupby(
      self.places, lambda place: (place - first) // _PART_FRAMES
    )
    return [VideoFrames(self.video, tuple(places)) for _, places in parts]

  def read(self) -> list[np.ndarray]:
    """Returns the decoded frames: each uint8 [height, width, 3], BGR.

    Raises:
      InputError: the video is damaged.
    """
    first = self.places[0]
    frames = self.video.read(first, self.places[-1] - first + 1)
    return [frames[place - first] for place in self.places]

  def describe(self, index: int) -> tuple[str, str]:
    """Returns the name of a frame, and what to do if it is wrong."""
    path = self.video.path
    return (
      f'{path}, frame {self.places[index] + 1}',
      video_file.extract_advice(path, self.video.folder),
    )

  def fingerprint(self) -> str:
    """Returns text that changes when the file does."""
    return repr((_stamp(self.video.path), self.places))


@dataclasses.dataclass(frozen=True)
class Clip:
  """Where the stored frames of a dive come from.

  Attributes:
    frames: the frames of the source.
    padding: how often the first and the last of them are repeated, so that all
      dives of a dataset have equally many.
  """

  frames: FrameFiles | VideoFrames
  padding: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class ClipEncoder:
  """Makes the frames of dives as they are stored.

  Attributes:
    clips: by name of the dive.
    frame_size: (width, height) in pixels; (None, None) for the size of the
      source.
  """

  clips: Mapping[str, Clip]
  frame_size: features.FrameSize

  def __call__(self, name: str) -> list[bytes]:
    """Returns the padding of a dive and its JPEG files; see `split_record`.

    Args:
      name: of the dive.

    Raises:
      InputError: its source is damaged, or its frames differ in size.
    """
    clip = self.clips[name]
    sizes, jpegs = [], []
    for part in clip.frames.parts():
      images = part.read()
      sizes += [(image.shape[1], image.shape[0]) for image in images]
      jpegs += [encode(image, self.frame_size) for image in images]
    _check_sizes(sizes, clip.frames)
    head, tail = clip.padding
    return [
      _PADDING.pack(head, tail),
      *jpegs[:1] * head,
      *jpegs,
      *jpegs[-1:] * tail,
    ]

  def fingerprint(self, name: str) -> str:
    """Returns text that changes when the stored frames of a dive would."""
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
  """Returns the padding (start, end) and the JPEG files.

  Args:
    record: what a `ClipEncoder` returned.
  """
  head, tail = _PADDING.unpack(record[0])
  return (head, tail), record[1:]


def encode(image: np.ndarray, frame_size: features.FrameSize) -> bytes:
  """Resizes a frame, without keeping its proportions, and compresses it.

  Args:
    image: uint8 [height, width, 3], BGR.
    frame_size: (width, height); (None, None) to keep the size.

  Returns:
    The content of a JPEG file.
  """
  width, height = frame_size
  if (
    width is not None
    and height is not None
    and (image.shape[1], image.shape[0]) != (width, height)
  ):
    shrinks = image.shape[1] >= width and image.shape[0] >= height
    image = cv2.resize(
      image,
      (width, height),
      interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
  return jpeg.encode_bgr(image, JPEG_QUALITY)


def _check_sizes(
  sizes: list[tuple[int, int]], frames: FrameFiles | VideoFrames
) -> None:
  """Checks that all frames have one size: a file of another dive may differ.

  Args:
    sizes: (width, height) of each frame, pixels.
    frames: their source.
  """
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
    raise input_error.unreadable(path, e) from e
  return str(path), status.st_size, status.st_mtime_ns
