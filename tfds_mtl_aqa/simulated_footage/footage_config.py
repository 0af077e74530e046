"""The sizes of a set of simulated footage."""

import dataclasses

from tfds_mtl_aqa.simulation.simulation_config import SimulationConfig

SPLITS = ('train', 'validation', 'test')


@dataclasses.dataclass(frozen=True)
class FootageConfig:
  """How many videos, and how they are filmed.

  Each video is of an event of its own: no event is in two splits.

  Attributes:
    width: of a frame, pixels.
    height: of a frame, pixels.
    frames_per_second: of the video.
    zoom: see `SimulationConfig`.
    num_train: videos of 'train'.
    num_validation: videos of 'validation'.
    num_test: videos of 'test'.
    max_dives: dives of a video at most.
    broadcast: share of the events that look as those on television: any
      colours, people and boxes behind, high and distant cameras. The others
      look as in `simulated_dives`.
    seed: for random numbers.
  """

  width: int = 64
  height: int = 48
  frames_per_second: float = 12.5
  zoom: float = 1.0
  num_train: int = 900
  num_validation: int = 60
  num_test: int = 150
  max_dives: int = 3
  broadcast: float = 0.7
  seed: int = 2

  @property
  def num_videos(self) -> dict[str, int]:
    """Number of videos by split."""
    return {
      'train': self.num_train,
      'validation': self.num_validation,
      'test': self.num_test,
    }

  def first_event(self, split: str) -> int:
    """Returns the id of a split's first event; they count from 1."""
    numbers = list(self.num_videos.values())
    return 1 + sum(numbers[: SPLITS.index(split)])

  @property
  def dives(self) -> SimulationConfig:
    """The set that the dives belong to: each event has `max_dives` of them."""
    num_events = sum(self.num_videos.values())
    return SimulationConfig(
      width=self.width,
      height=self.height,
      frames_per_second=self.frames_per_second,
      zoom=self.zoom,
      num_train=num_events * self.max_dives,
      num_train_events=num_events,
      seed=self.seed,
    )


CONFIGS = {
  'small': FootageConfig(),
  # Filmed as the dives of simulated_dives/longer, for networks that learned
  # from those.
  'as_longer': FootageConfig(
    zoom=1.2,
    broadcast=0.0,
    num_train=1,
    num_validation=1,
    num_test=150,
    seed=3,
  ),
  'tiny': FootageConfig(num_train=6, num_validation=3, num_test=3),
}
