"""How a video asks to be turned before it is shown, as phones' do."""

import av
import numpy as np
from av.sidedata.sidedata import Type


def upright(frame: av.VideoFrame) -> np.ndarray:
  """Returns a frame as it is to be shown: uint8 [height, width, 3], BGR.

  Like ffmpeg, to quarter turns.
  """
  image = frame.to_ndarray(format='bgr24')
  matrix = frame.side_data.get(Type.DISPLAYMATRIX)
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
