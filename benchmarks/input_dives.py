"""Makes some dives as JPEG frames, in the form of each side."""

import pathlib

import ml_collections
import numpy as np
import tensorflow_datasets as tfds

from aqa_jax.data.dive_split import DiveSplit, load_split
from tfds_mtl_aqa.simulated_dives import simulated_dives_dataset_builder
from tfds_mtl_aqa.simulation.simulation_config import SimulationConfig

# Of MTL-AQA, without those held out.
_TRAINING_DIVES = 954
# Width and height of the stored frames, by the name of a config's dataset.
_SIZES = {
  'mtl_aqa/clips_171x128': (171, 128),
  'mtl_aqa/clips_640x360': (640, 360),
  'simulated_dives/quickstart': (43, 32),
}


def make(
  config: ml_collections.ConfigDict, folder: pathlib.Path, num_dives: int
) -> None:
  """Renders dives, as a dataset and as folders of numbered frames.

  Both hold the same files, bit by bit. Frames of simulated dives compress about
  as well as real ones.

  Args:
    config: config of the workload: which frames it wants.
    folder: folder to write to: dataset/, and frames/<dive>/<number>.jpg.
    num_dives: how many.
  """
  width, height = _SIZES[config.dataset.name]
  builder = _builder(
    folder,
    SimulationConfig(
      width=width,
      height=height,
      window_frames=config.input.window_frames,
      margin_frames=config.input.max_shift,
      num_train=num_dives,
      num_test=1,
      num_test_shared_events=1,
      num_train_events=4,
      num_test_events=1,
    ),
  )
  builder.download_and_prepare()
  split = load_split(builder, 'train')
  for index in range(len(split)):
    dive = folder / 'frames' / f'{index:04d}'
    dive.mkdir(parents=True)
    for number, data in enumerate(split[index]['video'], start=1):
      (dive / f'{number:06d}.jpg').write_bytes(data)


def open_split(folder: str) -> DiveSplit:
  """Opens the dataset of such a folder."""
  info = next(pathlib.Path(folder).rglob('dataset_info.json'))
  return load_split(tfds.builder_from_directory(info.parent), 'train')


def repeated(num_dives: int) -> np.ndarray:
  """Returns the places of dives, as often as MTL-AQA's training has dives.

  Grain's order of a few dives takes a hundred times longer to compute than that
  of a thousand.

  Args:
    num_dives: how many dives there are.
  """
  return np.arange(_TRAINING_DIVES) % num_dives


def _builder(
  folder: pathlib.Path, simulation: SimulationConfig
) -> tfds.core.DatasetBuilder:
  module = simulated_dives_dataset_builder
  config = module.SimulatedDivesConfig(
    name='benchmark', description='For benchmarks.', simulation=simulation
  )
  return module.Builder(data_dir=str(folder / 'dataset'), config=config)
