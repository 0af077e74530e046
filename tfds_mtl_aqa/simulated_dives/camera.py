"""The panning camera of an event."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from tfds_mtl_aqa.simulated_dives.events import Event

# The camera follows this share of the diver's way across.
_FOLLOW_X = 0.5
# The operator's hand smooths the pan over about this time.
_PAN_SECONDS = 0.1
# At the lowest, the water line is this share of the frame below its middle.
_WATER_LINE = 0.2


@dataclasses.dataclass(frozen=True)
class Camera:
  """Where the camera looks in each frame, and how metres become pixels.

  Attributes:
    x: float64 [n], metres from the board's edge of the frame's middle.
    y: float64 [n], metres above the water of the frame's middle.
    right: +1 if away from the board is to the right in the image, else -1.
    yaw: radians about the vertical.
    width: pixels.
    height: pixels.
    pixels_per_metre: the scale.
  """

  x: np.ndarray
  y: np.ndarray
  right: int
  yaw: float
  width: int
  height: int
  pixels_per_metre: float

  @classmethod
  def follow(
    cls,
    event: Event,
    x: np.ndarray,
    y: np.ndarray,
    width: int,
    height: int,
    frames_per_second: float,
  ) -> Camera:
    """Returns the camera of `event` that follows a diver at x, y [n]."""
    scale = min(width, height) / event.view_height
    sigma = _PAN_SECONDS * frames_per_second
    lowest = _WATER_LINE * event.view_height
    middle_x = event.camera_x + _FOLLOW_X * (x - event.camera_x)
    return cls(
      x=ndimage.gaussian_filter1d(middle_x, sigma, mode='nearest'),
      y=ndimage.gaussian_filter1d(np.maximum(y, lowest), sigma, mode='nearest'),
      right=1 if event.away_to_right else -1,
      yaw=event.yaw,
      width=width,
      height=height,
      pixels_per_metre=scale,
    )

  def project(self, points: np.ndarray) -> np.ndarray:
    """Returns pixel coordinates [n, k, 2] of points [n, k, 3] in metres.

    Pixel (0, 0) is the centre of the top left pixel.
    """
    across = points[..., 0] * np.cos(self.yaw) + points[..., 2] * np.sin(
      self.yaw
    )
    right = self.right * (across - self.x[:, None])
    up = points[..., 1] - self.y[:, None]
    middle = (np.array([self.width, self.height]) - 1) / 2
    offset = np.stack([right, -up], axis=-1) * self.pixels_per_metre
    return middle + offset
