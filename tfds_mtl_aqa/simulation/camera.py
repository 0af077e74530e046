"""The camera of an event, which follows the athlete."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

# Time over which the motion of the camera is smoothed.
_PAN_SECONDS = 0.1


class Viewpoint(Protocol):
  """An event, as far as its camera is concerned."""

  @property
  def away_to_right(self) -> bool:
    """Whether the athletes move to the right in the image."""

  @property
  def view_height(self) -> float:
    """Height of the part of the scene in a frame, metres."""

  @property
  def yaw(self) -> float:
    """Rotation of the camera about the vertical, radians; 0: along z."""


@dataclasses.dataclass(frozen=True)
class Camera:
  """Where the camera looks in each of n frames; turns metres into pixels.

  Axes are in metres: x the way that the athletes move, y up, z across.

  Attributes:
    x: float64 [n], metres to the middle of the frame.
    y: float64 [n], metres up to the middle of the frame.
    right: +1 if positive x is to the right in the image, else -1.
    yaw: rotation about the vertical, radians.
    width: of a frame, pixels.
    height: of a frame, pixels.
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
    view: Viewpoint,
    x: np.ndarray,
    y: np.ndarray,
    width: int,
    height: int,
    frames_per_second: float,
  ) -> Camera:
    """Returns the camera of an event that follows a point.

    Args:
      view: the event that it films.
      x: float64 [n], metres, of the point.
      y: float64 [n], metres, of the point.
      width: of a frame, pixels.
      height: of a frame, pixels.
      frames_per_second: rate of the n frames.
    """
    # A quarter of a second, for which who does not render need not wait.
    from scipy import ndimage

    sigma = _PAN_SECONDS * frames_per_second
    return cls(
      x=ndimage.gaussian_filter1d(x, sigma, mode='nearest'),
      y=ndimage.gaussian_filter1d(y, sigma, mode='nearest'),
      right=1 if view.away_to_right else -1,
      yaw=view.yaw,
      width=width,
      height=height,
      pixels_per_metre=min(width, height) / view.view_height,
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
