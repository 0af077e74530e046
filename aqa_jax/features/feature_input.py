"""Features of dives as what a network sees."""

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Row
from aqa_jax.data.dive_input import DiveInput
from aqa_jax.data.dive_split import DiveSplit, dive_key, dive_keys
from aqa_jax.data.schema import Example
from aqa_jax.features.feature_source import FeatureSource
from tfds_mtl_aqa.input_error import InputError


class FeatureInput(DiveInput):
  """The features of a dive, in the order of time; they don't change.

  Those of all dives are computed, or read, when `shape` is asked for first.

  Attributes:
    source: gives the features.
  """

  def __init__(self, source: FeatureSource, splits: Mapping[str, DiveSplit]):
    """Computes nothing yet.

    Args:
      source: gives the features.
      splits: dives to train and to evaluate on, by split.

    Raises:
      InputError: the source gives one vector of a dive, not a sequence.
    """
    source.check_gives(sequences=True)
    self.source = source
    self._splits = splits

  @property
  def shape(self) -> tuple[int, int]:
    """The number of steps, and the features of each.

    Raises:
      InputError: the features of a dive can't be computed or read.
    """
    steps, features = next(iter(self._rows.values())).shape
    return steps, features

  def specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of `features`."""
    return {'features': (self.shape, np.float32)}

  def read(self, example: Example, rng: np.random.Generator | None) -> Row:
    """Returns features, float32 [steps, features]; see `DiveInput`."""
    del rng
    return {'features': self._rows[dive_key(example)]}

  def have_seen_training_dives(self) -> bool:
    """Returns whether what makes the features was trained on such dives."""
    return self.source.have_seen_training_dives()

  def facts(self) -> Mapping[str, str]:
    """Returns what the source says of its features."""
    return self.source.facts()

  @functools.cached_property
  def _rows(self) -> dict[tuple[int, int], np.ndarray]:
    """The features by event and sample of a dive."""
    found: dict[tuple[int, int], np.ndarray] = {}
    shapes = {}
    for name, dives in self._splits.items():
      rows = self.source.features(name, dives).astype(np.float32)
      shapes[name] = rows.shape[1:]
      found |= zip(
        zip(*dive_keys(dives.labels), strict=True), rows, strict=True
      )
    if len(set(shapes.values())) > 1:
      told = ', '.join(f'{name} {list(shapes[name])}' for name in shapes)
      raise InputError(
        f'config.features: the sequences of the splits differ in steps or '
        f'features ({told}); give splits with features of one kind.'
      )
    return found
