"""Draws the venue of an event: backdrop, pool, and platform or springboard."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_dives.camera import Camera
from tfds_mtl_aqa.simulated_dives.drawing import ONE, SHIFT, shade
from tfds_mtl_aqa.simulated_dives.events import MOSAIC, Colour, Event

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
    self._backdrop = _paint_backdrop(event, pixels_per_metre, rng)
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
    image = _cut(self._backdrop, left, top, size).copy()
    edge = int(np.floor(middle_y + (y - self._event.far_edge) * scale))
    if edge < camera.height:
      edge = max(edge, 0)
      left = self._water.shape[1] / 2 + side - middle_x
      rows = camera.height - edge
      image[edge:] = _cut(self._water, left, 0.0, (camera.width, rows))
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


def _cut(
  panorama: np.ndarray, left: float, top: float, size: tuple[int, int]
) -> np.ndarray:
  """Returns a view of a (width, height) part, at the nearest whole pixels."""
  width, height = size
  row = min(max(round(top), 0), panorama.shape[0] - height)
  column = min(max(round(left), 0), panorama.shape[1] - width)
  return panorama[row : row + height, column : column + width]


def _paint_backdrop(
  event: Event, scale: float, rng: np.random.Generator
) -> np.ndarray:
  """Paints the wall behind the pool, uint8 [h, w, 3]."""
  height = int((_HIGHEST * _PARALLAX + event.view_height + 0.5) * scale)
  width = int(2 * _SIDE * scale)
  # Lighter towards the roof.
  light = np.linspace(1.15, 0.85, height)[:, None, None]
  column = np.clip(np.array(event.wall) * light, 0, 255).astype(np.uint8)
  image = column.repeat(width, axis=1)
  contrast = event.pattern_contrast
  bright = shade(event.wall, 1 + contrast)
  dark = shade(event.wall, 1 - contrast)
  step = max(3, round(rng.uniform(0.7, 1.3) * scale))
  line = max(1, round(0.05 * scale))
  if event.pattern == 'tiles':
    for x in range(0, width, step):
      cv2.line(image, (x, 0), (x, height), bright, line)
    for y in range(0, height, step):
      cv2.line(image, (0, y), (width, y), bright, line)
  elif event.pattern == 'beams':
    for x in range(0, width, 2 * step):
      cv2.rectangle(image, (x, 0), (x + step // 3, height), dark, -1)
  elif event.pattern == 'banners':
    for y in range(step, height, 3 * step):
      for x in range(0, width, 3 * step):
        tint = rng.uniform(1 - contrast, 1 + contrast, 3)
        colour = tuple(int(v) for v in np.clip(event.wall * tint, 0, 255))
        end = (x + int(2.6 * step), y + step)
        cv2.rectangle(image, (x, y), end, colour, -1)
  elif event.pattern == 'crowd':
    _paint_crowd(image, event, scale, rng)
  elif event.pattern == MOSAIC:
    _paint_mosaic(image, event, scale, rng)
  return image


def _paint_mosaic(
  image: np.ndarray, event: Event, scale: float, rng: np.random.Generator
) -> None:
  """Paints bands of crowd, boxes or a single colour."""
  height, width = image.shape[:2]
  top = 0
  while top < height:
    bottom = min(top + max(int(rng.uniform(0.3, 2.5) * scale), 1), height)
    colour = rng.integers(10, 246, 3)
    # Most things are not as colourful.
    colour = colour.mean() + rng.uniform(0.1, 1.0) * (colour - colour.mean())
    kind = rng.integers(3)
    block = max(round(rng.uniform(0.05, 0.25 if kind else 1.5) * scale), 1)
    rows = (bottom - top) // block + 1
    columns = width // block + 1
    contrast = event.pattern_contrast * (2.5 if kind else 1.0) * (kind != 2)
    shape = (rows, columns, 3) if kind else (1, columns, 3)
    tint = 1 + contrast * rng.uniform(-1.2, 1.2, shape)
    tiles = np.clip(colour * tint, 0, 255).astype(np.uint8)
    band = cv2.resize(
      tiles,
      (columns * block, rows * block),
      interpolation=cv2.INTER_NEAREST,
    )
    image[top:bottom] = band[: bottom - top, :width]
    top = bottom


def _paint_crowd(
  image: np.ndarray, event: Event, scale: float, rng: np.random.Generator
) -> None:
  """Paints rows of dim spectators."""
  height, width = image.shape[:2]
  pitch = max(2, round(0.4 * scale))
  rows, seats = height // pitch + 1, width // pitch + 1
  tint = 1 + event.pattern_contrast * rng.uniform(-1.2, 1.2, (rows, seats, 3))
  people = np.clip(np.array(event.wall) * tint, 0, 255).astype(np.uint8)
  people = people.repeat(pitch, axis=0).repeat(pitch, axis=1)[:height, :width]
  # Heads on a darker stand.
  y, x = np.mgrid[:height, :width] % pitch - (pitch - 1) / 2
  seated = (x**2 + y**2) <= (0.36 * pitch) ** 2
  image[seated] = people[seated]


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
