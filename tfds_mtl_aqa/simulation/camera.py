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
    x: float64 [n], metres across the image to the middle of the frame; see
      `seen`.
    y: float64 [n], metres up the image to the middle of the frame.
    right: +1 if positive x is to the right in the image, else -1.
    yaw: rotation about the vertical, radians.
    width: of a frame, pixels.
    height: of a frame, pixels.
    pixels_per_metre: the scale.
    pitch: how far the camera looks down, radians.
  """

  x: np.ndarray
  y: np.ndarray
  right: int
  yaw: float
  width: int
  height: int
  pixels_per_metre: float
  pitch: float = 0.0

  @classmethod
  def follow(
    cls,
    view: Viewpoint,
    x: np.ndarray,
    y: np.ndarray,
    width: int,
    height: int,
    frames_per_second: float,
    pitch: float = 0.0,
  ) -> Camera:
    """Returns the camera of an event that follows a point.

    Args:
      view: the event that it films.
      x: float64 [n], metres across the image to the point; see `seen`.
      y: float64 [n], metres up the image to the point.
      width: of a frame, pixels.
      height: of a frame, pixels.
      frames_per_second: rate of the n frames.
      pitch: how far the camera looks down, radians.
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
      pitch=pitch,
    )

  def project(self, points: np.ndarray) -> np.ndarray:
    """Returns where points appear in the frames.

    Args:
      points: float64 [n, k, 3], metres; [1, k, 3] for points at rest.

    Returns:
      float64 [n, k, 2], pixels (x, y). (0, 0) is the centre of the top left
      pixel; points may lie outside the frame.
    """
    across, up = seen(points, self.yaw, self.pitch, self.right)
    right = self.right * (across - self.x[:, None])
    up = up - self.y[:, None]
    middle = (np.array([self.width, self.height]) - 1) / 2
    offset = np.stack([right, -up], axis=-1) * self.pixels_per_metre
    return middle + offset


def seen(
  points: np.ndarray, yaw: float, pitch: float, right: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns where a camera sees points, before it follows anything.

  Args:
    points: float64 [..., 3], metres.
    yaw: see `Camera`.
    pitch: see `Camera`.
    right: see `Camera`.

  Returns:
    Metres across the image, in the direction in which x grows, and metres up
    the image: float64 [...] each.
  """
  across = points[..., 0] * np.cos(yaw) + points[..., 2] * np.sin(yaw)
  up = points[..., 1]
  if pitch:
    near = points[..., 2] * np.cos(yaw) - points[..., 0] * np.sin(yaw)
    up = up * np.cos(pitch) - right * near * np.sin(pitch)
  return across, up
