"""A second copy of the labels of a prepared dataset, without the frames.

A record is always read as a whole. So reading the labels of all dives from the
records would read all frames too.
"""

import json
import os
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import tensorflow_datasets as tfds
from array_record.python import array_record_data_source

from tfds_mtl_aqa import atomic_file, tfds_internals

NAME = 'labels.array_record'
# These are large: they have a value for each frame.
_PER_FRAME = ('video', 'poses')
# The last block of a file says where the records lie. The size alone is not
# enough: array_record fills its files up to whole blocks.
_BLOCK_BYTES = 1 << 16


class _Header(TypedDict):
  """The first record: number of labels by split, fingerprints by file name."""

  counts: dict[str, int]
  files: dict[str, str]


def is_needed(features: tfds.features.FeaturesDict) -> bool:
  """Returns whether the records hold frames as well as labels."""
  return 'video' in features


def label_features(
  features: tfds.features.FeaturesDict,
) -> tfds.features.FeaturesDict:
  """Returns the features that are labels."""
  return tfds.features.FeaturesDict(
    {k: feature for k, feature in features.items() if k not in _PER_FRAME}
  )


class LabelFile:
  """Collects the labels of a dataset while it is written."""

  def __init__(self, features: tfds.features.FeaturesDict):
    self._names = [name for name in features if name not in _PER_FRAME]
    self._serializer = tfds_internals.Serializer(label_features(features))
    self._rows: dict[str, list[bytes]] = {}

  def add(self, split: str, encoded: Mapping[str, Any]) -> None:
    """Adds the labels of the next example of a split.

    Args:
      split: its name.
      encoded: what `features.encode_example` returned for the example.
    """
    labels = {name: encoded[name] for name in self._names}
    self._rows.setdefault(split, []).append(self._serializer.serialize(labels))

  def write(
    self, folder: pathlib.Path, splits: Sequence[tfds.core.SplitInfo]
  ) -> None:
    """Writes the labels beside the records.

    Args:
      folder: of the dataset.
      splits: of the dataset; their files must exist.
    """
    header: _Header = {
      'counts': {split: len(rows) for split, rows in self._rows.items()},
      'files': {
        os.path.basename(path): _fingerprint(path)
        for split in splits
        for path in split.filepaths
      },
    }
    records = [json.dumps(header).encode()]
    for rows in self._rows.values():
      records += rows
    # The whole folder is brought to the disk before it gets its name.
    with atomic_file.replaced(folder / NAME, sync=False) as part:
      tfds_internals.write_records(
        part, enumerate(records), tfds_internals.ARRAY_RECORD
      )


def read(
  folder: str | os.PathLike[str], info: tfds.core.DatasetInfo, split: str
) -> list[dict[str, Any]] | None:
  """Returns the labels of a split, equal to those of its records.

  Args:
    folder: of the prepared dataset.
    info: of the same dataset.
    split: name of a split, or several joined by +.

  Returns:
    For each record, in order, a dictionary from feature name to value. None
    where the file is absent, damaged or belongs to other records: the caller
    then reads the records.
  """
  path = pathlib.Path(folder) / NAME
  if not path.is_file():
    return None
  try:
    with array_record_data_source.ArrayRecordDataSource([str(path)]) as source:
      header: _Header = json.loads(source[0])
      first, places = 1, {}
      for name, count in header['counts'].items():
        places[name] = range(first, first + count)
        first += count
      rows = []
      for name in split.split('+'):
        split_info = info.splits[name]
        if not isinstance(split_info, tfds.core.SplitInfo):
          return None  # A part of a split.
        if not _belongs_to(split_info, header):
          return None
        rows += source.__getitems__(places[name])
    features = label_features(info.features)
    return [features.deserialize_example_np(row) for row in rows]
  except Exception:  # array_record raises whatever its C++ raises.
    return None


def _belongs_to(split: tfds.core.SplitInfo, header: _Header) -> bool:
  """Returns whether the labels are those of the files of a split."""
  return header['counts'][split.name] == split.num_examples and all(
    header['files'].get(os.path.basename(path)) == _fingerprint(path)
    for path in split.filepaths
  )


def _fingerprint(path: str | os.PathLike[str]) -> str:
  """Returns text that differs between files of records; reads one block."""
  with open(path, 'rb') as file:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _BLOCK_BYTES, 0))
    return f'{size} {zlib.crc32(file.read()):08x}'
