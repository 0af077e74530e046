"""The camera of an event, which follows the diver."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulated_dives.events import Event

# The camera moves sideways by this share of the diver's way.
_FOLLOW_X = 0.5
# Time over which the motion of the camera is smoothed.
_PAN_SECONDS = 0.1
# The camera stops where the water line is this share of the frame's height
# below the middle.
_WATER_LINE = 0.2


@dataclasses.dataclass(frozen=True)
class Camera:
  """Where the camera looks in each of n frames; turns metres into pixels.

  Attributes:
    x: float64 [n], metres from the board's edge to the middle of the frame.
    y: float64 [n], metres from the water up to the middle of the frame.
    right: +1 if the direction away from the board is to the right in the image,
      else -1.
    yaw: rotation about the vertical, radians.
    width: of a frame, pixels.
    height: of a frame, pixels.
    pixels_per_metre: the scale.
    event: that it films.
  """

  x: np.ndarray
  y: np.ndarray
  right: int
  yaw: float
  width: int
  height: int
  pixels_per_metre: float
  event: Event

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
    """Returns the camera of an event that follows a diver.

    Args:
      event: that it films.
      x: float64 [n], metres from the board's edge to the diver.
      y: float64 [n], metres from the water up to the diver.
      width: of a frame, pixels.
      height: of a frame, pixels.
      frames_per_second: rate of the n frames.
    """
    # A quarter of a second, for which who does not render need not wait.
    from scipy import ndimage

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
      event=event,
    )

  def project(self, points: np.ndarray) -> np.ndarray:
    """Returns where points appear in the frames.

    Args:
      points: float64 [n, k, 3], metres.

    Returns:
      float64 [n, k, 2], pixels (x, y). (0, 0) is the centre of the top left
      pixel; points may lie outside the frame.
    """
    across = points[..., 0] * np.cos(self.yaw) + points[..., 2] * np.sin(
      self.yaw
    )
    right = self.right * (across - self.x[:, None])
    up = points[..., 1] - self.y[:, None]
    middle = (np.array([self.width, self.height]) - 1) / 2
    offset = np.stack([right, -up], axis=-1) * self.pixels_per_metre
    return middle + offset
