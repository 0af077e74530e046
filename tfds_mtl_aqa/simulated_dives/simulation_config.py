"""The sizes of a set of simulated dives."""

import dataclasses

# MTL-AQA's videos are 25 frames a second; windows are fixed in frames there.
MTL_AQA_FRAMES_PER_SECOND = 25.0
SPLITS = ('train', 'test', 'test_shared_events')


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
  """How many dives, from how many events, filmed how.

  Attributes:
    width: of a stored frame, pixels.
    height: of a stored frame, pixels.
    window_frames: frames of a dive's window.
    margin_frames: frames stored before and after the window.
    frames_per_second: the camera's.
    zoom: how much closer than a broadcast's camera this one films; small
      frames need it.
    num_train: dives in 'train'.
    num_test: dives in 'test', from events that 'train' never shows.
    num_test_shared_events: dives in 'test_shared_events', from the events of
      'train'.
    num_train_events: events of 'train', with ids from 1.
    num_test_events: events of 'test', with the ids that follow.
    seed: everything is a pure function of (seed, split, index).
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
    """Frames stored of one dive."""
    return self.window_frames + 2 * self.margin_frames

  @property
  def num_dives(self) -> dict[str, int]:
    """Dives in each split."""
    return {
      'train': self.num_train,
      'test': self.num_test,
      'test_shared_events': self.num_test_shared_events,
    }


# Small enough for a laptop to render and to learn from.
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
