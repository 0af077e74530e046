"""Paints the wall behind the athletes, and cuts frames out of panoramas."""

from typing import Protocol

import cv2
import numpy as np

from tfds_mtl_aqa.simulation.drawing import Colour, shade

PATTERNS = ('tiles', 'crowd', 'banners', 'beams', 'plain')
# Bands of all kinds, in any colours; no event of `draw_event` has it.
MOSAIC = 'mosaic'


class Look(Protocol):
  """An event, as far as the wall is concerned."""

  @property
  def pattern(self) -> str:
    """One of PATTERNS, or MOSAIC."""

  @property
  def wall(self) -> Colour:
    """Mean colour."""

  @property
  def pattern_contrast(self) -> float:
    """From 0 to 1."""


def cut(
  panorama: np.ndarray, left: float, top: float, size: tuple[int, int]
) -> np.ndarray:
  """Returns a view of a (width, height) part, at the nearest whole pixels."""
  width, height = size
  row = min(max(round(top), 0), panorama.shape[0] - height)
  column = min(max(round(left), 0), panorama.shape[1] - width)
  return panorama[row : row + height, column : column + width]


def paint_backdrop(
  look: Look,
  size: tuple[int, int],
  scale: float,
  rng: np.random.Generator,
) -> np.ndarray:
  """Paints the wall behind the athletes.

  Args:
    look: of the wall.
    size: (width, height), pixels.
    scale: pixels of a metre.
    rng: draws details.

  Returns:
    uint8 [height, width, 3], RGB.
  """
  width, height = size
  # Lighter towards the roof.
  light = np.linspace(1.15, 0.85, height)[:, None, None]
  column = np.clip(np.array(look.wall) * light, 0, 255).astype(np.uint8)
  image = column.repeat(width, axis=1)
  contrast = look.pattern_contrast
  bright = shade(look.wall, 1 + contrast)
  dark = shade(look.wall, 1 - contrast)
  step = max(3, round(rng.uniform(0.7, 1.3) * scale))
  line = max(1, round(0.05 * scale))
  if look.pattern == 'tiles':
    for x in range(0, width, step):
      cv2.line(image, (x, 0), (x, height), bright, line)
    for y in range(0, height, step):
      cv2.line(image, (0, y), (width, y), bright, line)
  elif look.pattern == 'beams':
    for x in range(0, width, 2 * step):
      cv2.rectangle(image, (x, 0), (x + step // 3, height), dark, -1)
  elif look.pattern == 'banners':
    for y in range(step, height, 3 * step):
      for x in range(0, width, 3 * step):
        tint = rng.uniform(1 - contrast, 1 + contrast, 3)
        colour = tuple(int(v) for v in np.clip(look.wall * tint, 0, 255))
        end = (x + int(2.6 * step), y + step)
        cv2.rectangle(image, (x, y), end, colour, -1)
  elif look.pattern == 'crowd':
    _paint_crowd(image, look, scale, rng)
  elif look.pattern == MOSAIC:
    _paint_mosaic(image, look, scale, rng)
  return image


def _paint_mosaic(
  image: np.ndarray, look: Look, scale: float, rng: np.random.Generator
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
    contrast = look.pattern_contrast * (2.5 if kind else 1.0) * (kind != 2)
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
  image: np.ndarray, look: Look, scale: float, rng: np.random.Generator
) -> None:
  """Paints rows of dim spectators."""
  height, width = image.shape[:2]
  pitch = max(2, round(0.4 * scale))
  rows, seats = height // pitch + 1, width // pitch + 1
  tint = 1 + look.pattern_contrast * rng.uniform(-1.2, 1.2, (rows, seats, 3))
  people = np.clip(np.array(look.wall) * tint, 0, 255).astype(np.uint8)
  people = people.repeat(pitch, axis=0).repeat(pitch, axis=1)[:height, :width]
  # Heads on a darker stand.
  y, x = np.mgrid[:height, :width] % pitch - (pitch - 1) / 2
  seated = (x**2 + y**2) <= (0.36 * pitch) ** 2
  image[seated] = people[seated]
