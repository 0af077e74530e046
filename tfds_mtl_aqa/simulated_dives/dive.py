"""One simulated dive: its motion, its scores and its commentary."""

import dataclasses
import functools

import numpy as np

from tfds_mtl_aqa.simulated_dives import judging, motion
from tfds_mtl_aqa.simulated_dives.commentary import comment
from tfds_mtl_aqa.simulated_dives.dive_camera import follow_diver
from tfds_mtl_aqa.simulated_dives.dive_numbers import DiveNumber, dive_table
from tfds_mtl_aqa.simulated_dives.events import Event, draw_event
from tfds_mtl_aqa.simulated_dives.faults import Faults, draw_faults
from tfds_mtl_aqa.simulation.athlete import SKINS
from tfds_mtl_aqa.simulation.camera import Camera
from tfds_mtl_aqa.simulation.drawing import Colour
from tfds_mtl_aqa.simulation.simulation_config import (
  MTL_AQA_FRAMES_PER_SECOND,
  SimulationConfig,
  event_and_sample,
  random_stream,
)

# In a few dives everything goes wrong, which gives the scores the skewed
# distribution of the real ones.
_FAILURE_RATE = 0.02
# The better divers choose the harder dives.
_MEAN_DIFFICULTY, _STD_DIFFICULTY = 3.13, 0.42
_QUALITY_FROM_DIFFICULTY = 0.35
# Each dive has a source of random numbers for each of these purposes.
_LABELS, _COMMENTARY, SPLASH_STREAM = range(3)


@dataclasses.dataclass(frozen=True)
class SimulatedDive:
  """A dive with all that is known about it.

  Attributes:
    config: of the set that it belongs to.
    split: one of SPLITS.
    index: in its split, counted from 0.
    event: in which it takes place.
    sample: its number in the event, counted from 1.
    flight: the announced dive, its faults and its motion.
    awards: float32 [7], the judges' scores, half points from 0 to 10.
    start_frame: number of the first frame in the event's video, from 1.
    end_frame: number of the last frame of the window, from 1.
    caption: the commentary, words between single spaces.
    skin: colour, RGB.
    suit: colour, RGB.
    seconds_after_entry: from the first contact with the water to `end_frame`.
  """

  config: SimulationConfig
  split: str
  index: int
  event: Event
  sample: int
  flight: motion.Flight
  awards: np.ndarray
  start_frame: int
  end_frame: int
  caption: str
  skin: Colour
  suit: Colour
  seconds_after_entry: float

  @property
  def number(self) -> DiveNumber:
    """The announced dive."""
    return self.flight.dive

  @property
  def faults(self) -> Faults:
    """What went wrong."""
    return self.flight.faults

  @property
  def execution(self) -> float:
    """The sum of the middle three awards, from 0 to 30."""
    return judging.execution_score(self.awards)

  @property
  def final_score(self) -> float:
    """The announced score: execution times difficulty, in points."""
    return judging.final_score(self.awards, self.number.difficulty)

  @functools.cached_property
  def frame_times(self) -> np.ndarray:
    """Times of the stored frames: float64 [num_frames], s from take-off."""
    config = self.config
    last = self.flight.seconds + self.seconds_after_entry
    steps = np.arange(config.num_frames) - (
      config.window_frames + config.margin_frames - 1
    )
    return last + steps / config.frames_per_second

  @functools.cached_property
  def joints(self) -> np.ndarray:
    """Positions of the joints, float64 [num_frames, 17, 3], metres."""
    return motion.joint_positions(self.flight, self.frame_times)

  def camera(self, width: int, height: int) -> Camera:
    """Returns the camera that films the dive in frames of a size in pixels."""
    centre = motion.filmed_centre(self.flight, self.frame_times, self.joints)
    return follow_diver(
      self.event, *centre, width, height, self.config.frames_per_second
    )

  def poses(self) -> np.ndarray:
    """Returns the joints in the frames: float32 [num_frames, 17, 2], pixels."""
    camera = self.camera(self.config.width, self.config.height)
    return camera.project(self.joints).astype(np.float32)

  def rng(self, purpose: int) -> np.random.Generator:
    """Returns the source of random numbers for one purpose of this dive."""
    return random_stream(self.config, self.split, self.index, purpose)


def simulate_dive(
  config: SimulationConfig,
  split: str,
  index: int,
  number: DiveNumber | None = None,
  faults: Faults | None = None,
) -> SimulatedDive:
  """Returns a dive, always the same for the same arguments.

  Args:
    config: of the set of dives.
    split: one of SPLITS.
    index: in the split, counted from 0.
    number: the dive to perform; None for a random one.
    faults: the faults to make; None for random ones.

  Returns:
    The dive. Its joints are computed on first use.
  """
  event_id, sample = event_and_sample(config, split, index)
  event = draw_event(config.seed, event_id)
  event = dataclasses.replace(
    event, view_height=event.view_height / config.zoom
  )
  rng = random_stream(config, split, index, _LABELS)
  dives, shares = dive_table(event.springboard)
  drawn = dives[rng.choice(len(dives), p=shares)]
  number = number or drawn

  failed = rng.random() < _FAILURE_RATE
  quality = -rng.uniform(4, 9) if failed else rng.standard_normal()
  quality += _QUALITY_FROM_DIFFICULTY * (
    (number.difficulty - _MEAN_DIFFICULTY) / _STD_DIFFICULTY
  )
  drawn_faults = draw_faults(quality, rng)
  faults = faults or drawn_faults
  awards = judging.judge_awards(faults, rng)
  flight = motion.plan_flight(
    number,
    faults,
    event.springboard,
    event.board_height,
    jump_speed=_jump_speed(number, event.springboard, rng),
  )
  start_frame, end_frame = _frames(config, number, sample, rng)
  skin = SKINS[rng.integers(len(SKINS))]
  suit = np.clip(np.array(event.suit) + rng.integers(-30, 31, 3), 20, 235)
  return SimulatedDive(
    config=config,
    split=split,
    index=index,
    event=event,
    sample=sample,
    flight=flight,
    awards=awards,
    start_frame=start_frame,
    end_frame=end_frame,
    caption=comment(
      number,
      faults,
      judging.deserved_award(faults),
      event.springboard,
      random_stream(config, split, index, _COMMENTARY),
    ),
    skin=skin,
    suit=(int(suit[0]), int(suit[1]), int(suit[2])),
    seconds_after_entry=float(rng.uniform(0.5, 0.8)),
  )


def _jump_speed(
  number: DiveNumber, springboard: bool, rng: np.random.Generator
) -> float:
  """Returns a random vertical speed at take-off, m/s."""
  if number.armstand:
    mean = 0.8
  elif springboard:
    mean = 5.3
  else:
    mean = 2.4
  return mean + 0.1 * float(np.clip(rng.standard_normal(), -2, 2))


def _frames(
  config: SimulationConfig,
  number: DiveNumber,
  sample: int,
  rng: np.random.Generator,
) -> tuple[int, int]:
  """Returns a random first and last frame of the dive in its event's video.

  MTL-AQA's dives have 54 to 273 frames, 106 on average, at 25 per second.
  """
  length = 106 + 5 * (number.difficulty - _MEAN_DIFFICULTY)
  length = np.clip(length * np.exp(0.2 * rng.standard_normal()), 54, 273)
  # One dive per minute.
  end = 1500 * sample + rng.integers(-150, 151)
  scale = config.frames_per_second / MTL_AQA_FRAMES_PER_SECOND
  return round((end - length) * scale), round(end * scale)
