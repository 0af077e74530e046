"""Events: each has its own hall, colours, camera and judges."""

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulation.backdrop import PATTERNS
from tfds_mtl_aqa.simulation.drawing import Colour, random_colour

# Random numbers of events do not depend on those of vaults.
_EVENT_STREAM = 0


@dataclasses.dataclass(frozen=True)
class Event:
  """One competition, filmed by one camera and marked by one panel.

  Attributes:
    event_id: counted from 1; ids of 'test' follow those of 'train'.
    away_to_right: whether the gymnasts run to the right in the image.
    view_height: height of the part of the scene in a frame, metres.
    yaw: rotation of the camera about the vertical, radians; at 0 it looks
      across the runway.
    pitch: how far the camera looks down, radians.
    pattern: of the backdrop, one of PATTERNS.
    wall: colour of the backdrop.
    pattern_contrast: from 0 to 1.
    floor: colour.
    runway: colour.
    mat: colour of the landing mat.
    table: colour of the vaulting table.
    suit: mean colour of the gymnasts' suits.
    strictness: points that the judges subtract from any vault.
    seed: for the texture of the backdrop.
  """

  event_id: int
  away_to_right: bool
  view_height: float
  yaw: float
  pitch: float
  pattern: str
  wall: Colour
  pattern_contrast: float
  floor: Colour
  runway: Colour
  mat: Colour
  table: Colour
  suit: Colour
  strictness: float
  seed: int


def draw_event(seed: int, event_id: int) -> Event:
  """Returns the event with an id, always the same for the same arguments."""
  rng = np.random.default_rng((seed, _EVENT_STREAM, event_id))
  any_hue = (0.0, 1.0)
  return Event(
    event_id=event_id,
    away_to_right=bool(rng.random() < 0.5),
    view_height=float(rng.uniform(4.3, 5.0)),
    yaw=float(np.deg2rad(rng.uniform(-16, 16))),
    pitch=float(np.deg2rad(rng.uniform(11, 20))),
    pattern=str(PATTERNS[rng.integers(len(PATTERNS))]),
    wall=random_colour(rng, any_hue, (0.1, 0.6), (45, 95)),
    pattern_contrast=float(rng.uniform(0.1, 0.3)),
    floor=random_colour(rng, any_hue, (0.15, 0.5), (95, 150)),
    runway=random_colour(rng, any_hue, (0.3, 0.7), (110, 175)),
    mat=random_colour(rng, any_hue, (0.4, 0.8), (85, 150)),
    table=random_colour(rng, any_hue, (0.2, 0.7), (120, 200)),
    suit=random_colour(rng, any_hue, (0.7, 0.95), (130, 215)),
    strictness=float(rng.uniform(0.1, 0.3)),
    seed=int(rng.integers(2**31)),
  )
