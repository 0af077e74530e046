"""Everything that this package uses of TFDS and that TFDS calls internal.

A new release of TFDS may change any of it. No other module of this package
imports from `tensorflow_datasets.core`, or overrides a method of TFDS whose
name starts with an underscore. (`_info`, `_split_generators` and
`_generate_examples` do not count: TFDS documents them for subclasses.)

`tests/tfds_internals_test.py` lists the names. It fails with the name of
whatever a release of TFDS no longer has. `docs/architecture.md` lists the
versions that were tested.

This package also relies on what `download_and_prepare` does:

* It writes to a folder `incomplete.*_<version>` beside the final one. Until it
  has finished, `data_dir` and `data_path` of the builder are that folder.
* It writes `dataset_info.json` last, and then renames the folder.
"""

import abc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds
from google.protobuf import json_format
from tensorflow_datasets.core import (
  constants,
  example_parser,
  example_serializer,
  file_adapters,
)
from tensorflow_datasets.core.download import checksums, download_manager

from tfds_mtl_aqa.features import DiveExample

if TYPE_CHECKING:
  import tensorflow as tf

# What `tfds.load` takes to decode features in another way.
Decoders = (
  tfds.decode.PartialDecoding | Mapping[str, tfds.decode.Decoder] | None
)

ARRAY_RECORD = tfds.core.FileFormat.ARRAY_RECORD
# File names in the folder of a prepared dataset.
INFO_FILE = constants.DATASET_INFO_FILENAME
FEATURES_FILE = constants.FEATURES_FILENAME
METADATA_FILE = constants.METADATA_FILENAME
# The error of a `dataset_info.json` that is damaged.
InfoParseError = json_format.ParseError
# Size and SHA-256 of a file to download.
UrlInfo = checksums.UrlInfo
# The errors of a download that fails or has another checksum.
DOWNLOAD_ERRORS = (
  tfds.download.DownloadError,
  download_manager.NonMatchingChecksumError,
)


def unfinished_folders(version: str) -> str:
  """Returns the pattern of the folders that an interrupted run leaves.

  Args:
    version: of the dataset, which is the name of its folder.

  Returns:
    A pattern for `pathlib.Path.glob` in the folder above.
  """
  return f'{constants.INCOMPLETE_PREFIX}*_{version}'


def count_records(
  path: str | os.PathLike[str], file_format: tfds.core.FileFormat
) -> int:
  """Returns the number of records in a file.

  Raises:
    Exception: of any type, where the file is damaged.
  """
  adapter = file_adapters.ADAPTER_FOR_FORMAT[file_format]
  return int(adapter.num_examples(path))


def write_records(
  path: str | os.PathLike[str],
  records: Iterable[tuple[int | str, bytes]],
  file_format: tfds.core.FileFormat,
) -> None:
  """Writes a file of records.

  Args:
    path: of the file.
    records: (key, content) of each record, in order. Keys are not stored.
    file_format: such as `ARRAY_RECORD`.
  """
  adapter = file_adapters.ADAPTER_FOR_FORMAT[file_format]
  adapter.write_examples(path, records)


class Serializer:
  """Turns encoded examples into the bytes of records."""

  def __init__(self, features: tfds.features.FeaturesDict):
    self._serializer = example_serializer.ExampleSerializer(
      features.get_serialized_info()
    )

  def serialize(self, encoded: Mapping[str, Any]) -> bytes:
    """Returns the record of an example.

    Args:
      encoded: what `features.encode_example` returned.

    Returns:
      The same bytes on every run, unlike `serialize_example` of TFDS, which
      changes the order of the features from run to run.
    """
    message = self._serializer.get_tf_example(encoded)
    return bytes(message.SerializeToString(deterministic=True))


class Parser:
  """Reads records as TensorFlow does, inside of tf.data."""

  def __init__(self, features: tfds.features.FeaturesDict):
    self._parser = example_parser.ExampleParser(features.get_serialized_info())

  def parse(self, record: 'tf.Tensor') -> dict[str, Any]:
    """Returns the encoded example of a record, a scalar string tensor."""
    return self._parser.parse_example(record)


class BuilderHooks(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Overrides the private methods of TFDS's builder.

  Subclasses implement `write_splits` and `read_with_tensorflow` instead.
  """

  @abc.abstractmethod
  def write_splits(
    self,
    examples: Mapping[str, Iterator[tuple[int | str, DiveExample]]],
    max_examples: int | None,
  ) -> list[tfds.core.SplitInfo]:
    """Writes the files of all splits into `data_path`.

    Args:
      examples: by split; (key, example) of each dive.
      max_examples: how many examples to write of each split; None for all.

    Returns:
      What was written.
    """

  @abc.abstractmethod
  def read_with_tensorflow(
    self,
    split: str,
    decoders: Decoders,
    read_config: tfds.ReadConfig,
    shuffle_files: bool,
  ) -> 'tf.data.Dataset':
    """Returns a split of ArrayRecord files as a tf.data.Dataset.

    Args:
      split: its name, a slice such as 'train[:50%]', or a sum of them.
      decoders: see `tfds.load`.
      read_config: see `tfds.load`.
      shuffle_files: whether to shuffle the examples.
    """

  def _generate_splits(
    self,
    dl_manager: tfds.download.DownloadManager,
    download_config: tfds.download.DownloadConfig,
  ) -> Sequence[tfds.core.SplitInfo]:
    # TFDS's own keeps a whole split before it writes the first file.
    return self.write_splits(
      self._split_generators(dl_manager), download_config.max_examples_per_split
    )

  def _as_dataset(
    self,
    split: Any,
    decoders: Any = None,
    read_config: tfds.ReadConfig | None = None,
    shuffle_files: bool = False,
  ) -> 'tf.data.Dataset':
    # TFDS's own refuses ArrayRecord.
    if self.info.file_format != ARRAY_RECORD:
      return super()._as_dataset(split, decoders, read_config, shuffle_files)
    return self.read_with_tensorflow(
      split, decoders, read_config or tfds.ReadConfig(), shuffle_files
    )

  def _should_cache_ds(
    self, split: Any, shuffle_files: bool, read_config: tfds.ReadConfig
  ) -> bool:
    # TFDS caches after the shuffle, which would keep the first order for ever.
    if shuffle_files:
      return False
    return bool(super()._should_cache_ds(split, shuffle_files, read_config))

  def _log_download_bytes(self) -> None:
    pass  # TFDS prints that all sizes are unknown.
