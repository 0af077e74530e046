"""MP4 files that browsers play."""

import fractions
import pathlib
import types
from collections.abc import Iterable, Mapping

import av
import numpy as np

from tfds_mtl_aqa.atomic_file import replaced

# Of the times in the file: milliseconds.
_TIME_BASE = fractions.Fraction(1, 1000)


def write_mp4(
  path: pathlib.Path,
  frames: Iterable[tuple[float, np.ndarray]],
  options: Mapping[str, str] = types.MappingProxyType({}),
) -> None:
  """Writes frames as H.264 with their times, the first at 0.

  Args:
    path: file to write, whole or not at all.
    frames: seconds, in ascending order; and uint8 [height, width, 3], BGR, all
      of one even size. Consumed one by one.
    options: of x264, such as crf.

  Raises:
    OSError: the file can't be written.
  """
  with replaced(path) as part, av.open(str(part), 'w', format='mp4') as output:
    output.options['movflags'] = 'faststart'
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
