"""The sizes of a set of simulated dives."""

import dataclasses

# Of MTL-AQA's videos.
MTL_AQA_FRAMES_PER_SECOND = 25.0
SPLITS = ('train', 'test', 'test_shared_events')


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
  """How many dives from how many events, and how they are filmed.

  Attributes:
    width: of a stored frame, pixels.
    height: of a stored frame, pixels.
    window_frames: number of frames in the window of a dive.
    margin_frames: number of frames stored before the window, and after it.
    frames_per_second: of the camera.
    zoom: magnification; more than 1 makes the diver larger, for small frames.
    num_train: number of dives in 'train'.
    num_test: number of dives in 'test', from events that are not in 'train'.
    num_test_shared_events: number of dives in 'test_shared_events', from the
      events of 'train'.
    num_train_events: number of events of 'train'; their ids count from 1.
    num_test_events: number of events of 'test'; their ids follow.
    seed: for random numbers. The same (seed, split, index) gives the same dive.
  """

  width: int = 171
  height: int = 128
  window_frames: int = 103
  margin_frames: int = 3
  frames_per_second: float = MTL_AQA_FRAMES_PER_SECOND
  zoom: float = 1.0
  num_train: int = 1059
  num_test: int = 353
  num_test_shared_events: int = 353
  num_train_events: int = 120
  num_test_events: int = 40
  seed: int = 0

  @property
  def num_frames(self) -> int:
    """Number of stored frames of one dive."""
    return self.window_frames + 2 * self.margin_frames

  @property
  def num_dives(self) -> dict[str, int]:
    """Number of dives by split."""
    return {
      'train': self.num_train,
      'test': self.num_test,
      'test_shared_events': self.num_test_shared_events,
    }


# Small enough for a laptop to render and to train on.
_TOY = SimulationConfig(
  width=43,
  height=32,
  window_frames=48,
  margin_frames=2,
  frames_per_second=12.5,
  zoom=1.2,
  num_train=3000,
  num_test=400,
  num_test_shared_events=50,
  num_train_events=200,
  num_test_events=50,
)
CONFIGS = {
  'clips_171x128': SimulationConfig(),
  'quickstart': _TOY,
  'longer': dataclasses.replace(
    _TOY,
    num_train=20000,
    num_test=1000,
    num_test_shared_events=500,
    num_train_events=400,
    num_test_events=100,
    seed=1,
  ),
  'tiny': SimulationConfig(
    width=32,
    height=24,
    window_frames=20,
    margin_frames=2,
    frames_per_second=5.0,
    num_train=16,
    num_test=8,
    num_test_shared_events=8,
    num_train_events=4,
    num_test_events=2,
  ),
}
