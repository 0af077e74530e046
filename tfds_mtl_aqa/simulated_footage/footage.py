"""A simulated video of an event: shots one after the other."""

import dataclasses

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive, simulate_dive
from tfds_mtl_aqa.simulated_dives.events import Event
from tfds_mtl_aqa.simulated_footage import dive_shots, other_shots
from tfds_mtl_aqa.simulated_footage.dive_shots import Span
from tfds_mtl_aqa.simulated_footage.footage_config import SPLITS, FootageConfig
from tfds_mtl_aqa.simulated_footage.picture import Picture

# Probabilities of what a video shows.
_NO_DIVE = 0.25
_REPLAY = 0.6
_SECOND_REPLAY = 0.3
_FROM_SECOND_CAMERA = 0.25
_BETWEEN = 0.6
_GRAPHICS = 0.5
_FADE = 0.15


@dataclasses.dataclass(frozen=True)
class FilmedDive:
  """A dive in a video. Its replays are not told.

  Attributes:
    dive: the dive.
    take_off: when the diver leaves the board, s from the video's first frame.
    entry: when the diver first touches the water, s from the first frame.
  """

  dive: SimulatedDive
  take_off: float
  entry: float


@dataclasses.dataclass(frozen=True, eq=False)
class Footage:
  """A simulated video.

  Attributes:
    event: the event that it is of.
    frames: uint8 [n, height, width, 3], RGB.
    dives: dives in it, in the order of time.
  """

  event: Event
  frames: np.ndarray
  dives: tuple[FilmedDive, ...]


def simulate_footage(
  config: FootageConfig,
  split: str,
  index: int,
  size: tuple[int, int] | None = None,
  frames_per_second: float | None = None,
) -> Footage:
  """Returns a video, always the same for the same arguments.

  Args:
    config: set that it belongs to.
    split: one of SPLITS.
    index: place in the split, from 0.
    size: (width, height) of a frame in pixels; None for that of the set.
    frames_per_second: of the video; None for that of the set.
  """
  rng = np.random.default_rng((config.seed, 10 + SPLITS.index(split), index))
  picture = Picture(
    *(size or (config.width, config.height)),
    frames_per_second or config.frames_per_second,
  )
  event_id = config.first_event(split) + index
  dives = [
    simulate_dive(
      config.dives, 'train', event_id - 1 + rank * config.dives.num_train_events
    )
    for rank in range(config.max_dives)
  ]
  event = dives[0].event
  if rng.random() < config.broadcast:
    event = dive_shots.broadcast_look(event, rng)
  number = 0
  if rng.random() >= _NO_DIVE:
    number = int(rng.integers(1, config.max_dives + 1))
  film = _Film(picture, rng)
  other = dive_shots.second_camera(event, rng)
  if not number:
    for _ in range(rng.integers(2, 6)):
      _add_without_dive(film, dives[0], (event, other), rng)
  for dive in dives[:number]:
    if rng.random() < _BETWEEN:
      _add_without_dive(film, dive, (event, other), rng)
    _add_dive(film, dive, (event, other), rng)
  return Footage(event, film.frames(), tuple(film.dives))


class _Film:
  """Shots that are joined, and the dives in them."""

  def __init__(self, picture: Picture, rng: np.random.Generator):
    self.picture = picture
    self.dives: list[FilmedDive] = []
    self._rng = rng
    self._shots: list[np.ndarray] = []
    self._count = 0

  def add(self, shot: np.ndarray) -> float:
    """Adds a shot; returns when it begins, s from the film's beginning."""
    begin = self._count / self.picture.frames_per_second
    if self._shots and self._rng.random() < _FADE:
      _fade(self._shots[-1][-1], shot)
    self._shots.append(shot)
    self._count += len(shot)
    return begin

  def frames(self) -> np.ndarray:
    """Returns all frames, uint8 [n, height, width, 3]."""
    return np.concatenate(self._shots)


