"""Draws the hall of an event: the wall, and what stands on the floor."""

import functools

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_vaults.apparatus import apparatus
from tfds_mtl_aqa.simulated_vaults.events import Event
from tfds_mtl_aqa.simulation.backdrop import cut, paint_backdrop
from tfds_mtl_aqa.simulation.camera import Camera
from tfds_mtl_aqa.simulation.drawing import ONE, SHIFT

# The wall is farther away than the gymnast: it moves less, by this factor.
_PARALLAX = 0.6
# Half width and height of the wall, metres.
_SIDE = 17.0
_HIGHEST = 5.5


class HallPainter:
  """Draws everything of a vault but the gymnast, frame by frame."""

  def __init__(self, event: Event, camera: Camera, collar: bool):
    """Prepares all frames.

    Args:
      event: whose hall to draw.
      camera: that films it.
      collar: whether there is a safety mat around the springboard.
    """
    self._camera = camera
    self._wall = _wall(event, camera.pixels_per_metre)
    corners, self._colours = apparatus(event, collar)
    pixels = camera.project(corners.reshape(1, -1, 3))
    pixels = pixels.reshape(len(camera.x), *corners.shape[:2], 2)
    size = np.array([camera.width, camera.height])
    self._seen = (
      (pixels.max(axis=2) > -2) & (pixels.min(axis=2) < size + 2)
    ).all(axis=-1)
    self._faces = np.round(pixels * ONE).astype(np.int32)

  def draw(self, frame: int) -> np.ndarray:
    """Returns an image of the hall without the gymnast.

    Args:
      frame: index of the frame.

    Returns:
      uint8 [height, width, 3], RGB.
    """
    camera, scale = self._camera, self._camera.pixels_per_metre
    side = camera.right * float(camera.x[frame]) * scale * _PARALLAX
    left = self._wall.shape[1] / 2 + side - (camera.width - 1) / 2
    top = (_HIGHEST - float(camera.y[frame])) * _PARALLAX * scale
    image = cut(self._wall, left, top, (camera.width, camera.height)).copy()
    for face in np.flatnonzero(self._seen[frame]).tolist():
      corners = self._faces[frame, face]
      cv2.fillPoly(image, [corners], self._colours[face], cv2.LINE_AA, SHIFT)
    return image


@functools.lru_cache(maxsize=16)
def _wall(event: Event, pixels_per_metre: float) -> np.ndarray:
  """Returns the panorama of the wall; the last 16 are kept."""
  rng = np.random.default_rng(event.seed)
  height = _HIGHEST * _PARALLAX + event.view_height + 1.0
  size = int(2 * _SIDE * pixels_per_metre), int(height * pixels_per_metre)
  return paint_backdrop(event, size, pixels_per_metre, rng)
