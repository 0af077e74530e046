"""Simulated vaults as a dataset of TFDS."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import labels
from tfds_mtl_aqa.features import vault_features
from tfds_mtl_aqa.simulated_dataset_builder import SimulatedDatasetBuilder
from tfds_mtl_aqa.simulated_vaults import faults as faults_lib
from tfds_mtl_aqa.simulated_vaults.renderer import render_vault
from tfds_mtl_aqa.simulated_vaults.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_vaults.vault import simulate_vault
from tfds_mtl_aqa.simulated_vaults.vault_table import ENTRIES, POSITIONS
from tfds_mtl_aqa.simulation.body import JOINTS
from tfds_mtl_aqa.simulation.frames import encode_frames
from tfds_mtl_aqa.simulation.simulation_config import SimulationConfig

_CLASSES = {
  'entry': ENTRIES,
  'position': POSITIONS,
  'somersaults': labels.SOMERSAULTS,
  'twists': labels.TWISTS,
}


@dataclasses.dataclass(eq=False, kw_only=True)
class SimulatedVaultsConfig(tfds.core.BuilderConfig):
  """A named set of simulated vaults.

  Attributes:
    simulation: sizes, numbers and seed.
  """

  simulation: SimulationConfig = CONFIGS['clips_171x128']


def _describe(config: SimulationConfig) -> str:
  return (
    f'{config.num_frames} frames of {config.width}x{config.height} at '
    f'{config.frames_per_second:g} a second; {config.num_train} vaults of '
    f'{config.num_train_events} events to train on.'
  )


class Builder(SimulatedDatasetBuilder):
  """Builds rendered vaults with scores.

  For sizes other than those of BUILDER_CONFIGS, pass
  `config=SimulatedVaultsConfig(name=..., simulation=...)`.
  """

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  BUILDER_CONFIGS = [
    SimulatedVaultsConfig(
      name=name, description=_describe(config), simulation=config
    )
    for name, config in CONFIGS.items()
  ]

  @property
  def simulation(self) -> SimulationConfig:
    """See the base class."""
    assert isinstance(self.builder_config, SimulatedVaultsConfig)
    return self.builder_config.simulation

  @property
  def num_examples(self) -> dict[str, int]:
    """See the base class."""
    return self.simulation.num_examples

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.simulation
    features = vault_features(
      (config.width, config.height),
      config.num_frames,
      _CLASSES,
      extra={
        # See faults.Faults for the units.
        'faults': tfds.features.FeaturesDict(
          dict.fromkeys(faults_lib.NAMES, np.float32)
        ),
        # (x, y) of each joint in pixels; may lie outside the frame.
        'poses': tfds.features.Tensor(
          shape=(config.num_frames, len(JOINTS), 2), dtype=np.float32
        ),
      },
    )
    return self.dive_info(
      features,
      metadata={
        'score_rule': 'difficulty + execution',
        'joints': list(JOINTS),
        'frames_per_second': config.frames_per_second,
        'window_frames': config.window_frames,
        'margin_frames': config.margin_frames,
      },
    )

  @staticmethod
  def render(
    simulation: SimulationConfig, split: str, index: int
  ) -> list[bytes]:
    """See the base class."""
    return encode_frames(render_vault(simulate_vault(simulation, split, index)))

  def make_example(
    self, split: str, index: int, frames: list[bytes]
  ) -> dict[str, Any]:
    """See the base class."""
    simulated = simulate_vault(self.simulation, split, index)
    vault = simulated.vault
    faults = dataclasses.asdict(simulated.faults)
    return {
      'video': frames,
      'padded_frames': np.zeros(2, np.int32),
      'event': simulated.event.event_id,
      'sample': simulated.sample,
      'start_frame': simulated.start_frame,
      'end_frame': simulated.end_frame,
      'final_score': simulated.final_score,
      'difficulty': vault.difficulty,
      'execution': simulated.execution,
      'judge_scores': simulated.marks,
      'vault': vault.name,
      'entry': vault.entry,
      'position': vault.position,
      'somersaults': vault.somersaults,
      'twists': vault.twists,
      'faults': {name: float(value) for name, value in faults.items()},
      'poses': simulated.poses(),
    }