def _fade(last: np.ndarray, shot: np.ndarray) -> None:
  """Lets the last frame of a shot fade into the beginning of the next."""
  count = min(4, len(shot))
  for i, weight in enumerate(np.arange(1, count + 1) / (count + 1)):
    mixed = weight * shot[i] + (1 - weight) * last
    shot[i] = mixed.astype(np.uint8)


def _add_dive(
  film: _Film,
  dive: SimulatedDive,
  cameras: tuple[Event, Event],
  rng: np.random.Generator,
) -> None:
  """Adds a dive and what follows: replays, and then other shots."""
  picture = film.picture
  conduct = dive_shots.draw_conduct(rng)
  seconds = dive.flight.seconds
  event, other = cameras
  if rng.random() < _FROM_SECOND_CAMERA:
    event, other = other, event
  lead, rest = float(rng.uniform(0.6, 7.0)), float(rng.uniform(0.8, 5.0))
  shot = dive_shots.dive_shot(
    dive, conduct, event, Span(-lead, seconds + rest), picture
  )
  if rng.random() < _GRAPHICS:
    _draw_graphics(shot, rng)
  begin = film.add(shot)
  film.dives.append(FilmedDive(dive, begin + lead, begin + lead + seconds))
  for probability in (_REPLAY, _SECOND_REPLAY):
    if rng.random() >= probability:
      break
    span = Span(
      float(rng.uniform(-1.0, 0.0)),
      seconds + float(rng.uniform(0.2, 0.8)),
      float(rng.uniform(0.2, 0.5)),
    )
    camera = other if rng.random() < 0.6 else event
    replay = dive_shots.dive_shot(dive, conduct, camera, span, picture)
    if rng.random() < _GRAPHICS:
      _draw_graphics(replay, rng)
    film.add(replay)


def _add_without_dive(
  film: _Film,
  dive: SimulatedDive,
  cameras: tuple[Event, Event],
  rng: np.random.Generator,
) -> None:
  """Adds a shot in which nobody dives."""
  picture = film.picture
  seconds = float(rng.uniform(1.0, 6.0))
  event = cameras[rng.integers(2)]
  kind = rng.random()
  if kind < 0.5:
    shot = other_shots.other_shot(seconds, picture, rng)
  elif kind < 0.65:
    shot = dive_shots.empty_shot(event, seconds, picture, rng)
  elif kind < 0.8:
    shot = dive_shots.warm_up_shot(dive, event, seconds, picture, rng)
  else:
    # The diver walks and waits, or is in the water already.
    conduct = dive_shots.draw_conduct(rng)
    if rng.random() < 0.5:
      last = -float(rng.uniform(0.4, 3.0))
      span = Span(last - seconds, last)
    else:
      first = dive.flight.seconds + float(rng.uniform(0.7, 2.0))
      span = Span(first, first + seconds)
    shot = dive_shots.dive_shot(dive, conduct, event, span, picture)
  film.add(shot)


def _draw_graphics(shot: np.ndarray, rng: np.random.Generator) -> None:
  """Draws a line of text and a mark of the broadcaster into a shot."""
  count, height, width, _ = shot.shape
  colour, ink = rng.integers(0, 256, (2, 3)).tolist()
  first, last = np.sort(rng.integers(0, count + 1, 2))
  top = int(height * rng.uniform(0.8, 0.9))
  left = int(width * rng.uniform(0.05, 0.3))
  bottom, right = min(top + height // 8, height - 1), width - left
  for image in shot[first:last]:
    cv2.rectangle(image, (left, top), (right, bottom), colour, -1)
    for x in range(left + 1, right - 2, 3):
      cv2.line(image, (x, top + 1), (x, bottom - 1), ink, 1)
  if rng.random() < 0.5:
    side = max(width // 12, 1)
    for image in shot:
      cv2.rectangle(image, (2, 2), (2 + side, 2 + side // 2), ink, -1)
