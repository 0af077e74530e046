"""Draws the splash of an entry."""

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_dives.dive import SPLASH_STREAM, SimulatedDive
from tfds_mtl_aqa.simulated_dives.motion import GRAVITY
from tfds_mtl_aqa.simulation.camera import Camera
from tfds_mtl_aqa.simulation.drawing import ONE, SHIFT

_FOAM = (228, 238, 242)
_SPRAY = (246, 250, 252)
# The splash begins this long after the first contact with the water.
_DELAY_SECONDS = 0.08
# Splashes are this much faster than real ones, to fit into the window.
_HASTE = 1.15
_NUM_JETS = 5
# Foam is whole until this long after the entry, and then shrinks for as long.
_FOAM_SECONDS = 1.5


def plume_height(splash: float) -> float:
  """Returns the height of a splash in metres.

  Args:
    splash: from 0 to 1; see `faults.Faults`.
  """
  return 0.12 + 3.2 * splash


class SplashPainter:
  """Draws the foam, the plume and the spray of one dive, frame by frame."""

  def __init__(self, dive: SimulatedDive, camera: Camera):
    rng = dive.rng(SPLASH_STREAM)
    splash = dive.faults.splash
    self._splash = splash
    self._scale = camera.pixels_per_metre
    self._top_speed = float(np.sqrt(2 * GRAVITY * plume_height(splash)))
    self._width = 0.10 + 0.8 * splash
    num_frames = len(camera.x)
    entry = np.broadcast_to([dive.flight.entry_x, 0, 0], (num_frames, 1, 3))
    self._places = camera.project(entry)[:, 0].tolist()

    # The plume is a bundle of jets, the tallest in the middle.
    places = np.linspace(-1, 1, _NUM_JETS) + rng.uniform(-0.1, 0.1, _NUM_JETS)
    heights = (1 - 0.5 * places**2) * rng.uniform(0.75, 1.0, _NUM_JETS)
    heights[_NUM_JETS // 2] = 1.0
    self._jets = np.stack([_jet(place) for place in places])
    self._jets[:, :, 1] *= heights[:, None]
    self._jet_colours = [
      tuple(int(bright * part) for part in _SPRAY)
      for bright in rng.uniform(0.86, 1.0, _NUM_JETS)
    ]

    count = int(6 + 110 * splash)
    speed = self._top_speed * rng.uniform(0.35, 1.08, count)
    lean = rng.normal(0.0, 0.28, count)
    self._drop_speed = np.stack([np.sin(lean), np.cos(lean)], axis=-1)
    self._drop_speed *= speed[:, None]
    self._drop_x = rng.normal(0.0, 0.6 * self._width, count)
    size = rng.uniform(0.02, 0.05 + 0.05 * splash, count) * self._scale
    self._radii = np.maximum(np.round(size * ONE), ONE // 2).astype(int)

  def draw(self, image: np.ndarray, frame: int, seconds: float) -> None:
    """Draws the splash onto an image.

    Args:
      image: uint8 [height, width, 3], RGB; changed in place.
      frame: index of the frame.
      seconds: since the first contact with the water.
    """
    after = _HASTE * (seconds - _DELAY_SECONDS)
    if after <= 0:
      return
    foot = np.array(self._places[frame])
    grown = min(1.0, after / 0.5)
    left = min(1.0, 2 - after / _FOAM_SECONDS)
    if left > 0:
      self._draw_foam(image, foot, grown, left)
    height = self._top_speed * after - GRAVITY * after**2 / 2
    if height > 0.05:
      width = self._width * (0.6 + 0.4 * grown)
      jets = foot + self._jets * (width * self._scale, -height * self._scale)
      fixed = np.round(jets * ONE).astype(np.int32)
      for jet, colour in zip(fixed, self._jet_colours, strict=True):
        cv2.fillPoly(image, [jet], colour, cv2.LINE_AA, SHIFT)
    drops = self._drop_speed * after
    drops[:, 0] += self._drop_x
    drops[:, 1] -= GRAVITY * after**2 / 2
    flying = drops[:, 1] > 0
    centres = foot + drops[flying] * (self._scale, -self._scale)
    for centre, radius in zip(
      np.round(centres * ONE).astype(int).tolist(),
      self._radii[flying].tolist(),
      strict=True,
    ):
      cv2.circle(image, centre, radius, _SPRAY, -1, cv2.LINE_AA, SHIFT)

  def _draw_foam(
    self, image: np.ndarray, foot: np.ndarray, grown: float, left: float
  ) -> None:
    half_width = left * (0.25 + (0.25 + 1.3 * self._splash) * grown)
    half_height = left * (0.05 + 0.10 * self._splash)
    axes = (
      round(half_width * self._scale * ONE),
      round(half_height * self._scale * ONE),
    )
    centre = (round(foot[0] * ONE), round(foot[1] * ONE))
    cv2.ellipse(image, centre, axes, 0, 0, 360, _FOAM, -1, cv2.LINE_AA, SHIFT)


def _jet(place: float) -> np.ndarray:
  """Returns the outline of a jet: x in half widths, y in heights, [7, 2]."""
  base, tip, broad = 0.6 * place, 1.25 * place, 0.42
  middle = (base + tip) / 2
  return np.array(
    [
      [base - broad, 0.0],
      [middle - 0.9 * broad, 0.5],
      [tip - 0.7 * broad, 0.85],
      [tip, 1.0],
      [tip + 0.7 * broad, 0.85],
      [middle + 0.9 * broad, 0.5],
      [base + broad, 0.0],
    ]
  )
