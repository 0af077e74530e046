"""Turns frames of videos that are stored on their side, as by phones."""

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type


def upright(frame: av.VideoFrame, pixel_aspect: float = 1.0) -> np.ndarray:
  """Returns a frame as a player shows it.

  Turns by multiples of 90 degrees and mirrors, as ffmpeg does.

  Args:
    frame: decoded, with the display matrix of its video, if it has one.
    pixel_aspect: width / height of a stored pixel; the returned ones are
      square. With 1, pixels stay as they are: so ffmpeg extracts images.

  Returns:
    uint8 [height, width, 3], BGR.
  """
  width = max(round(frame.width * pixel_aspect), 1)
  image = frame.to_ndarray(format='bgr24', width=width)
  # Not frame.side_data: it refers to the frame, and the frame to it, so that
  # frames would fill the memory until the next collection of garbage. PyAV does
  # not declare how it is made.
  side_data = SideDataContainer(frame)  # type: ignore[call-arg]
  matrix = side_data.get(Type.DISPLAYMATRIX)
  if matrix is None:
    return image
  # A point (x, y) is shown at (a x + c y, b x + d y).
  a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
  if abs(b) + abs(c) > abs(a) + abs(d):
    image = image.transpose(1, 0, 2)
    a, d = c, b
  if a < 0:
    image = image[:, ::-1]
  if d < 0:
    image = image[::-1]
  return np.ascontiguousarray(image)
