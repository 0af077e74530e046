"""The sizes of the sets of simulated vaults."""

from tfds_mtl_aqa.simulation.simulation_config import SimulationConfig

CONFIGS = {
  'clips_171x128': SimulationConfig(
    num_train=1200,
    num_test=300,
    num_test_shared_events=300,
    num_train_events=100,
    num_test_events=30,
    seed=20,
  ),
  # Filmed as simulated_dives/quickstart.
  'quickstart': SimulationConfig(
    width=43,
    height=32,
    window_frames=48,
    margin_frames=2,
    frames_per_second=12.5,
    zoom=1.2,
    num_train=1200,
    num_test=300,
    num_test_shared_events=50,
    num_train_events=100,
    num_test_events=30,
    seed=20,
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
    seed=20,
  ),
}
