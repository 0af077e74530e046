"""Simulated footage as a dataset of TFDS."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import frame_cache
from tfds_mtl_aqa.dive_dataset_builder import DiveDatasetBuilder
from tfds_mtl_aqa.features import footage_features
from tfds_mtl_aqa.simulated_dives.renderer import encode_frames
from tfds_mtl_aqa.simulated_footage.footage import Footage, simulate_footage
from tfds_mtl_aqa.simulated_footage.footage_config import (
  CONFIGS,
  SPLITS,
  FootageConfig,
)


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


class Builder(DiveDatasetBuilder):
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
  def _footage(self) -> FootageConfig:
    assert isinstance(self.builder_config, SimulatedFootageConfig)
    return self.builder_config.footage

  def _info(self) -> tfds.core.DatasetInfo:
    config = self._footage
    return self.dive_info(
      footage_features((config.width, config.height)),
      metadata={'frames_per_second': config.frames_per_second},
    )

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
    del dl_manager  # Nothing is downloaded.
    return {name: self._generate_examples(name) for name in SPLITS}

  def _generate_examples(
    self, split: str
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    config = self._footage
    keys = [f'{split}-{i:06d}' for i in range(config.num_videos[split])]
    frames_by_key = frame_cache.cached_frames(
      keys,
      functools.partial(_make_frames, config),
      self.frames_dir,
      fingerprint=functools.partial(_fingerprint, config),
      num_processes=self.num_processes,
      description=split,
    )
    for key, frames in frames_by_key:
      footage = _simulate(config, key)
      yield (
        key,
        {
          'video': frames,
          'event': footage.event.event_id,
          'take_off_seconds': _times(d.take_off for d in footage.dives),
          'entry_seconds': _times(d.entry for d in footage.dives),
        },
      )


def _times(values: Iterator[float]) -> np.ndarray:
  return np.fromiter(values, np.float32)


def _simulate(config: FootageConfig, key: str) -> Footage:
  split, index = key.rsplit('-', 1)
  return simulate_footage(config, split, int(index))


def _make_frames(config: FootageConfig, key: str) -> list[bytes]:
  return encode_frames(_simulate(config, key).frames)


def _fingerprint(config: FootageConfig, key: str) -> str:
  return f'{Builder.VERSION} {config} {key}'
