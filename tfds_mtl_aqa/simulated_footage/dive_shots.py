"""Shots of a diver: the dive itself, its replay, and those without a dive."""

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulated_dives import motion
from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive
from tfds_mtl_aqa.simulated_dives.dive_camera import follow_diver
from tfds_mtl_aqa.simulated_dives.events import Event
from tfds_mtl_aqa.simulated_dives.renderer import render_motion
from tfds_mtl_aqa.simulated_dives.venue import Venue
from tfds_mtl_aqa.simulated_footage import diver_motion
from tfds_mtl_aqa.simulated_footage.diver_motion import Conduct
from tfds_mtl_aqa.simulated_footage.picture import Picture, reduced
from tfds_mtl_aqa.simulation.backdrop import MOSAIC
from tfds_mtl_aqa.simulation.drawing import Colour
from tfds_mtl_aqa.simulation.frames import oversampling
from tfds_mtl_aqa.simulation.ramp import ramp


@dataclasses.dataclass(frozen=True)
class Span:
  """A part of a dive.

  Attributes:
    first: time of its first frame, s from take-off.
    last: time of its last frame at most, s from take-off.
    speed: how fast it is shown; below 1 is slow motion.
  """

  first: float
  last: float
  speed: float = 1.0

  def times(self, frames_per_second: float) -> np.ndarray:
    """Returns the times of its frames, float64 [n], s from take-off."""
    return np.arange(self.first, self.last, self.speed / frames_per_second)


def draw_conduct(rng: np.random.Generator) -> Conduct:
  """Returns what a diver does around a dive, at random."""
  return Conduct(
    wait=float(rng.uniform(0.0, 4.0)),
    under_water=float(rng.uniform(1.2, 2.2)),
    swimming=float(rng.uniform(-0.6, 0.9)),
  )


def second_camera(event: Event, rng: np.random.Generator) -> Event:
  """Returns an event as another camera shows it: place, angle and distance."""
  return dataclasses.replace(
    event,
    away_to_right=bool(rng.random() < 0.5),
    view_height=min(event.view_height * float(rng.uniform(0.75, 1.5)), 8.0),
    camera_x=float(rng.uniform(0.6, 1.6)),
    yaw=float(np.deg2rad(rng.uniform(-30, 30))),
    far_edge=float(rng.uniform(0.3, 6.0)),
  )


def broadcast_look(event: Event, rng: np.random.Generator) -> Event:
  """Returns an event with the look of one on television, at random."""
  return dataclasses.replace(
    event,
    view_height=float(rng.uniform(3.8, 7.0)),
    pattern=MOSAIC,
    wall=_colour(rng, 10, 246),
    pattern_contrast=float(rng.uniform(0.05, 0.4)),
    water=_water_colour(rng),
    board=_colour(rng, 60, 246),
    far_edge=float(rng.uniform(0.3, 6.0)),
  )


def _colour(rng: np.random.Generator, least: int, most: int) -> Colour:
  red, green, blue = rng.integers(least, most, 3).tolist()
  return red, green, blue


def _water_colour(rng: np.random.Generator) -> Colour:
  """Returns a colour between green and blue, from dark to light."""
  red, green, blue = (
    rng.uniform(0.4, 1.3) * rng.uniform((0, 90, 120), (90, 170, 235))
  ).astype(int)
  return int(red), min(int(green), 255), min(int(blue), 255)


def dive_shot(
  dive: SimulatedDive,
  conduct: Conduct,
  event: Event,
  span: Span,
  picture: Picture,
) -> np.ndarray:
  """Returns the frames of a part of a dive.

  Args:
    dive: the dive.
    conduct: what the diver does around it.
    event: the dive's event, as one of its cameras shows it.
    span: which part.
    picture: size and rate of the frames.

  Returns:
    uint8 [n, height, width, 3], RGB.
  """
  times = span.times(picture.frames_per_second)
  joints = diver_motion.joint_positions(dive.flight, conduct, times)
  x, y = motion.filmed_centre(dive.flight, times, joints)
  rate = picture.frames_per_second / span.speed
  return _filmed(dive, event, times, joints, (x, y), rate, picture)


def warm_up_shot(
  dive: SimulatedDive,
  event: Event,
  seconds: float,
  picture: Picture,
  rng: np.random.Generator,
) -> np.ndarray:
  """Returns the frames of a diver who warms up: see `dive_shot`."""
  steps = np.arange(round(seconds * picture.frames_per_second))
  joints = diver_motion.warming_up(
    dive.flight,
    float(rng.uniform(-3.0, -0.2)),
    steps / picture.frames_per_second,
    rng,
  )
  middle = (joints.min(axis=1) + joints.max(axis=1)) / 2
  still = np.full(len(steps), -60.0)  # Long before the take-off.
  centre = middle[:, 0], np.full(len(steps), middle[:, 1].mean())
  rate = picture.frames_per_second
  return _filmed(dive, event, still, joints, centre, rate, picture)


def empty_shot(
  event: Event, seconds: float, picture: Picture, rng: np.random.Generator
) -> np.ndarray:
  """Returns the frames of board and pool without a diver: see `dive_shot`.

  The camera often moves as fast as if it followed one.
  """
  count = round(seconds * picture.frames_per_second)
  finer = oversampling(picture.height)
  top = event.board_height + 1.0
  ends = rng.uniform(0.5, top, 2)
  begin = rng.uniform(0, 0.7)
  way = ramp(np.linspace(0, 1, count), begin, begin + rng.uniform(0.1, 0.6))
  camera = follow_diver(
    event,
    rng.uniform(-1, 1.5) + rng.uniform(-1, 1) * way,
    ends[0] + (ends[1] - ends[0]) * way,
    picture.width * finer,
    picture.height * finer,
    picture.frames_per_second,
  )
  venue = Venue.of_event(event, camera.pixels_per_metre)
  return reduced(
    (venue.draw(camera, i, 0.0) for i in range(count)), picture, count
  )


def _filmed(
  dive: SimulatedDive,
  event: Event,
  times: np.ndarray,
  joints: np.ndarray,
  centre: tuple[np.ndarray, np.ndarray],
  frames_per_second: float,
  picture: Picture,
) -> np.ndarray:
  finer = oversampling(picture.height)
  camera = follow_diver(
    event,
    *centre,
    picture.width * finer,
    picture.height * finer,
    frames_per_second,
  )
  size = (picture.width, picture.height)
  return render_motion(dive, event, times, joints, camera, size)
