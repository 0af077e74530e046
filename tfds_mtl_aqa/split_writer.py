"""Writes the examples of one split into record files, as they come."""

import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds

from tfds_mtl_aqa import label_file, tfds_internals


def write_split(
  template: tfds.core.ShardedFileTemplate,
  examples: Iterable[tuple[int | str, Mapping[str, Any]]],
  info: tfds.core.DatasetInfo,
  shard_bytes: int,
  labels: label_file.LabelFile | None,
) -> tfds.core.SplitInfo:
  """Writes one split into as many files as it needs.

  Memory holds one example at a time.

  Args:
    template: the split, and the names of its files.
    examples: (key, example) of each dive, in the order to store them in.
    info: of the dataset: its features and its file format.
    shard_bytes: a file ends with the first record that brings it to this size.
    labels: collects the labels of the split; None for none.

  Returns:
    The number of examples in each file, and their size in bytes.
  """
  features = info.features
  folder = pathlib.Path(template.data_dir)
  serializer = tfds_internals.Serializer(features)

  def serialize(example: Mapping[str, Any]) -> bytes:
    encoded = features.encode_example(example)
    if labels is not None:
      labels.add(template.split, encoded)
    return serializer.serialize(encoded)

  records = ((key, serialize(example)) for key, example in examples)
  # The names hold the number of files, which only the end shows.
  paths: list[pathlib.Path] = []
  lengths: list[int] = []
  num_bytes = 0
  for first in records:
    shard = _Shard(itertools.chain([first], records), shard_bytes)
    paths.append(folder / f'{template.split}.{len(paths):05d}.part')
    tfds_internals.write_records(paths[-1], shard, info.file_format)
    lengths.append(shard.length)
    num_bytes += shard.num_bytes
  for index, path in enumerate(paths):
    os.replace(
      path, template.sharded_filepath(shard_index=index, num_shards=len(paths))
    )
  return tfds.core.SplitInfo(
    name=template.split,
    shard_lengths=lengths,
    num_bytes=num_bytes,
    filename_template=template,
  )


class _Shard:
  """The records of one file: stops after `max_bytes`, and counts."""

  def __init__(
    self, records: Iterator[tuple[int | str, bytes]], max_bytes: int
  ):
    self._records = records
    self._max_bytes = max_bytes
    self.length = 0
    self.num_bytes = 0

  def __iter__(self) -> Iterator[tuple[int | str, bytes]]:
    for key, record in self._records:
      self.length += 1
      self.num_bytes += len(record)
      yield key, record
      if self.num_bytes >= self._max_bytes:
        return
