"""Writes the examples of a split into files of records, as they come."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator

import tensorflow_datasets as tfds

from tfds_mtl_aqa import label_file, tfds_internals
from tfds_mtl_aqa.features import DiveExample


@dataclasses.dataclass(frozen=True)
class SplitWriter:
  """Writes splits of one dataset. Memory holds one example at a time.

  Attributes:
    dataset: name of the dataset.
    folder: where the files are written.
    features: of an example.
    file_format: of the files.
    shard_bytes: a file ends with the first record that brings it to this size.
    labels: collects the labels of all splits; None if they are not needed.
  """

  dataset: str
  folder: pathlib.Path
  features: tfds.features.FeaturesDict
  file_format: tfds.core.FileFormat
  shard_bytes: int
  labels: label_file.LabelFile | None

  def write(
    self, split: str, examples: Iterable[tuple[int | str, DiveExample]]
  ) -> tfds.core.SplitInfo:
    """Writes one split into as many files as it needs.

    Args:
      split: its name.
      examples: (key, example) of each dive, in the order to store them in.

    Returns:
      The number of examples in each file, and the size of all in bytes.
    """
    records = self._serialize(split, examples)
    # The names hold the number of files, which only the end shows.
    paths: list[pathlib.Path] = []
    lengths: list[int] = []
    num_bytes = 0
    for first in records:
      shard = _Shard(itertools.chain([first], records), self.shard_bytes)
      paths.append(self.folder / f'{split}.{len(paths):05d}.part')
      tfds_internals.write_records(paths[-1], shard, self.file_format)
      lengths.append(shard.length)
      num_bytes += shard.num_bytes
    template = tfds.core.ShardedFileTemplate(
      split=split,
      dataset_name=self.dataset,
      data_dir=self.folder,
      filetype_suffix=self.file_format.file_suffix,
    )
    for index, path in enumerate(paths):
      final_path = template.sharded_filepath(
        shard_index=index, num_shards=len(paths)
      )
      os.replace(path, final_path)
    return tfds.core.SplitInfo(
      name=split,
      shard_lengths=lengths,
      num_bytes=num_bytes,
      filename_template=template,
    )

  def _serialize(
    self, split: str, examples: Iterable[tuple[int | str, DiveExample]]
  ) -> Iterator[tuple[int | str, bytes]]:
    serializer = tfds_internals.Serializer(self.features)
    for key, example in examples:
      encoded = self.features.encode_example(example)
      if self.labels is not None:
        self.labels.add(split, encoded)
      yield key, serializer.serialize(encoded)


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
