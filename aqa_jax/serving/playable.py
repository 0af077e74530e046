"""Videos as browsers play them."""

import pathlib
from collections.abc import Callable, Iterator

import av
import cv2
import numpy as np
from av import CodecContext
from av.container import InputContainer

from aqa_jax.judging import video
from aqa_jax.judging.mp4_file import write_mp4
from aqa_jax.serving.job import COPY, UPLOAD, PlayableVideo
from tfds_mtl_aqa import jpeg
from tfds_mtl_aqa.input_error import InputError

# Longer side of a copy's pictures.
_MAX_SIDE = 960
# Every tenth frame whole: a player steps back fast.
_X264 = {'preset': 'veryfast', 'crf': '23', 'g': '10'}
_PIXELS = ('yuv420p', 'yuvj420p')
_SOUND_IN_MP4, _SOUND_IN_WEBM = ('aac', 'mp3'), ('opus', 'vorbis')


def playable_upload(folder: pathlib.Path) -> PlayableVideo | None:
  """Returns a job's upload, if every browser plays it as it is.

  Args:
    folder: of the job.

  Returns:
    None where it has to be copied: another container or codec than H.264 in
    MP4, and VP8 or VP9 in WebM, of 8 bits and 4:2:0.
  """
  path = folder / UPLOAD
  try:
    with video.open_file(path) as container:
      stream = container.streams.best('video')
      if not isinstance(stream, av.VideoStream):
        return None
      if getattr(stream, 'pix_fmt', None) not in _PIXELS:
        return None
      kind = _media_type(container, stream, path)
      if kind is None:
        return None
      # A player begins with whatever begins first, such as the sound.
      offset = 0.0
      if stream.start_time is not None and stream.time_base is not None:
        offset = float(stream.start_time * stream.time_base)
        offset -= (container.start_time or 0) / av.time_base
  except (av.FFmpegError, OSError):
    return None
  return PlayableVideo(UPLOAD, kind, round(max(offset, 0.0), 4))


def _media_type(
  container: InputContainer, stream: av.VideoStream, path: pathlib.Path
) -> str | None:
  """Returns the type of a file that every browser plays; None for others."""
  codec = _codec(stream)
  sounds = {_codec(each) for each in container.streams.audio}
  if container.format.name.startswith('mov,'):
    # Not all play QuickTime, which is much like it.
    is_mp4 = container.metadata.get('major_brand', 'qt').strip() != 'qt'
    if is_mp4 and codec == 'h264' and sounds <= {*_SOUND_IN_MP4}:
      return 'video/mp4'
  elif codec in ('vp8', 'vp9') and sounds <= {*_SOUND_IN_WEBM}:
    with path.open('rb') as file:
      # Matroska is much like it, and not played by all.
      if b'webm' in file.read(64):
        return 'video/webm'
  return None


def _codec(stream: av.VideoStream | av.AudioStream) -> str:
  """Returns the name of a codec; '' for one that is not known."""
  # Then PyAV has None here, though its types do not say so.
  context: CodecContext | None = stream.codec_context
  return '' if context is None else context.codec.canonical_name


def write_copy(
  folder: pathlib.Path, progress: Callable[[float], None]
) -> PlayableVideo | None:
  """Writes a copy of a job's upload, smaller and without sound.

  Args:
    folder: of the job.
    progress: called with the seconds that are copied; what it raises ends it.

  Returns:
    The copy, up to where the upload is damaged; None if nothing can be read.

  Raises:
    OSError: it can't be written.
  """
  path = folder / COPY
  write_mp4(path, _frames(folder / UPLOAD, progress), _X264)
  if not path.stat().st_size:
    return None
  return PlayableVideo(COPY, 'video/mp4', 0.0)


def _frames(
  path: pathlib.Path, progress: Callable[[float], None]
) -> Iterator[tuple[float, np.ndarray]]:
  """Yields frames of one size until one can't be read."""
  size = None
  try:
    for frame in video.read_file(path, []):
      image = jpeg.shrunk(frame.image, _MAX_SIDE)
      if size is None:
        size = [max(2 * round(side / 2), 2) for side in image.shape[1::-1]]
      if size != [*image.shape[1::-1]]:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
      progress(frame.seconds)
      yield frame.seconds, image
  except InputError:
    return
