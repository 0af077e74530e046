"""Draws the venue of an event: backdrop, pool, and platform or springboard."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_dives.events import Event
from tfds_mtl_aqa.simulation.backdrop import cut, paint_backdrop
from tfds_mtl_aqa.simulation.camera import Camera
from tfds_mtl_aqa.simulation.drawing import ONE, SHIFT, Colour, shade

# The backdrop is farther away than the diver: it moves less, by this factor.
_PARALLAX = 0.6
# Half width and height of the panoramas, metres.
_SIDE = 6.0
_HIGHEST = 13.5
_SLAB = 0.28


class Venue:
  """Draws everything of an event but the diver and the splash.

  The panoramas of backdrop and water are painted once. Each frame is a part of
  them.
  """

  def __init__(self, event: Event, pixels_per_metre: float):
    self._event = event
    self._scale = pixels_per_metre
    rng = np.random.default_rng(event.seed)
    height = _HIGHEST * _PARALLAX + event.view_height + 0.5
    size = int(2 * _SIDE * pixels_per_metre), int(height * pixels_per_metre)
    self._backdrop = paint_backdrop(event, size, pixels_per_metre, rng)
    self._water = _paint_water(event, pixels_per_metre, rng)

  @staticmethod
  @functools.lru_cache(maxsize=16)
  def of_event(event: Event, pixels_per_metre: float) -> Venue:
    """Returns the venue of an event; the last 16 are kept.

    Args:
      event: to draw.
      pixels_per_metre: the scale.
    """
    return Venue(event, pixels_per_metre)

  def water_line(self, camera: Camera, frame: int) -> int:
    """Returns the first row of pixels below the surface at the diver.

    Args:
      camera: that films the venue.
      frame: index of the frame.

    Returns:
      A row, at most the height of the frame; below 0 if it is above the frame.
    """
    middle = (camera.height - 1) / 2
    return min(
      int(np.ceil(middle + camera.y[frame] * self._scale)), camera.height
    )

  def draw(self, camera: Camera, frame: int, board_tip: float) -> np.ndarray:
    """Returns an image of the venue without diver and splash.

    Args:
      camera: that films the venue.
      frame: index of the frame.
      board_tip: bend of the springboard's tip, metres upwards.

    Returns:
      uint8 [height, width, 3], RGB.
    """
    scale = self._scale
    x, y = float(camera.x[frame]), float(camera.y[frame])
    size = (camera.width, camera.height)
    middle_x, middle_y = (camera.width - 1) / 2, (camera.height - 1) / 2
    side = camera.right * x * scale
    left = self._backdrop.shape[1] / 2 + _PARALLAX * side - middle_x
    top = (_HIGHEST - y) * _PARALLAX * scale
    image = cut(self._backdrop, left, top, size).copy()
    edge = int(np.floor(middle_y + (y - self._event.far_edge) * scale))
    if edge < camera.height:
      edge = max(edge, 0)
      left = self._water.shape[1] / 2 + side - middle_x
      rows = camera.height - edge
      image[edge:] = cut(self._water, left, 0.0, (camera.width, rows))
    self._draw_boards(image, camera, frame, board_tip)
    return image

  def _draw_boards(
    self, image: np.ndarray, camera: Camera, frame: int, board_tip: float
  ) -> None:
    event = self._event
    colour = event.board
    dark = shade(colour, 0.6)
    x, y = float(camera.x[frame]), float(camera.y[frame])
    half_height = camera.height / 2 / self._scale
    # To 1/16 pixels: place = offset + factor * metres.
    factor_x, factor_y = camera.right * self._scale * ONE, -self._scale * ONE
    offset_x = (camera.width - 1) / 2 * ONE - factor_x * x
    offset_y = (camera.height - 1) / 2 * ONE - factor_y * y

    def place(metres_x: float, metres_y: float) -> tuple[int, int]:
      return (
        int(offset_x + factor_x * metres_x),
        int(offset_y + factor_y * metres_y),
      )

    def box(
      first: tuple[float, float], second: tuple[float, float], fill: Colour
    ) -> None:
      cv2.rectangle(
        image, place(*first), place(*second), fill, -1, cv2.LINE_AA, SHIFT
      )

    def slab(edge: float, top: float) -> None:
      if abs(top - y) < half_height + 0.5:
        box((-7, top), (edge, top - _SLAB), dark)
        box((-7, top), (edge, top - 0.3 * _SLAB), colour)

    if event.springboard:
      if y > event.board_height + half_height + 0.8:
        return
      box((-3.4, 2.75), (-2.7, 0.0), dark)
      along = np.linspace(-5.0, 0.0, 12)
      bend = board_tip * np.clip((along + 3.0) / 3.0, 0, 1) ** 2
      top = event.board_height + bend
      outline = np.concatenate(
        [np.stack([along, top]), np.stack([along, top - 0.09])[:, ::-1]], axis=1
      )
      fixed = np.array([[offset_x], [offset_y]]) + outline * np.array(
        [[factor_x], [factor_y]]
      )
      cv2.fillPoly(
        image, [fixed.T.astype(np.int32)], colour, cv2.LINE_AA, SHIFT
      )
      return
    box((-4.6, 9.9), (-2.2, -0.3), dark)
    slab(-1.0, 7.5)
    slab(-0.9, 5.0)
    slab(0.0, event.board_height)


def _paint_water(
  event: Event, scale: float, rng: np.random.Generator
) -> np.ndarray:
  """Paints the pool from its far edge to the front, uint8 [h, w, 3]."""
  height = int((event.view_height + event.far_edge) * scale)
  width = int(2 * _SIDE * scale)
  light = np.linspace(1.15, 0.8, height)[:, None, None]
  column = np.array(event.water) * light
  shape = (max(height // 2, 1), max(width // 6, 1))
  coarse = 1 + 0.05 * np.clip(rng.standard_normal(shape, np.float32), -3, 3)
  waves = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
  lit = column.astype(np.float32) * waves[:, :, None]
  image = np.minimum(lit, 255).astype(np.uint8)
  image[: max(1, round(0.08 * scale))] = (205, 210, 212)
  return image
