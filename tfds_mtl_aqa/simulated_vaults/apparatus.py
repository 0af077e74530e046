"""The floor, runway, springboard, table and mat of an event, as flat faces."""

import functools

import numpy as np

from tfds_mtl_aqa.simulated_vaults.events import Event
from tfds_mtl_aqa.simulated_vaults.motion import MAT_HEIGHT, TABLE_HEIGHT
from tfds_mtl_aqa.simulation.drawing import Colour, shade

# How far behind the runway the floor ends, metres.
_FAR = 5.0
_LINE: Colour = (225, 225, 220)
_BOARD: Colour = (196, 168, 120)
_STEEL: Colour = (96, 98, 104)
# Where the mat begins and ends, and half its width, metres.
_MAT = (1.3, 7.5, 1.25)

_Corner = tuple[float, float, float]
_Range = tuple[float, float]


@functools.lru_cache(maxsize=64)
def apparatus(event: Event, collar: bool) -> tuple[np.ndarray, list[Colour]]:
  """Returns the faces to draw, in this order.

  Args:
    event: whose colours and camera count: it tells which sides show.
    collar: whether there is a safety mat around the springboard.

  Returns:
    float64 [faces, 4, 3], corners in metres, and the colour of each face.
  """
  faces = _Faces(event)
  _add_floor(faces, event)
  _add_mat(faces, event.mat)
  if collar:
    faces.box((-2.6, -0.5), (-0.8, 0.8), (0.0, 0.06), shade(event.mat, 1.25))
  _add_board(faces)
  _add_table(faces, event.table)
  return np.array(faces.corners, np.float64), faces.colours


class _Faces:
  """Collects faces from the back to the front."""

  def __init__(self, event: Event):
    self.corners: list[list[_Corner]] = []
    self.colours: list[Colour] = []
    # The side of everything that faces the camera: where z has this sign.
    self.near = 1.0 if event.away_to_right else -1.0
    self._shows_end = -self.near * np.sin(event.yaw) > 0

  def face(self, corners: list[_Corner], colour: Colour) -> None:
    """Adds a face with four corners (x, y, z) in metres."""
    self.corners.append(corners)
    self.colours.append(colour)

  def level(
    self, along: _Range, across: _Range, height: float, colour: Colour
  ) -> None:
    """Adds a level rectangle: from and to along x and z, metres."""
    (a, b), (c, d) = along, across
    self.face(
      [(a, height, c), (b, height, c), (b, height, d), (a, height, d)], colour
    )

  def box(
    self, along: _Range, across: _Range, height: _Range, colour: Colour
  ) -> None:
    """Adds a box: from and to along x, z and y, metres."""
    (a, b), (c, d), (low, high) = along, across, height
    end = b if self._shows_end else a
    side = d if self.near > 0 else c
    self.face(
      [(end, low, c), (end, high, c), (end, high, d), (end, low, d)],
      shade(colour, 0.6),
    )
    self.face(
      [(a, low, side), (a, high, side), (b, high, side), (b, low, side)],
      shade(colour, 0.75),
    )
    self.level(along, across, high, colour)


def _add_floor(faces: _Faces, event: Event) -> None:
  far, near = -_FAR * faces.near, 60 * faces.near
  faces.level((-60, 40), (far, near), 0.0, event.floor)
  # A low fence before the wall.
  faces.face(
    [(-60, 0, far), (40, 0, far), (40, 0.25, far), (-60, 0.25, far)],
    shade(event.floor, 0.6),
  )
  faces.level((-25.0, 0.2), (-0.5, 0.5), 0.0, event.runway)
  for metre in range(-25, -2):
    stripe = shade(event.runway, 1.25 if metre % 2 else 0.8)
    faces.level((metre, metre + 0.12), (-0.5, 0.5), 0.0, stripe)


def _add_mat(faces: _Faces, colour: Colour) -> None:
  begin, end, half = _MAT
  faces.box((begin, end), (-half, half), (0.0, MAT_HEIGHT), colour)
  # The lines between which the gymnast is to land.
  for side in (-1.0, 1.0):
    corners = [
      (x, MAT_HEIGHT, side * z)
      for x, z in ((begin, 0.42), (begin, 0.49), (end, 0.84), (end, 0.77))
    ]
    faces.face(corners, _LINE)


def _add_board(faces: _Faces) -> None:
  begin, end, low, high, half = -2.15, -0.95, 0.04, 0.2, 0.3
  near = faces.near * half
  faces.face(
    [(begin, 0, near), (begin, low, near), (end, high, near), (end, 0, near)],
    shade(_BOARD, 0.6),
  )
  faces.face(
    [
      (begin, low, half),
      (begin, low, -half),
      (end, high, -half),
      (end, high, half),
    ],
    _BOARD,
  )


def _add_table(faces: _Faces, colour: Colour) -> None:
  faces.box((0.15, 1.05), (-0.4, 0.4), (0.0, 0.12), _STEEL)
  faces.box((0.4, 0.8), (-0.2, 0.2), (0.12, 1.0), _STEEL)
  top, under, half = TABLE_HEIGHT, TABLE_HEIGHT - 0.28, 0.48
  front = 0.12
  faces.box((front, 1.2), (-half, half), (under, top), colour)
  # The front is rounded downwards.
  near = half * faces.near
  lower = top - 0.1
  faces.face(
    [
      (front, top, near),
      (-0.02, lower, near),
      (-0.05, under - 0.1, near),
      (0.2, under, near),
    ],
    shade(colour, 0.75),
  )
  faces.face(
    [
      (front, top, near),
      (front, top, -near),
      (-0.02, lower, -near),
      (-0.02, lower, near),
    ],
    shade(colour, 0.95),
  )
