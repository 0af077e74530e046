"""The frames of a video with their times: of a file, a folder or an array."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterator

import av
import cv2
import numpy as np
from av.container import InputContainer

from tfds_mtl_aqa.clips import orientation
from tfds_mtl_aqa.input_error import InputError

_IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
_VIDEOS = (
  *('.mp4', '.mov', '.m4v', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.ts'),
  *('.mts', '.m2ts', '.wmv', '.flv', '.3gp', '.ogv', '.gif'),
)
# What FFmpeg may open: files and streams of video. Others open further files
# and addresses, such as playlists, or make pictures of text.
_FORMATS = (
  *('mov', 'matroska', 'webm', 'avi', 'mpeg', 'mpegts', 'mpegvideo', 'asf'),
  *('flv', 'live_flv', 'kux', 'ogg', 'gif', 'apng', 'mxf', 'dv', 'rm', 'nut'),
  *('gxf', 'wtv', 'swf', 'nsv', 'ivf', 'lmlm4', 'film_cpk', 'pva', 'ty'),
  *('dhav', 'cine', 'h261', 'h263', 'h264', 'hevc', 'vvc', 'm4v', 'mjpeg'),
  *('mpjpeg', 'mjpeg_2000', 'av1', 'obu', 'vc1', 'vc1test', 'cavsvideo'),
  *('dirac', 'dnxhd', 'yuv4mpegpipe'),
)
# Of a frame. 8K has half of it.
_MAX_PIXELS = 2**26
_CODEC_OPTIONS = {'max_pixels': str(_MAX_PIXELS)}
_FALLBACK_RATE = 25.0
# Pixels of real formats are up to 3.6 times as wide as high, or half as wide.
_PIXEL_ASPECTS = (0.25, 4.0)
# A video may end so many frames before its header says without being damaged.
_MISSING_FRAMES = 5


@dataclasses.dataclass(frozen=True)
class VideoFrame:
  """A frame of a video.

  Attributes:
    number: its place in the video, from 1.
    seconds: when it is shown, from the start of the video.
    image: uint8 [height, width, 3], BGR, upright, of square pixels.
  """

  number: int
  seconds: float
  image: np.ndarray


def is_image_folder(path: pathlib.Path) -> bool:
  """Returns whether a folder holds the frames of one video, as images.

  One that holds a video file, too, does not: the images belong to the videos.
  """
  if not path.is_dir():
    return False
  files = _files(path)
  has_videos = any(_is_video(file) for file in files)
  return not has_videos and any(_is_image(file) for file in files)


def videos_in(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the videos of a folder, by name: files, and folders of images.

  Raises:
    InputError: the folder can't be read.
  """
  return [
    path
    for path in _files(folder)
    if _is_video(path) or _is_readable_image_folder(path)
  ]


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
  try:
    return sorted(folder.iterdir())
  except OSError as e:
    raise InputError(
      f'{folder}: {e.strerror}; give a folder that can be read.'
    ) from e


def _is_readable_image_folder(path: pathlib.Path) -> bool:
  return os.access(path, os.R_OK | os.X_OK) and is_image_folder(path)


def _is_video(path: pathlib.Path) -> bool:
  # macOS leaves files named ._clip.mp4 on other disks.
  return path.suffix.lower() in _VIDEOS and not path.name.startswith('.')


def _is_image(path: pathlib.Path) -> bool:
  return path.suffix.lower() in _IMAGES and not path.name.startswith('.')


def open_file(path: pathlib.Path) -> InputContainer:
  """Opens a video file, and no other file or address that it may name.

  Args:
    path: of a file that FFmpeg reads.

  Raises:
    av.FFmpegError: it can't be read as a video.
    OSError: it can't be read.
  """
  # A name with a colon, such as http:clip.mp4, would be an address.
  return av.open(
    f'file:{path.absolute()}',
    options={
      'protocol_whitelist': 'file',
      'format_whitelist': ','.join(_FORMATS),
      **_CODEC_OPTIONS,
    },
    # Titles are of no interest.
    metadata_errors='ignore',
  )


