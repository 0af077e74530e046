"""The base class of the dive datasets: how they are written and opened."""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds

from tfds_mtl_aqa import (
  atomic_file,
  disk_error,
  file_lock,
  frame_cache,
  input_error,
  label_file,
  split_writer,
  tensorflow_reader,
  tfds_internals,
)
from tfds_mtl_aqa.features import DiveExample
from tfds_mtl_aqa.tfds_internals import ARRAY_RECORD, Decoders

if TYPE_CHECKING:
  import tensorflow as tf


class DiveDatasetBuilder(tfds_internals.BuilderHooks, skip_registration=True):
  """Base class of the dive datasets.

  It differs from TFDS's own base class in seven ways:

  * Files are ArrayRecord. `tfds.data_source` reads them without TensorFlow, and
    `tfds.load` reads them too.
  * Examples are stored in the order in which `_split_generators` gives them.
    They are written as they come: memory holds one example, not a split.
  * A dataset is on the disk (fsync) before it gets its name, and what a killed
    run left behind is removed.
  * Two runs cannot write the same dataset at the same time.
  * Opening counts the records, since TFDS reads a missing file as an empty one.
  * The labels of datasets with videos are stored a second time, in a file of
    their own: see `label_file`.
  * The path may contain ~ and [.

  Attributes:
    allow_missing: whether to build the dataset from the dives whose sources are
      there. A dataset that needs no sources ignores it.
    num_processes: how many processes make frames. More than one needs a script
      whose main module can be imported again (`if __name__ == '__main__'`).
  """

  # What examples are called where they are counted.
  EXAMPLES = 'dives'
  # A file of records ends with the first record that brings it to this size.
  SHARD_BYTES = 256 << 20

  def __init__(
    self,
    *,
    file_format: str | tfds.core.FileFormat | None = None,
    allow_missing: bool = False,
    num_processes: int = 1,
    data_dir: str | os.PathLike[str] | None = None,
    **kwargs: Any,
  ):
    if data_dir is not None:
      data_dir = os.path.expanduser(data_dir)
    self.allow_missing = allow_missing
    self.num_processes = num_processes
    try:
      super().__init__(
        file_format=file_format or ARRAY_RECORD, data_dir=data_dir, **kwargs
      )
    except tfds_internals.InfoParseError as e:
      raise input_error.InputError(
        f'{self.data_dir}: its {tfds_internals.INFO_FILE} is damaged; remove '
        'the folder and prepare the dataset again.'
      ) from e
    self._final_dir = pathlib.Path(self.data_dir)
    self._is_complete = False

  @property
  def coverage(self) -> tuple[int, int]:
    """How many dives the prepared dataset holds, and how many there are."""
    held = self.info.splits.total_num_examples
    return held, self.metadata.get('num_dives_of_release', held)

  @property
  def metadata(self) -> dict[str, Any]:
    """What is stored about the whole dataset; see `dive_info`."""
    if self.info.metadata is None:
      raise TypeError(f'{self.info.full_name}: _info does not use dive_info.')
    return self.info.metadata

  @property
  def record_format(self) -> tfds.core.FileFormat:
    """The format of the files of records."""
    assert self.info.file_format is not None  # Set by __init__.
    return self.info.file_format

  @property
  def frames_dir(self) -> pathlib.Path:
    """The folder that keeps frames until the dataset is written."""
    return self._beside('.frames')

  def dive_info(
    self,
    features: tfds.features.FeaturesDict,
    homepage: str | None = None,
    metadata: Mapping[str, Any] | None = None,
  ) -> tfds.core.DatasetInfo:
    """Returns the info that `_info` of a subclass is to return.

    Args:
      features: of one dive.
      homepage: address of the dataset's home page.
      metadata: values, fit for JSON, that are known before the dataset is
        built. `_split_generators` may add to `self.metadata`.
    """
    documents = self.get_metadata()
    return _DurableDatasetInfo(
      builder=self,
      description=documents.description,
      citation=documents.citation,
      features=features,
      homepage=homepage,
      metadata=tfds.core.MetadataDict(metadata or {}),
      # Stored in the order given, which is the official order.
      disable_shuffling=True,
    )

  def is_prepared(self) -> bool:
    """Returns whether there is a prepared dataset.

    TFDS's own method searches with a pattern, in which a [ of the path has a
    meaning.
    """
    return all(
      os.path.isfile(os.path.join(self.data_dir, name))
      for name in (tfds_internals.INFO_FILE, tfds_internals.FEATURES_FILE)
    )

  def check_complete(self) -> None:
    """Checks that the prepared files hold as many records as the info says.

    Raises:
      InputError: a file is missing, damaged, or has another number of records.
    """
    if self._is_complete or not self.is_prepared():
      return
    remedy = (
      f'remove {self._final_dir} and prepare {self.info.full_name} again.'
    )
    metadata = self._final_dir / tfds_internals.METADATA_FILE
    try:
      json.loads(metadata.read_text())
    except (OSError, ValueError) as e:
      raise input_error.InputError(
        f'{metadata}: is missing or damaged; {remedy}'
      ) from e
    for split in self.info.splits.values():
      for path, length in zip(
        split.filepaths, split.shard_lengths, strict=True
      ):
        if fault := self._fault(path, length):
          raise input_error.InputError(f'{path}: {fault}; {remedy}')
    self._is_complete = True

  def _fault(self, path: os.PathLike[str], length: int) -> str:
    """Returns what is wrong with a file of records; '' for nothing."""
    if not os.path.exists(path):
      return 'is missing'
    try:
      found = tfds_internals.count_records(path, self.record_format)
    except Exception:  # array_record raises whatever its C++ code raises.
      found = 0
    return (
      '' if found == length else f'is damaged ({found} of {length} records)'
    )

  # The decorators of TFDS hide the signatures of the next three methods.
  def download_and_prepare(self, **kwargs: Any) -> None:  # type: ignore[override]
    """Prepares the dataset: see the base class for the arguments.

    Raises:
      InputError: something that the user gave is missing or wrong, the disk is
        full, or another process is preparing the same dataset.
    """
    if self.is_prepared():
      self.check_complete()
      super().download_and_prepare(**kwargs)
      return
    if self._final_dir.exists():
      raise input_error.InputError(
        f'{self._final_dir}: holds no whole dataset; remove it and run the '
        'same command again.'
      )
    folder = self._final_dir.parent
    with disk_error.disk_errors_named(folder), self._locked():
      pattern = tfds_internals.unfinished_folders(self._final_dir.name)
      for leftover in folder.glob(pattern):
        shutil.rmtree(leftover)
      super().download_and_prepare(**kwargs)
      atomic_file.sync_folder(folder)
      frame_cache.remove_folder(self.frames_dir)

  def as_data_source(  # type: ignore[override]
    self, split: Any = None, **kwargs: Any
  ) -> Any:
    """Opens the dataset for random access; see the base class.

    Raises:
      InputError: a file is missing or damaged.
    """
    self.check_complete()
    return super().as_data_source(split, **kwargs)

  def as_dataset(  # type: ignore[override]
    self, split: Any = None, **kwargs: Any
  ) -> Any:
    """Opens the dataset as a tf.data.Dataset; see the base class.

    Raises:
      ImportError: TensorFlow is not installed.
      InputError: a file is missing or damaged.
    """
    tensorflow_reader.require_tensorflow(self.info.full_name)
    self.check_complete()
    return super().as_dataset(split, **kwargs)

  def read_with_tensorflow(
    self,
    split: str,
    decoders: Decoders,
    read_config: tfds.ReadConfig,
    shuffle_files: bool,
  ) -> 'tf.data.Dataset':
    """See the base class."""
    records = self.as_data_source(
      split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
    )
    return tensorflow_reader.read_records(
      records, self.info, split, decoders, read_config, shuffle_files
    )

  def write_splits(
    self,
    examples: Mapping[str, Iterator[tuple[int | str, DiveExample]]],
    max_examples: int | None,
  ) -> list[tfds.core.SplitInfo]:
    """See the base class.

    Raises:
      InputError: no example is left.
    """
    folder = pathlib.Path(self.data_dir)
    features = self.info.features
    labels = None
    if self.record_format == ARRAY_RECORD and label_file.is_needed(features):
      labels = label_file.LabelFile(features)
    writer = split_writer.SplitWriter(
      self.name,
      folder,
      features,
      self.record_format,
      self.SHARD_BYTES,
      labels,
    )
    splits = [
      writer.write(name, itertools.islice(split_examples, max_examples))
      for name, split_examples in examples.items()
    ]
    # Every dive of a split may have turned out to be damaged.
    splits = [split for split in splits if split.num_examples]
    if not splits:
      raise input_error.InputError(
        f'{self.info.full_name}: no dive is left; repair or replace the files '
        'named above.'
      )
    if labels is not None:
      labels.write(folder, splits)
    return splits

  def _beside(self, suffix: str) -> pathlib.Path:
    return self._final_dir.with_name(self._final_dir.name + suffix)

  @contextlib.contextmanager
  def _locked(self) -> Iterator[None]:
    path = self._beside('.lock')
    path.parent.mkdir(parents=True, exist_ok=True)
    name = self.info.full_name
    message = f'{path}: another process is preparing {name}; wait for its end.'
    with file_lock.file_lock(path, message):
      yield
      path.unlink(missing_ok=True)


class _DurableDatasetInfo(tfds.core.DatasetInfo):
  """An info that brings the whole folder to the disk once it is written.

  TFDS renames the folder right afterwards.
  """

  def write_dataset_info_json(
    self, dataset_info_dir: str | os.PathLike[str]
  ) -> None:
    super().write_dataset_info_json(dataset_info_dir)
    atomic_file.sync_folder(dataset_info_dir)
