"""The labels of a prepared dataset once more, apart from its frames.

Whoever needs the labels of all dives would otherwise read every frame: a record
is read as a whole.
"""

import json
import os
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
from array_record.python import array_record_data_source

from tfds_mtl_aqa import atomic_file, tfds_internals

NAME = 'labels.array_record'
# What is large: a value for each frame.
_PER_FRAME = ('video', 'poses')
# At the end of its files array_record says where the records lie: it fills the
# file up to whole blocks, so that sizes alone would tell little.
_BLOCK_BYTES = 1 << 16


def is_needed(features: tfds.features.FeaturesDict) -> bool:
  """Returns whether there is more to read in a record than labels."""
  return 'video' in features


def label_features(
  features: tfds.features.FeaturesDict,
) -> tfds.features.FeaturesDict:
  """Returns the features that are labels."""
  return tfds.features.FeaturesDict(
    {k: feature for k, feature in features.items() if k not in _PER_FRAME}
  )


class LabelFile:
  """Collects the labels of a dataset that is being written."""

  def __init__(self, features: tfds.features.FeaturesDict):
    self._names = [name for name in features if name not in _PER_FRAME]
    self._serializer = tfds_internals.Serializer(label_features(features))
    self._rows: dict[str, list[bytes]] = {}

  def add(self, split: str, encoded: Mapping[str, Any]) -> None:
    """Adds the next example of a split, as its features have encoded it."""
    labels = {name: encoded[name] for name in self._names}
    self._rows.setdefault(split, []).append(self._serializer.serialize(labels))

  def write(
    self, folder: pathlib.Path, splits: Sequence[tfds.core.SplitInfo]
  ) -> None:
    """Writes them beside the records.

    Args:
      folder: of the dataset.
      splits: the files of which are there.
    """
    header = {
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
  """Returns the labels of a split as its records have them.

  Args:
    folder: of the prepared dataset.
    info: of it.
    split: its name, or several with + between.

  Returns:
    A row for each record, in order; None where they have to be read from the
    records: the file is absent, damaged, or belongs to other records.
  """
  path = pathlib.Path(folder) / NAME
  if not path.is_file():
    return None
  try:
    with array_record_data_source.ArrayRecordDataSource([str(path)]) as source:
      header = json.loads(source[0])
      first, places = 1, {}
      for name, count in header['counts'].items():
        places[name] = range(first, first + count)
        first += count
      rows = []
      for name in split.split('+'):
        if not _belongs_to(info.splits[name], header):
          return None
        rows += source.__getitems__(places[name])
    features = label_features(info.features)
    return [features.deserialize_example_np(row) for row in rows]
  except Exception:  # array_record raises whatever its C++ raises.
    return None


def _belongs_to(split: tfds.core.SplitInfo, header: Mapping[str, Any]) -> bool:
  """Returns whether the labels were taken of the files that a split has."""
  return header['counts'][split.name] == split.num_examples and all(
    header['files'].get(os.path.basename(path)) == _fingerprint(path)
    for path in split.filepaths
  )


def _fingerprint(path: str | os.PathLike[str]) -> str:
  """Returns text that tells a file of records from others; reads a block."""
  with open(path, 'rb') as file:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _BLOCK_BYTES, 0))
    return f'{size} {zlib.crc32(file.read()):08x}'
