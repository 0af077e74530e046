"""One simulated vault: its motion and its score."""

import dataclasses
import functools

import numpy as np

from tfds_mtl_aqa.simulated_vaults import judging, motion
from tfds_mtl_aqa.simulated_vaults.events import Event, draw_event
from tfds_mtl_aqa.simulated_vaults.faults import Faults, draw_faults
from tfds_mtl_aqa.simulated_vaults.flight import Flight
from tfds_mtl_aqa.simulated_vaults.vault_table import VAULTS, Vault, shares
from tfds_mtl_aqa.simulation.athlete import SKINS
from tfds_mtl_aqa.simulation.camera import Camera, seen
from tfds_mtl_aqa.simulation.drawing import Colour
from tfds_mtl_aqa.simulation.simulation_config import (
  MTL_AQA_FRAMES_PER_SECOND,
  SimulationConfig,
  event_and_sample,
  random_stream,
)

# The better gymnasts choose the harder vaults.
_MEAN_DIFFICULTY, _STD_DIFFICULTY = 5.56, 0.57
_QUALITY_FROM_DIFFICULTY = 0.3
# Of the flight after the table, metres above where the hands leave it.
_MEAN_RISE, _STD_RISE = 0.58, 0.04
# The middle of the frame is this high over the floor where the gymnast runs,
# and follows a share of the way up.
_RUNNING_HEIGHT = 1.35
_FOLLOW_Y = 0.55
_STANDING = 1.0
_LABELS = 0


@dataclasses.dataclass(frozen=True)
class SimulatedVault:
  """A vault with all that is known about it.

  Attributes:
    config: of the set that it belongs to.
    split: one of SPLITS.
    index: in its split, counted from 0.
    event: in which it takes place.
    sample: its number in the event, counted from 1.
    flight: the announced vault, its faults and its motion.
    marks: float32 [7], the judges' marks, tenths of points from 0 to 10.
    start_frame: number of the first frame in the event's video, from 1.
    end_frame: number of the last frame of the window, from 1.
    skin: colour.
    suit: colour.
    seconds_after_landing: from the landing to `end_frame`.
  """

  config: SimulationConfig
  split: str
  index: int
  event: Event
  sample: int
  flight: Flight
  marks: np.ndarray
  start_frame: int
  end_frame: int
  skin: Colour
  suit: Colour
  seconds_after_landing: float

  @property
  def vault(self) -> Vault:
    """The announced vault."""
    return self.flight.vault

  @property
  def faults(self) -> Faults:
    """What went wrong."""
    return self.flight.faults

  @property
  def execution(self) -> float:
    """The mean of the middle three marks, from 0 to 10."""
    return judging.execution_score(self.marks)

  @property
  def final_score(self) -> float:
    """The announced score: difficulty plus execution, in points."""
    return judging.final_score(self.marks, self.vault.difficulty)

  @functools.cached_property
  def frame_times(self) -> np.ndarray:
    """Times of the stored frames: float64 [num_frames], s from take-off."""
    config = self.config
    last = self.flight.seconds + self.seconds_after_landing
    steps = np.arange(config.num_frames) - (
      config.window_frames + config.margin_frames - 1
    )
    return last + steps / config.frames_per_second

  @functools.cached_property
  def joints(self) -> np.ndarray:
    """Positions of the joints, float64 [num_frames, 17, 3], metres."""
    return motion.joint_positions(self.flight, self.frame_times)

  def camera(self, width: int, height: int) -> Camera:
    """Returns the camera that films the vault in frames of a size in pixels."""
    event = self.event
    right = 1 if event.away_to_right else -1
    middle = (self.joints.min(axis=1) + self.joints.max(axis=1)) / 2
    middle[:, 1] = _RUNNING_HEIGHT + _FOLLOW_Y * (middle[:, 1] - _STANDING)
    # It stays on the line of the run-up, so that it shows who leaves it.
    middle[:, 2] = 0.0
    return Camera.follow(
      event,
      *seen(middle, event.yaw, event.pitch, right),
      width,
      height,
      self.config.frames_per_second,
      pitch=event.pitch,
    )

  def poses(self) -> np.ndarray:
    """Returns the joints in the frames: float32 [num_frames, 17, 2], pixels."""
    camera = self.camera(self.config.width, self.config.height)
    return camera.project(self.joints).astype(np.float32)


def simulate_vault(
  config: SimulationConfig,
  split: str,
  index: int,
  vault: Vault | None = None,
  faults: Faults | None = None,
) -> SimulatedVault:
  """Returns a vault, always the same for the same arguments.

  Args:
    config: of the set of vaults.
    split: one of SPLITS.
    index: in the split, counted from 0.
    vault: the vault to perform; None for a random one.
    faults: the faults to make; None for random ones.

  Returns:
    The vault. Its joints are computed on first use.
  """
  event_id, sample = event_and_sample(config, split, index)
  event = draw_event(config.seed, event_id)
  event = dataclasses.replace(
    event, view_height=event.view_height / config.zoom
  )
  rng = random_stream(config, split, index, _LABELS)
  drawn = VAULTS[rng.choice(len(VAULTS), p=shares())]
  vault = vault or drawn
  harder = (vault.difficulty - _MEAN_DIFFICULTY) / _STD_DIFFICULTY
  quality = rng.standard_normal() + _QUALITY_FROM_DIFFICULTY * harder
  drawn_faults = draw_faults(quality, rng)
  faults = faults or drawn_faults
  marks = judging.judge_marks(faults, event.strictness, rng)
  luck = np.clip(rng.standard_normal(2), -2, 2).tolist()
  doubles = 0.12 * (vault.somersaults > 2)
  flight = motion.plan_flight(
    vault,
    faults,
    run_speed=(6.6 if vault.is_yurchenko else 7.3) + 0.15 * luck[0],
    height=_MEAN_RISE + doubles + _STD_RISE * luck[1],
  )
  start_frame, end_frame = _frames(config, sample, rng)
  skin = SKINS[rng.integers(len(SKINS))]
  suit = np.clip(np.array(event.suit) + rng.integers(-30, 31, 3), 20, 235)
  return SimulatedVault(
    config=config,
    split=split,
    index=index,
    event=event,
    sample=sample,
    flight=flight,
    marks=marks,
    start_frame=start_frame,
    end_frame=end_frame,
    skin=skin,
    suit=(int(suit[0]), int(suit[1]), int(suit[2])),
    seconds_after_landing=float(rng.uniform(1.2, 1.35)),
  )


def _frames(
  config: SimulationConfig, sample: int, rng: np.random.Generator
) -> tuple[int, int]:
  """Returns a random first and last frame of the vault in its event's video."""
  length = 100 * np.exp(0.1 * rng.standard_normal())
  # One vault every two minutes.
  end = 3000 * sample + rng.integers(-150, 151)
  scale = config.frames_per_second / MTL_AQA_FRAMES_PER_SECOND
  return round((end - length) * scale), round(end * scale)
