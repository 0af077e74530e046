"""The sizes of a set of simulated examples, and their random numbers."""

import dataclasses

import numpy as np

# Of MTL-AQA's videos.
MTL_AQA_FRAMES_PER_SECOND = 25.0
SPLITS = ('train', 'test', 'test_shared_events')


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
  """How many examples from how many events, and how they are filmed.

  Attributes:
    width: of a stored frame, pixels.
    height: of a stored frame, pixels.
    window_frames: number of frames in the window of an example.
    margin_frames: number of frames stored before the window, and after it.
    frames_per_second: of the camera.
    zoom: magnification; more than 1 makes the athlete larger, for small frames.
    num_train: number of examples in 'train'.
    num_test: number of examples in 'test', from events that are not in 'train'.
    num_test_shared_events: number of examples in 'test_shared_events', from the
      events of 'train'.
    num_train_events: number of events of 'train'; their ids count from 1.
    num_test_events: number of events of 'test'; their ids follow.
    seed: for random numbers. The same (seed, split, index) gives the same
      example.
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
    """Number of stored frames of one example."""
    return self.window_frames + 2 * self.margin_frames

  @property
  def num_examples(self) -> dict[str, int]:
    """Number of examples by split."""
    return {
      'train': self.num_train,
      'test': self.num_test,
      'test_shared_events': self.num_test_shared_events,
    }


def event_and_sample(
  config: SimulationConfig, split: str, index: int
) -> tuple[int, int]:
  """Returns an example's event id and its number in the event, both from 1.

  Args:
    config: of the set.
    split: one of SPLITS.
    index: in the split, counted from 0.
  """
  if split == 'test':
    rank, place = divmod(index, config.num_test_events)
    return config.num_train_events + place + 1, rank + 1
  rank, place = divmod(index, config.num_train_events)
  if split == 'test_shared_events':
    rank += -(-config.num_train // config.num_train_events)
  return place + 1, rank + 1


def random_stream(
  config: SimulationConfig, split: str, index: int, purpose: int
) -> np.random.Generator:
  """Returns the source of random numbers of an example for one purpose.

  Args:
    config: of the set.
    split: one of SPLITS.
    index: in the split, counted from 0.
    purpose: each has its own source.
  """
  # Stream 0 belongs to the events.
  stream = 1 + SPLITS.index(split)
  return np.random.default_rng((config.seed, stream, index, purpose))
