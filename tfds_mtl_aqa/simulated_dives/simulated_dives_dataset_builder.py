"""Simulated dives as a dataset of TFDS."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import labels
from tfds_mtl_aqa.features import VideoExample, dive_features
from tfds_mtl_aqa.simulated_dataset_builder import SimulatedDatasetBuilder
from tfds_mtl_aqa.simulated_dives import faults as faults_lib
from tfds_mtl_aqa.simulated_dives.commentary import caption_ids, vocabulary
from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive, simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_dives.stage_ends import stage_ends
from tfds_mtl_aqa.simulation.body import JOINTS
from tfds_mtl_aqa.simulation.frames import encode_frames
from tfds_mtl_aqa.simulation.simulation_config import SimulationConfig


@dataclasses.dataclass(eq=False, kw_only=True)
class SimulatedDivesConfig(tfds.core.BuilderConfig):
  """A named set of simulated dives.

  Attributes:
    simulation: sizes, numbers and seed.
  """

  simulation: SimulationConfig = SimulationConfig()


def _describe(config: SimulationConfig) -> str:
  return (
    f'{config.num_frames} frames of {config.width}x{config.height} at '
    f'{config.frames_per_second:g} a second; {config.num_train} dives of '
    f'{config.num_train_events} events to train on.'
  )


class Builder(SimulatedDatasetBuilder):
  """Builds rendered dives with scores and commentary.

  For sizes other than those of BUILDER_CONFIGS, pass
  `config=SimulatedDivesConfig(name=..., simulation=...)`.
  """

  VERSION = tfds.core.Version('1.1.0')
  # They can be read, not prepared anew.
  SUPPORTED_VERSIONS = [tfds.core.Version('1.0.0')]
  RELEASE_NOTES = {
    '1.0.0': 'First release.',
    '1.1.0': 'The feature stage_ends; all else is as it was.',
  }
  BUILDER_CONFIGS = [
    SimulatedDivesConfig(
      name=name, description=_describe(config), simulation=config
    )
    for name, config in CONFIGS.items()
  ]

  @property
  def simulation(self) -> SimulationConfig:
    """See the base class."""
    assert isinstance(self.builder_config, SimulatedDivesConfig)
    return self.builder_config.simulation

  @property
  def num_examples(self) -> dict[str, int]:
    """See the base class."""
    return self.simulation.num_examples

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.simulation
    extra: dict[str, Any] = {
      # See faults.Faults for the units.
      'faults': tfds.features.FeaturesDict(
        dict.fromkeys(faults_lib.NAMES, np.float32)
      ),
      # (x, y) of each joint in pixels; may lie outside the frame.
      'poses': tfds.features.Tensor(
        shape=(config.num_frames, len(JOINTS), 2), dtype=np.float32
      ),
    }
    metadata = {
      'vocabulary': vocabulary(),
      'joints': list(JOINTS),
      'frames_per_second': config.frames_per_second,
      'window_frames': config.window_frames,
      'margin_frames': config.margin_frames,
    }
    if self.version >= '1.1.0':
      extra['stage_ends'] = tfds.features.Tensor(
        shape=(len(labels.STAGES),), dtype=np.int32
      )
      metadata['stages'] = list(labels.STAGES)
    return self.dive_info(
      dive_features((config.width, config.height), config.num_frames, extra),
      metadata=metadata,
    )

  @staticmethod
  def render(
    simulation: SimulationConfig, split: str, index: int
  ) -> list[bytes]:
    """See the base class."""
    return encode_frames(render_dive(simulate_dive(simulation, split, index)))

  def make_example(
    self, split: str, index: int, frames: list[bytes]
  ) -> 'SimulatedExample':
    """See the base class."""
    return dive_example(simulate_dive(self.simulation, split, index), frames)


class SimulatedExample(VideoExample):
  """A dive as the builder yields it: with its faults, poses and stages.

  `faults` are by name; see `faults.Faults`. `poses` is float32
  [num_frames, 17, 2], pixels (x, y) of each joint. `stage_ends` is int32 [4];
  see `stage_ends.stage_ends`.
  """

  faults: dict[str, float]
  poses: np.ndarray
  stage_ends: np.ndarray


def dive_example(dive: SimulatedDive, frames: list[bytes]) -> SimulatedExample:
  """Returns a dive as the builder yields it.

  Args:
    dive: to store.
    frames: its stored frames: the content of JPEG files.
  """
  number = dive.number
  return {
    'video': frames,
    'padded_frames': np.zeros(2, np.int32),
    'event': dive.event.event_id,
    'sample': dive.sample,
    'start_frame': dive.start_frame,
    'end_frame': dive.end_frame,
    'final_score': dive.final_score,
    'difficulty': number.difficulty,
    'judge_scores': dive.awards,
    'dive_number': number.number,
    'caption': dive.caption,
    'caption_ids': caption_ids(dive.caption),
    'position': number.position,
    'armstand': number.armstand,
    'rotation_type': number.rotation_type,
    'somersaults': number.somersaults,
    'twists': number.twists,
    'faults': dataclasses.asdict(dive.faults),
    'poses': dive.poses(),
    'stage_ends': stage_ends(dive),
  }
