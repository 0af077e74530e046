"""The sizes of the sets of simulated dives."""

import dataclasses

from tfds_mtl_aqa.simulation.simulation_config import SimulationConfig

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
