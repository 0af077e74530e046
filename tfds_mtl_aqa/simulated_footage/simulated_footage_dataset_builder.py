"""Simulated footage as a dataset of TFDS."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa.features import footage_features
from tfds_mtl_aqa.simulated_dataset_builder import SimulatedDatasetBuilder
from tfds_mtl_aqa.simulated_footage.footage import simulate_footage
from tfds_mtl_aqa.simulated_footage.footage_config import CONFIGS, FootageConfig
from tfds_mtl_aqa.simulation.frames import encode_frames


@dataclasses.dataclass(eq=False, kw_only=True)
class SimulatedFootageConfig(tfds.core.BuilderConfig):
  """A named set of simulated footage.

  Attributes:
    footage: sizes, numbers and seed.
  """

  footage: FootageConfig = FootageConfig()


def _describe(config: FootageConfig) -> str:
  return (
    f'Videos of {config.width}x{config.height} at '
    f'{config.frames_per_second:g} frames a second; {config.num_train} to '
    'train on.'
  )


class Builder(SimulatedDatasetBuilder):
  """Builds rendered videos of events, with the times of their dives."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  BUILDER_CONFIGS = [
    SimulatedFootageConfig(
      name=name, description=_describe(config), footage=config
    )
    for name, config in CONFIGS.items()
  ]

  @property
  def simulation(self) -> FootageConfig:
    """See the base class."""
    assert isinstance(self.builder_config, SimulatedFootageConfig)
    return self.builder_config.footage

  @property
  def num_examples(self) -> dict[str, int]:
    """See the base class."""
    return self.simulation.num_videos

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.simulation
    return self.dive_info(
      footage_features((config.width, config.height)),
      metadata={'frames_per_second': config.frames_per_second},
    )

  @staticmethod
  def render(simulation: FootageConfig, split: str, index: int) -> list[bytes]:
    """See the base class."""
    return encode_frames(simulate_footage(simulation, split, index).frames)

  def make_example(
    self, split: str, index: int, frames: list[bytes]
  ) -> dict[str, Any]:
    """See the base class."""
    footage = simulate_footage(self.simulation, split, index)
    return {
      'video': frames,
      'event': footage.event.event_id,
      'take_off_seconds': _times(d.take_off for d in footage.dives),
      'entry_seconds': _times(d.entry for d in footage.dives),
    }


def _times(values: Iterator[float]) -> np.ndarray:
  return np.fromiter(values, np.float32)
