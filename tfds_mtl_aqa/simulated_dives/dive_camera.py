"""How the camera of a diving event follows the diver."""

import numpy as np

from tfds_mtl_aqa.simulated_dives.events import Event
from tfds_mtl_aqa.simulation.camera import Camera

# The camera moves sideways by this share of the diver's way.
_FOLLOW_X = 0.5
# The camera stops where the water line is this share of the frame's height
# below the middle.
_WATER_LINE = 0.2


def follow_diver(
  event: Event,
  x: np.ndarray,
  y: np.ndarray,
  width: int,
  height: int,
  frames_per_second: float,
) -> Camera:
  """Returns the camera of an event that follows a diver.

  Args:
    event: that it films.
    x: float64 [n], metres from the board's edge to the diver.
    y: float64 [n], metres from the water up to the diver.
    width: of a frame, pixels.
    height: of a frame, pixels.
    frames_per_second: rate of the n frames.
  """
  middle_x = event.camera_x + _FOLLOW_X * (x - event.camera_x)
  lowest = _WATER_LINE * event.view_height
  return Camera.follow(
    event, middle_x, np.maximum(y, lowest), width, height, frames_per_second
  )
