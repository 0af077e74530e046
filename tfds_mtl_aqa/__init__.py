"""MTL-AQA and simulated dives as TensorFlow Datasets builders.

Importing this package registers the builders, so that `tfds.load('mtl_aqa')`
and `tfds.data_source('mtl_aqa')` find them.
"""

from tfds_mtl_aqa.mtl_aqa.mtl_aqa_dataset_builder import Builder as MtlAqa
from tfds_mtl_aqa.simulated_dives.simulated_dives_dataset_builder import (
  Builder as SimulatedDives,
)

BUILDERS = (MtlAqa, SimulatedDives)

__all__ = ['BUILDERS', 'MtlAqa', 'SimulatedDives']
