"""MP4 files that browsers play."""

import fractions
import pathlib
import types
from collections.abc import Iterable, Mapping

import av
import numpy as np

from aqa_jax.judging.video import open_file
from tfds_mtl_aqa.atomic_file import replaced

# Of the times in the file: milliseconds.
_TIME_BASE = fractions.Fraction(1, 1000)


def write_mp4(
  path: pathlib.Path,
  frames: Iterable[tuple[float, np.ndarray]],
  options: Mapping[str, str] = types.MappingProxyType({}),
  comment: str = '',
) -> None:
  """Writes frames as H.264 with their times, the first at 0.

  Args:
    path: file to write, whole or not at all.
    frames: seconds, in ascending order; and uint8 [height, width, 3], BGR, all
      of one even size. Consumed one by one.
    options: of x264, such as crf.
    comment: a text that the file holds; see `comment_of`.

  Raises:
    OSError: the file can't be written.
  """
  with replaced(path) as part, av.open(str(part), 'w', format='mp4') as output:
    output.options['movflags'] = 'faststart'
    output.metadata['comment'] = comment
    stream = None
    begun, time = 0.0, -1
    for seconds, image in frames:
      if stream is None:
        stream = output.add_stream('libx264', rate=25, options=dict(options))
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.time_base = _TIME_BASE
        begun = seconds
      picture = av.VideoFrame.from_ndarray(image, format='bgr24')
      # Two frames of one millisecond have two times, too.
      time = max(round((seconds - begun) / _TIME_BASE), time + 1)
      picture.pts, picture.time_base = time, _TIME_BASE
      output.mux(stream.encode(picture))
    if stream is not None:
      output.mux(stream.encode())


def comment_of(path: pathlib.Path) -> str:
  """Returns the comment of a video file; '' where it has none."""
  try:
    with open_file(path) as container:
      return container.metadata.get('comment', '')
  except (av.FFmpegError, OSError, UnicodeError):
    return ''  # Reading it will tell what is wrong.
