"""The frames of a video with their times: of a file, a folder or an array."""

import dataclasses
import pathlib
import re
from collections.abc import Iterator

import av
import cv2
import numpy as np

from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.mtl_aqa import orientation

_IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
_VIDEOS = (
  *('.mp4', '.mov', '.m4v', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.ts'),
  *('.mts', '.m2ts', '.wmv', '.flv', '.3gp', '.ogv', '.gif'),
)
_FALLBACK_RATE = 25.0


@dataclasses.dataclass(frozen=True)
class VideoFrame:
  """A frame of a video.

  Attributes:
    number: its place in the video, from 1.
    seconds: when it is shown, from the start of the video.
    image: uint8 [height, width, 3], BGR, upright.
  """

  number: int
  seconds: float
  image: np.ndarray


def is_image_folder(path: pathlib.Path) -> bool:
  """Returns whether a folder holds the frames of one video, as images."""
  return path.is_dir() and any(_is_image(file) for file in path.iterdir())


def videos_in(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the videos of a folder, by name: files, and folders of images."""
  return sorted(
    path
    for path in folder.iterdir()
    if not path.name.startswith('.')
    and (path.suffix.lower() in _VIDEOS or is_image_folder(path))
  )


def _is_image(path: pathlib.Path) -> bool:
  # macOS leaves files named ._frame.jpg on other disks.
  return path.suffix.lower() in _IMAGES and not path.name.startswith('.')


def read_file(path: pathlib.Path) -> Iterator[VideoFrame]:
  """Yields the frames of a video file; decodes one after the other.

  Args:
    path: of a file that FFmpeg reads.

  Raises:
    InputError: it can't be read as a video, or is damaged.
  """
  if path.exists() and not path.is_file():
    raise InputError(
      f'{path}: is a pipe, a device or a folder without images; give a video.'
    )
  number, seconds = 0, 0.0
  try:
    with av.open(str(path)) as container:
      stream = container.streams.best('video')
      if not isinstance(stream, av.VideoStream):
        raise InputError(f'{path}: has no video stream; give a video.')
      stream.thread_type = 'AUTO'
      interval = 1 / float(stream.guessed_rate or _FALLBACK_RATE)
      start: float | None = None
      for frame in container.decode(stream):
        if frame.is_corrupt:
          continue
        time = frame.time
        if time is not None and start is None:
          start = time
        is_later = time is not None and (time - (start or 0) > seconds)
        if number and not is_later:
          seconds += interval
        elif time is not None:
          seconds = time - (start or 0)
        number += 1
        image = orientation.upright(frame)
        if frame.interlaced_frame:
          # Of two moments that share a frame, the rows of one.
          image = np.repeat(image[::2], 2, axis=0)[: len(image)]
        yield VideoFrame(number, seconds, image)
  except (av.FFmpegError, OSError) as e:
    reason = getattr(e, 'strerror', None) or type(e).__name__
    where = f' after {seconds:.2f} s' if number else ''
    raise InputError(
      f'{path}: cannot be read as a video{where} ({reason}); it is damaged, '
      'get it again, or give an end before that.'
      if number
      else f'{path}: cannot be read as a video ({reason}); give another file.'
    ) from e
  if not number:
    raise InputError(f'{path}: has no frames; give a video.')


def read_folder(
  folder: pathlib.Path, frames_per_second: float
) -> Iterator[VideoFrame]:
  """Yields the frames of a video that are image files.

  Args:
    folder: folder of images; 2.jpg comes before 10.jpg.
    frames_per_second: of the video.

  Raises:
    InputError: an image can't be read.
  """
  paths = sorted(
    (path for path in folder.iterdir() if _is_image(path)), key=_in_order
  )
  for index, path in enumerate(paths):
    try:
      data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as e:
      raise InputError(f'{path}: {e.strerror}.') from e
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
      raise InputError(f'{path}: is no image; extract or copy it again.')
    yield VideoFrame(index + 1, index / frames_per_second, image)


def _in_order(path: pathlib.Path) -> list[tuple[int, str]]:
  """Returns a key that sorts numbers within names as numbers."""
  return [
    (int(part), '') if part.isdecimal() else (-1, part)
    for part in re.split(r'(\d+)', path.name)
    if part
  ]


def read_array(
  video: np.ndarray, frames_per_second: float
) -> Iterator[VideoFrame]:
  """Yields the frames of an array.

  Args:
    video: uint8 [frames, height, width, 3], RGB.
    frames_per_second: of the video.

  Raises:
    InputError: it has another dtype or shape, or no frame.
  """
  is_video = video.ndim == 4 and video.shape[-1] == 3 and min(video.shape) > 0
  if video.dtype != np.uint8 or not is_video:
    raise InputError(
      f'an array {video.dtype} {list(video.shape)} is no video; give uint8 '
      '[frames, height, width, 3], RGB.'
    )
  for index, image in enumerate(video):
    yield VideoFrame(
      index + 1,
      index / frames_per_second,
      np.ascontiguousarray(image[..., ::-1]),
    )
