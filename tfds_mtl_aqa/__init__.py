"""Datasets of judged dives as TensorFlow Datasets builders.

Importing this package makes `tfds.load('mtl_aqa')` and
`tfds.data_source('mtl_aqa')` find the datasets. It does not import TFDS: code
that needs only labels or errors does not wait for it.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import wrapt

# What `__getattr__` gives.
if TYPE_CHECKING:
  from tfds_mtl_aqa.aqa7.aqa7_dataset_builder import Builder as Aqa7
  from tfds_mtl_aqa.dive_dataset_builder import DiveDatasetBuilder
  from tfds_mtl_aqa.finediving.finediving_dataset_builder import (
    Builder as FineDiving,
  )
  from tfds_mtl_aqa.mit_dive.mit_dive_dataset_builder import Builder as MitDive
  from tfds_mtl_aqa.mtl_aqa.mtl_aqa_dataset_builder import Builder as MtlAqa
  from tfds_mtl_aqa.mtl_aqa_footage.mtl_aqa_footage_dataset_builder import (
    Builder as MtlAqaFootage,
  )
  from tfds_mtl_aqa.simulated_dives.simulated_dives_dataset_builder import (
    Builder as SimulatedDives,
  )
  from tfds_mtl_aqa.simulated_footage.simulated_footage_dataset_builder import (
    Builder as SimulatedFootage,
  )
  from tfds_mtl_aqa.simulated_vaults.simulated_vaults_dataset_builder import (
    Builder as SimulatedVaults,
  )
  from tfds_mtl_aqa.unlv_dive.unlv_dive_dataset_builder import (
    Builder as UnlvDive,
  )

  BUILDERS: tuple[type[DiveDatasetBuilder], ...]

# By name of the dataset, which is also that of its folder.
_BUILDERS = {
  'mtl_aqa': 'MtlAqa',
  'simulated_dives': 'SimulatedDives',
  'simulated_footage': 'SimulatedFootage',
  'simulated_vaults': 'SimulatedVaults',
  'unlv_dive': 'UnlvDive',
  'mit_dive': 'MitDive',
  'aqa7': 'Aqa7',
  'finediving': 'FineDiving',
  'mtl_aqa_footage': 'MtlAqaFootage',
}
DATASETS = tuple(_BUILDERS)
# Modules that import TFDS as they are imported.
_USE_TFDS = (
  'aqa7.aqa7_dataset_builder',
  'dive_dataset_builder',
  'features',
  'finediving.finediving_dataset_builder',
  'label_file',
  'mit_dive.mit_dive_dataset_builder',
  'mtl_aqa.mtl_aqa_dataset_builder',
  'mtl_aqa.release',
  'mtl_aqa_footage.mtl_aqa_footage_dataset_builder',
  'recorded_dataset_builder',
  'simulated_dataset_builder',
  'simulated_dives.simulated_dives_dataset_builder',
  'simulated_footage.simulated_footage_dataset_builder',
  'simulated_vaults.simulated_vaults_dataset_builder',
  'split_writer',
  'tensorflow_reader',
  'tfds_internals',
  'unlv_dive.unlv_dive_dataset_builder',
)

__all__ = [
  'BUILDERS',
  'Aqa7',
  'DATASETS',
  'FineDiving',
  'MitDive',
  'MtlAqa',
  'MtlAqaFootage',
  'SimulatedDives',
  'SimulatedFootage',
  'SimulatedVaults',
  'UnlvDive',
]


def __getattr__(name: str) -> object:
  if name == 'BUILDERS':
    return tuple(map(_builder, DATASETS))
  for dataset, class_name in _BUILDERS.items():
    if name == class_name:
      return _builder(dataset)
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def _builder(dataset: str) -> 'type[DiveDatasetBuilder]':
  module = f'{__name__}.{dataset}.{dataset}_dataset_builder'
  builder: type[DiveDatasetBuilder] = importlib.import_module(module).Builder
  return builder


class _Provider:
  """Tells TFDS about the builders without importing them.

  See `tfds.core.DatasetBuilderProvider`.
  """

  def has_dataset(self, name: str) -> bool:
    return name in _BUILDERS

  def get_builder_cls(self, name: str) -> 'type[DiveDatasetBuilder]':
    return _builder(name)


# Last: where TFDS is imported already, it is called at once.
@wrapt.when_imported('tensorflow_datasets')
def _register(tfds: ModuleType) -> None:
  tfds.core.add_dataset_builder_provider(_Provider())
  # `tfds.list_builders` shows imported builders only. Not where TFDS is being
  # imported by a module of this package: the builders may need that module,
  # which is not finished.
  if not any(f'{__name__}.{name}' in sys.modules for name in _USE_TFDS):
    for dataset in DATASETS:
      _builder(dataset)
