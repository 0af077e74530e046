"""A split of a prepared dataset: random access, with the labels in memory."""

import copy
import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow_datasets as tfds

import tfds_mtl_aqa
from aqa_jax.data.batches import Source
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.encoded_frames import DamagedFrames, encoded_video
from aqa_jax.data.label_check import check_labels
from aqa_jax.data.schema import (
  Example,
  Labels,
  label_columns,
  label_row,
  schema_of,
)
from tfds_mtl_aqa import label_file
from tfds_mtl_aqa.dive_dataset_builder import DiveDatasetBuilder
from tfds_mtl_aqa.input_error import InputError


class DiveSplit:
  """Some of the dives of a split.

  Attributes:
    labels: feature name -> array [dives]; caption_ids is a list of arrays. The
      name of a nested feature is such as 'subsets/released_443'.
  """

  def __init__(
    self,
    source: Source[Example],
    indices: Sequence[int],
    name: str = '',
    corrupt: CorruptRecords | None = None,
    rows: Sequence[Example] | None = None,
  ):
    """Reads the labels of all dives, unless they are given.

    Args:
      source: source of examples with encoded frames.
      indices: the dives that belong to it, in order.
      name: name of the split, for errors.
      corrupt: counts the records that can't be read, which are left out; None:
        such a record raises RuntimeError.
      rows: the labels of every example of `source`; None where they have to be
        read with the frames.

    Raises:
      InputError: too many records can't be read.
    """
    self._source = source
    self._name = name
    if rows is None:
      rows, indices = _read_rows(source, indices, name, corrupt)
    else:
      rows = [rows[index] for index in indices]
    self._indices: np.ndarray = np.asarray(indices, np.int64)
    self.labels: Labels = label_columns([label_row(row) for row in rows])

  def __len__(self) -> int:
    return len(self._indices)

  def __getitem__(self, index: int) -> Example:
    """Returns a dive; `video` is a list of JPEG files.

    If its record is damaged, taking a frame from `video` raises DecodeError.
    """
    record = int(self._indices[index])
    try:
      return self._source[record]
    except RuntimeError as e:
      frames = DamagedFrames(*_damage(self._name, record, e))
      labels = {name: values[index] for name, values in self.labels.items()}
      return labels | {'video': frames, 'padded_frames': (0, 0)}

  def __repr__(self) -> str:
    return f'{type(self).__name__}({len(self)} dives)'

  def select(self, indices: Sequence[int] | np.ndarray) -> 'DiveSplit':
    """Returns the split of some of these dives.

    Args:
      indices: int [selected], places in this split, from 0.
    """
    places = np.asarray(indices, np.int64)
    selected = copy.copy(self)
    selected._indices = self._indices[places]
    # Not read again: that would read every frame, too.
    selected.labels = {
      name: [values[place] for place in places]
      if isinstance(values, list)
      else values[places]
      for name, values in self.labels.items()
    }
    return selected


def _read_rows(
  source: Source[Example],
  indices: Sequence[int],
  name: str,
  corrupt: CorruptRecords | None,
) -> tuple[list[Example], list[int]]:
  """Returns the labels of examples, and which could be read."""
  rows: list[Example] = []
  readable: list[int] = []
  for index in map(int, indices):
    try:
      row = source[index]
    except RuntimeError as e:
      if corrupt is None:
        raise
      corrupt.leave_out(*_damage(name, index, e))
      continue
    # Without the frames: those of all dives would not fit into memory.
    rows.append({k: value for k, value in row.items() if k != 'video'})
    readable.append(index)
  return rows, readable


def _damage(name: str, record: int, error: RuntimeError) -> tuple[str, str]:
  """Returns the name of a damaged record, and the reason, a sentence.

  Args:
    name: name of the split.
    record: its place in the split.
    error: ArrayRecord's, raised where a checksum is wrong.
  """
  reason = ' '.join(str(error).split())
  return f'{name}, record {record}', f'is damaged ({reason}).'


def open_builder(
  name: str, data_dir: str | None, needs_video: bool = True
) -> tfds.core.DatasetBuilder:
  """Opens a prepared dataset; see `find_builder`.

  Raises:
    InputError: there is no such dataset, or it is not prepared.
  """
  builder = find_builder(name, data_dir, needs_video)
  if not builder.is_prepared():
    if builder.data_path.exists():
      raise InputError(
        f'{builder.data_path}: the files of a split are missing or hold '
        'nothing; prepare the dataset again, with a dive in every split.'
      )
    raise InputError(
      f'{builder.data_path}: the dataset is not prepared; run python -m '
      f'tfds_mtl_aqa.prepare {name} --data_dir={data_dir or "..."}'
    )
  return builder


def find_builder(
  name: str, data_dir: str | None, needs_video: bool = True
) -> tfds.core.DatasetBuilder:
  """Finds a dataset, prepared or not.

  Where its newest version is not prepared, but an older one that can still be
  read, it is the older one.

  Args:
    name: such as 'mtl_aqa/clips_171x128'.
    data_dir: where datasets are kept; None for TFDS's default.
    needs_video: whether it has to have videos.

  Raises:
    InputError: there is no such dataset, it lacks videos, or its files are
      damaged.
  """
  # The shell leaves ~ alone in --config.dataset.data_dir=~/dives.
  data_dir = os.path.expanduser(data_dir) if data_dir else None
  try:
    builder = _newest_prepared(name, data_dir)
  except (tfds.core.DatasetNotFoundError, ValueError) as e:
    raise InputError(
      f'config.dataset.name={name!r} is no dataset: {_reason(name, e)} Give '
      'mtl_aqa/clips_171x128 or simulated_dives/quickstart, for example.'
    ) from e
  if isinstance(builder, DiveDatasetBuilder):
    builder.check_complete()
  if needs_video and 'video' not in builder.info.features:
    raise InputError(
      f'config.dataset.name={name!r} holds labels only; training needs videos.'
    )
  return builder


