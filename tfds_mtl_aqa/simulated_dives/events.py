"""Events: each has its own pool, backdrop, colours and camera."""

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulated_dives.dive_numbers import springboard_share
from tfds_mtl_aqa.simulation.backdrop import PATTERNS
from tfds_mtl_aqa.simulation.drawing import Colour, random_colour

PLATFORM_HEIGHT = 10.0
SPRINGBOARD_HEIGHT = 3.0

# Random numbers of events do not depend on those of dives.
_EVENT_STREAM = 0


@dataclasses.dataclass(frozen=True)
class Event:
  """One competition, filmed by one camera.

  Attributes:
    event_id: counted from 1; ids of 'test' follow those of 'train'.
    springboard: whether 3 m springboard, else 10 m platform.
    away_to_right: whether the divers move to the right in the image.
    view_height: height of the part of the scene in a frame, metres.
    camera_x: metres from the board's edge to the middle of the camera's range.
    yaw: rotation of the camera about the vertical, radians; at 0 it looks along
      the board's edge.
    pattern: of the backdrop, one of PATTERNS, or MOSAIC.
    wall: colour of the backdrop, RGB.
    pattern_contrast: from 0 to 1.
    water: colour, RGB.
    board: colour of the springboard or platform, RGB.
    suit: mean colour of the divers' suits, RGB.
    seed: for the texture of backdrop and water.
    far_edge: the pool's far edge appears this many metres above the water line
      at the diver: the higher the camera, the more.
  """

  event_id: int
  springboard: bool
  away_to_right: bool
  view_height: float
  camera_x: float
  yaw: float
  pattern: str
  wall: Colour
  pattern_contrast: float
  water: Colour
  board: Colour
  suit: Colour
  seed: int
  far_edge: float = 0.55

  @property
  def board_height(self) -> float:
    """Height of the board or platform above the water, metres."""
    return SPRINGBOARD_HEIGHT if self.springboard else PLATFORM_HEIGHT


def draw_event(seed: int, event_id: int) -> Event:
  """Returns the event with an id, always the same for the same arguments."""
  rng = np.random.default_rng((seed, _EVENT_STREAM, event_id))
  share = springboard_share()
  # Spread evenly over the ids, so that small sets have both.
  springboard = int((event_id + 1) * share) > int(event_id * share)
  return Event(
    event_id=event_id,
    springboard=springboard,
    away_to_right=bool(rng.random() < 0.5),
    view_height=float(rng.uniform(4.1, 4.9)),
    camera_x=float(rng.uniform(0.95, 1.35)),
    yaw=float(np.deg2rad(rng.uniform(-18, 18))),
    pattern=str(PATTERNS[rng.integers(len(PATTERNS))]),
    wall=random_colour(
      rng, hue=(0.45, 0.8), saturation=(0.25, 0.7), value=(60, 105)
    ),
    pattern_contrast=float(rng.uniform(0.1, 0.3)),
    water=random_colour(
      rng, hue=(0.48, 0.6), saturation=(0.6, 0.85), value=(95, 150)
    ),
    board=random_colour(
      rng, hue=(0.0, 1.0), saturation=(0.0, 0.2), value=(120, 190)
    ),
    suit=random_colour(
      rng, hue=(0.0, 1.0), saturation=(0.7, 0.95), value=(130, 215)
    ),
    seed=int(rng.integers(2**31)),
  )
