"""Where a checkpoint comes from: config, words, dataset and versions."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from aqa_jax.data.dive_split import DiveSplit

_PACKAGES = (
  'aqa_jax', 'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy',
  'grain', 'tensorflow-datasets', 'onednn-cpu-gomp',
)  # fmt: skip

# Labels that a dataset has got in a later version: the dives are the same.
_ADDED = ('stage_ends',)


# 'training dives' is no attribute name, but checkpoints have it.
DatasetOrigin = TypedDict(
  'DatasetOrigin',
  {'name': str, 'training dives': int, 'labels': str, 'words': str},
)


class Origin(TypedDict):
  """What a checkpoint says about its origin.

  Attributes:
    config: config of the training.
    vocabulary: all words of the captions.
    versions: package -> version.
    dataset: what has to be the same when a training goes on: name, number of
      training dives, and SHA-256 of their labels and of the words.
  """

  config: dict[str, Any]
  vocabulary: list[str]
  versions: dict[str, str]
  dataset: DatasetOrigin


def describe(
  config: Mapping[str, Any],
  dataset: str,
  train: DiveSplit,
  words: Sequence[str],
) -> Origin:
  """Returns the origin of a training's checkpoints, as JSON can hold it.

  Args:
    config: config of the training, as plain values.
    dataset: name, config and version of the dataset.
    train: dives that are trained on.
    words: the dataset's vocabulary; empty without captions.
  """
  return {
    'config': dict(config),
    'vocabulary': list(words),
    'versions': {'python': platform.python_version()}
    | {name: _version(name) for name in _PACKAGES},
    'dataset': {
      'name': dataset,
      'training dives': len(train),
      'labels': _fingerprint(train),
      'words': hashlib.sha256('\n'.join(words).encode()).hexdigest(),
    },
  }


def _version(package: str) -> str:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    # The program runs from its folder, without an installation.
    return 'not installed'


def _fingerprint(dives: DiveSplit) -> str:
  digest = hashlib.sha256()
  # Nested labels do not count, but for the subsets, which choose dives.
  counted = {
    name.removeprefix('subsets/'): values
    for name, values in dives.labels.items()
  }
  for name, values in sorted(counted.items()):
    if '/' in name or name in _ADDED:
      continue
    digest.update(name.encode())
    for value in values:
      digest.update(np.ascontiguousarray(value).tobytes())
  return digest.hexdigest()