def _newest_prepared(
  name: str, data_dir: str | None
) -> tfds.core.DatasetBuilder:
  newest = tfds.builder(name, data_dir=data_dir)
  if newest.is_prepared() or ':' in name:
    return newest
  for version in newest.supported_versions:
    older = tfds.builder(f'{name}:{version}', data_dir=data_dir)
    if older.is_prepared():
      return older
  return newest


def _reason(name: str, error: Exception) -> str:
  """Returns why there is no such dataset, a sentence."""
  dataset, _, config = name.partition('/')
  for cls in tfds_mtl_aqa.BUILDERS:
    if cls.name == dataset and config:
      known = ', '.join(f'{dataset}/{other}' for other in cls.builder_configs)
      return f'there are {known}.'
  return str(error).splitlines()[0]


def load_split(
  builder: tfds.core.DatasetBuilder,
  split: str,
  max_corrupt_fraction: float = 0.0,
) -> DiveSplit:
  """Opens a split.

  Args:
    builder: builder of a prepared dataset.
    split: its name, or several with + between.
    max_corrupt_fraction: share of the records that may be left out because
      they can't be read, 0 to 1.

  Raises:
    InputError: there is no such split, it is empty, too many of its records
      can't be read, or a label is wrong (see `check_labels`). If the
      labels have a file of their own, a record is read only when its frames are
      needed: see `DiveSplit`.
  """
  if set(split.split('+')) - set(builder.info.splits):
    raise InputError(
      f'{builder.info.full_name} has no split {split!r}; it has '
      f'{", ".join(sorted(builder.info.splits))}.'
    )
  has_video = 'video' in builder.info.features
  source = builder.as_data_source(
    split,  # type: ignore[arg-type]  # TFDS's decorator hides the parameters.
    decoders=encoded_video() if has_video else None,  # type: ignore[arg-type]
  )
  if not len(source):
    raise InputError(
      f'{builder.data_path}: the split {split!r} holds no dive; prepare the '
      'dataset with more videos.'
    )
  corrupt = CorruptRecords(len(source), max_corrupt_fraction)
  dives = DiveSplit(
    source,
    range(len(source)),
    f'{builder.data_path}: {split}',
    corrupt,
    label_file.read(builder.data_path, builder.info, split),
  )
  check_labels(
    dives.labels,
    zip(*dive_keys(dives.labels), strict=True),
    schema_of(builder.info),
    f'{builder.data_path}: {split}',
  )
  return dives


def dive_key(example: Example) -> tuple[int, int]:
  """Returns the event of a dive, 0 where there are none, and its sample."""
  return int(example.get('event', 0)), int(example['sample'])


def dive_keys(
  labels: Mapping[str, np.ndarray | list[np.ndarray]],
) -> tuple[list[int], list[int]]:
  """Returns the events of dives, 0 where there are none, and their samples.

  Together they name a dive of a dataset.

  Args:
    labels: labels of a `DiveSplit`.
  """
  samples = np.asarray(labels['sample'])
  events = np.asarray(labels.get('event', np.zeros_like(samples)))
  return events.tolist(), samples.tolist()


def hold_out(
  split: DiveSplit, fraction: float, whole_events: bool, seed: int
) -> tuple[DiveSplit, DiveSplit]:
  """Divides a split into one to train on and one to choose checkpoints by.

  Args:
    split: split to divide.
    fraction: fraction of the dives (or events) to hold out, below 1. With 0
      both results are the whole split. That is for a dataset too small to
      divide: its validation then says nothing about new dives.
    whole_events: True holds out whole events, as for a test on new events;
      False holds out dives of every event, as MTL-AQA's test split does.
    seed: seed of the draw. It is not the seed of training, so that every run
      chooses by the same dives.

  Returns:
    (train, validation), both in the order of `split`.

  Raises:
    InputError: one of them would be empty.
  """
  if fraction == 0:
    return split, split
  events = np.array(dive_keys(split.labels)[0])
  rng = np.random.default_rng(seed)
  held_out = np.zeros(len(split), bool)
  if whole_events:
    names = np.unique(events)
    number = round(fraction * len(names))
    held_out = np.isin(events, rng.permutation(names)[:number])
  else:
    for event in np.unique(events):
      dives = np.flatnonzero(events == event)
      number = round(fraction * len(dives))
      held_out[rng.permutation(dives)[:number]] = True
  if held_out.all() or not held_out.any():
    raise InputError(
      f'config.validation.fraction={fraction} of {len(split)} dives leaves '
      f'{held_out.sum()} to validate on and {(~held_out).sum()} to train on; '
      'give another fraction (0: choose by the training dives themselves), or '
      'a dataset with more dives.'
    )
  return (
    split.select(np.flatnonzero(~held_out)),
    split.select(np.flatnonzero(held_out)),
  )
