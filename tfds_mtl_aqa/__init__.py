"""MTL-AQA and simulated dives as TensorFlow Datasets builders.

Importing this package registers the builders, so that `tfds.load('mtl_aqa')`
and `tfds.data_source('mtl_aqa')` find them. They are imported with TFDS: what
needs labels and errors alone does not wait for it.
"""

import importlib
import sys

import wrapt

# By name of the dataset, which is also that of its folder.
_BUILDERS = {'mtl_aqa': 'MtlAqa', 'simulated_dives': 'SimulatedDives'}
DATASETS = tuple(_BUILDERS)
# These import TFDS, and the builders need them.
_FOUNDATIONS = ('dive_dataset_builder', 'features')

__all__ = ['BUILDERS', 'DATASETS', *_BUILDERS.values()]


def __getattr__(name: str) -> object:
  if name == 'BUILDERS':
    return tuple(map(_builder, DATASETS))
  for dataset, class_name in _BUILDERS.items():
    if name == class_name:
      return _builder(dataset)
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def _builder(dataset: str) -> type:
  return importlib.import_module(_module_name(dataset)).Builder


def _module_name(dataset: str) -> str:
  return f'{__name__}.{dataset}.{dataset}_dataset_builder'


# Last: where TFDS is imported already, it is called at once.
@wrapt.when_imported('tensorflow_datasets')
def _register(module: object) -> None:
  del module
  if any(f'{__name__}.{name}' in sys.modules for name in _FOUNDATIONS):
    return  # Imported by itself: there is nothing to register yet.
  for dataset in DATASETS:
    importlib.import_module(_module_name(dataset))
