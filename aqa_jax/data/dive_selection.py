"""Makes splits that the prepared dataset does not have from those it has."""

import re

import numpy as np
import tensorflow_datasets as tfds

from aqa_jax.data.dive_split import DiveSplit, dive_keys, load_split
from tfds_mtl_aqa.input_error import InputError

_SUBSET = re.compile(r'(released|clean)_(443|279|143)')
_RESAMPLED = re.compile(r'resampled_(\d+)(?:_seed(\d+))?')
_EVENTS = re.compile(r'(other_)?events((?:_\d+)+)')
_UNLV = re.compile(r'unlv_(train|test)')

NAMES = (
  'released_443 (279, 143), clean_443 (279, 143), resampled_450, '
  'resampled_450_seed1, events_7_26, other_events_7_26, unlv_train or unlv_test'
)


def select(
  builder: tfds.core.DatasetBuilder,
  name: str,
  max_corrupt_fraction: float = 0.0,
) -> DiveSplit:
  """Opens a split of a dataset, or one that is made from its splits.

  Args:
    builder: builder of a prepared dataset.
    name: one of its splits, or
      released_443, _279, _143: MTL-AQA's smaller training sets as released; of
        their dives 115, 80 and 36 are in the test split.
      clean_443, _279, _143: their dives that are in the training split.
      resampled_450, resampled_450_seed1: so many dives of the training split,
        drawn from every event in proportion.
      events_7_26, other_events_7_26: the dives of some events, or of all
        others, from the training and the test split: to test on events that
        are never seen in training.
      unlv_train, unlv_test: UNLV-Dive (AQA-7, split 4), by the right keys.
    max_corrupt_fraction: see `load_split`.

  Raises:
    InputError: there is no such split, or it holds no dive.
  """
  if name in builder.info.splits:
    return load_split(builder, name, max_corrupt_fraction)
  if match := _RESAMPLED.fullmatch(name):
    count, seed = int(match[1]), int(match[2] or 0)
    train = load_split(builder, 'train', max_corrupt_fraction)
    return train.select(_proportional(train, count, seed, name))
  subset, events, unlv = (
    pattern.fullmatch(name) for pattern in (_SUBSET, _EVENTS, _UNLV)
  )
  if not (subset or events or unlv):
    raise InputError(
      f'{builder.info.full_name} has no split {name!r}; it has '
      f'{", ".join(sorted(builder.info.splits))}; or give {NAMES}.'
    )
  whole = '+'.join(s for s in ('train', 'test') if s in builder.info.splits)
  dives = load_split(builder, whole, max_corrupt_fraction)
  if subset:
    chosen = _column(dives, f'subsets/{name}', name)
  elif events:
    listed = [int(event) for event in events[2].split('_')[1:]]
    events_of_dives, _ = dive_keys(dives.labels)
    missing = set(listed) - set(events_of_dives)
    if missing:
      raise InputError(
        f'split {name!r}: {builder.info.full_name} has no event '
        f'{", ".join(map(str, sorted(missing)))}.'
      )
    chosen = np.isin(events_of_dives, listed) ^ bool(events[1])
  elif unlv:
    parts = _column(dives, 'unlv_dive', name)
    names = builder.info.features['unlv_dive'].names
    chosen = parts == names.index(unlv[1])
  if not chosen.any():
    raise InputError(
      f'{builder.data_path}: the split {name!r} holds no dive; prepare the '
      'dataset with more videos.'
    )
  return dives.select(np.flatnonzero(chosen))


def are_in(split: DiveSplit, *others: DiveSplit) -> np.ndarray:
  """Returns which dives of a split are in others too, bool [dives]."""
  keys = {key for other in others for key in _keys(other)}
  return np.array([key in keys for key in _keys(split)], bool)


def _keys(split: DiveSplit) -> list[tuple[int, int]]:
  return list(zip(*dive_keys(split.labels), strict=True))


def _column(dives: DiveSplit, feature: str, name: str) -> np.ndarray:
  if feature not in dives.labels:
    raise InputError(f'split {name!r}: only mtl_aqa has it.')
  return np.asarray(dives.labels[feature])


def _proportional(
  train: DiveSplit, count: int, seed: int, name: str
) -> np.ndarray:
  """Returns places in `train`, int [count], from each event its share."""
  if not 0 < count <= len(train):
    raise InputError(
      f'split {name!r}: give 1 to {len(train)}, as many as train has.'
    )
  rng = np.random.default_rng(seed)
  events = np.array(dive_keys(train.labels)[0])
  order = np.empty(len(train))
  for event in rng.permutation(np.unique(events)):
    dives = np.flatnonzero(events == event)
    # Each event is spread evenly over [0, 1): any first part has its share.
    order[rng.permutation(dives)] = (
      np.arange(len(dives)) + rng.random()
    ) / len(dives)
  return np.sort(np.argsort(order, kind='stable')[:count])