def read_file(path: pathlib.Path, warnings: list[str]) -> Iterator[VideoFrame]:
  """Yields the frames of a video file; decodes one after the other.

  Frames that are damaged count, and are left out.

  Args:
    path: of a file that FFmpeg reads.
    warnings: what turns out to be wrong with it is added, sentences.

  Raises:
    InputError: it can't be read as a video, or not to its end.
  """
  if path.exists() and not path.is_file():
    raise InputError(
      f'{path}: is a pipe, a device or a folder without images; give a video.'
    )
  number, seconds, num_damaged = 0, 0.0, 0
  try:
    with open_file(path) as container:
      stream = _video_stream(container, path)
      interval = 1 / float(stream.guessed_rate or _FALLBACK_RATE)
      aspect = _pixel_aspect(stream, warnings)
      if not 0 < stream.width * aspect * stream.height <= _MAX_PIXELS:
        raise InputError(
          f'{path}: has frames of more than {_MAX_PIXELS:,} pixels, or none '
          'that can be decoded; make it smaller.'
        )
      start = None
      for frame in container.decode(stream):
        if start is None:
          start = frame.time or 0.0
        seconds = _seconds(frame, start, seconds, number, interval)
        number += 1
        if frame.is_corrupt:
          num_damaged += 1
          continue
        yield VideoFrame(number, seconds, _image(frame, aspect))
      missing = _duration(stream) - seconds
      if container.format.name == 'avi' and stream.frames > number:
        # The decoder has left out what it could not read.
        num_damaged += stream.frames - number
  except (av.FFmpegError, OSError) as e:
    reason = getattr(e, 'strerror', None) or type(e).__name__
    if not number:
      raise InputError(
        f'{path}: cannot be read as a video ({reason}); give another file.'
      ) from e
    raise InputError(
      f'{path}: is damaged after {seconds:.2f} s, frame {number} ({reason}); '
      f'get it again, or give an end before that.'
    ) from e
  if number == num_damaged:
    raise InputError(f'{path}: has no frames that are whole; give a video.')
  if num_damaged:
    warnings.append(
      f'It is damaged: {num_damaged} frames are left out, and the numbers and '
      'times of those after them may be wrong.'
    )
  if missing > _MISSING_FRAMES * interval:
    warnings.append(f'It is damaged: it ends {missing:.1f} s before its time.')


def seconds_of(item: str | os.PathLike[str] | np.ndarray) -> float | None:
  """Returns about how long a video file is; None where it does not tell."""
  if isinstance(item, np.ndarray) or not os.path.isfile(item):
    return None
  try:
    with open_file(pathlib.Path(item)) as container:
      return container.duration / av.time_base if container.duration else None
  except (av.FFmpegError, OSError):
    return None  # Reading it will tell what is wrong.


def _video_stream(
  container: InputContainer, path: pathlib.Path
) -> av.VideoStream:
  """Returns the stream to decode.

  Raises:
    InputError: there is none, or no decoder for it.
  """
  stream = container.streams.best('video')
  if not isinstance(stream, av.VideoStream):
    raise InputError(f'{path}: has no video stream; give a video.')
  # PyAV's types do not say that a decoder may be missing.
  if getattr(stream, 'codec_context', None) is None:
    raise InputError(
      f'{path}: is damaged, or of a codec that is not known; convert it.'
    )
  # The size may change on the way.
  stream.codec_context.options = _CODEC_OPTIONS
  stream.thread_type = 'AUTO'
  return stream


def _seconds(
  frame: av.VideoFrame,
  start: float,
  before: float,
  number: int,
  interval: float,
) -> float:
  """Returns when a frame is shown, always later than the one before."""
  if not number:
    return 0.0
  if frame.time is not None and frame.time - start > before:
    return frame.time - start
  return before + interval


def _duration(stream: av.VideoStream) -> float:
  """Returns the length of a stream in seconds; 0 where it does not tell."""
  if stream.duration is None or stream.time_base is None:
    return 0.0
  return float(stream.duration * stream.time_base)


def _pixel_aspect(stream: av.VideoStream, warnings: list[str]) -> float:
  """Returns width / height of a pixel; 1 where the video does not tell."""
  aspect = float(stream.sample_aspect_ratio or 1)
  least, most = _PIXEL_ASPECTS
  if least <= aspect <= most:
    return aspect
  warnings.append(
    f'It is damaged: its pixels would be {aspect:.3g} times as wide as high; '
    'they count as square.'
  )
  return 1.0


def _image(frame: av.VideoFrame, pixel_aspect: float) -> np.ndarray:
  """Returns the picture of a frame, BGR, upright, of square pixels."""
  image = orientation.upright(frame, pixel_aspect)
  if frame.interlaced_frame:
    # Of two moments that share a frame, the rows of one.
    image = np.repeat(image[::2], 2, axis=0)[: len(image)]
  return image


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
    (path for path in _files(folder) if _is_image(path)), key=_in_order
  )
  for index, path in enumerate(paths):
    yield VideoFrame(index + 1, index / frames_per_second, _read_image(path))


def _read_image(path: pathlib.Path) -> np.ndarray:
  """Returns an image, BGR.

  Raises:
    InputError: it can't be read, or is too large.
  """
  reason = 'is no image'
  image = None
  try:
    if not path.is_file():  # A pipe would wait for ever.
      raise InputError(f'{path}: is no file; remove it from the folder.')
    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
  except OSError as e:
    reason = str(e.strerror)
  except cv2.error as e:  # Such as more pixels than OpenCV takes.
    reason = f'cannot be decoded ({e.err})'
  if image is None:
    raise InputError(f'{path}: {reason}; extract or copy it again.')
  return image


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
