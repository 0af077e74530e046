"""What the dive datasets share: how they are written and opened."""

import contextlib
import importlib.util
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds
from google.protobuf import json_format
from tensorflow_datasets.core import (
  constants,
  example_parser,
  example_serializer,
  file_adapters,
)
from tensorflow_datasets.core import splits as splits_lib

from tfds_mtl_aqa import (
  disk_error,
  file_lock,
  frame_cache,
  input_error,
  label_file,
)

_ARRAY_RECORD = file_adapters.FileFormat.ARRAY_RECORD


class DiveDatasetBuilder(
  tfds.core.GeneratorBasedBuilder, skip_registration=True
):
  """Base of the dive datasets.

  It differs from TFDS's own base in seven ways:

  * Files are ArrayRecord, which `tfds.data_source` reads without TensorFlow,
    and `tfds.load` reads them too.
  * Examples are stored in the order in which `_split_generators` gives them,
    and written as they come: memory holds one example, not a split.
  * A dataset is on the disk (fsync) before it gets its name, and what a killed
    run left behind is removed.
  * Two runs that write the same dataset exclude one another.
  * Opening counts the records, since TFDS reads a missing file as an empty one.
  * The labels of datasets of videos are stored once more, in a file of their
    own: see `label_file`.
  * ~ and [ may be in the path.

  Attributes:
    allow_missing: whether to build the dataset from the dives whose sources are
      there. A dataset that needs no sources ignores it.
    num_processes: how many processes make frames. More than one needs a script
      whose main module can be imported again (`if __name__ == '__main__'`).
  """

  # Bytes after which the next record starts a new file.
  SHARD_BYTES = 256 << 20

  def __init__(
    self,
    *,
    file_format: str | file_adapters.FileFormat | None = None,
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
        file_format=file_format or _ARRAY_RECORD, data_dir=data_dir, **kwargs
      )
    except json_format.ParseError as e:
      raise input_error.InputError(
        f'{self._data_dir}: its dataset_info.json is damaged; remove the '
        'folder and prepare the dataset again.'
      ) from e
    self._final_dir = pathlib.Path(self._data_dir)
    self._is_complete = False

  @property
  def coverage(self) -> tuple[int, int]:
    """How many dives the prepared dataset holds, and of how many."""
    held = self.info.splits.total_num_examples
    return held, self.info.metadata.get('num_dives_of_release', held)

  @property
  def frames_dir(self) -> pathlib.Path:
    """Where frames wait until the dataset is written."""
    return self._beside('.frames')

  def dive_info(
    self,
    features: tfds.features.FeaturesDict,
    homepage: str | None = None,
    metadata: dict[str, Any] | None = None,
  ) -> tfds.core.DatasetInfo:
    """Returns the info that `_info` is to return.

    Args:
      features: of one dive.
      homepage: address of the dataset's home page.
      metadata: what is known before the dataset is built; `_split_generators`
        may add to `self.info.metadata`.
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

    TFDS's own looks by a pattern, in which a [ of the path means something.
    """
    return all(
      os.path.isfile(os.path.join(self._data_dir, name))
      for name in (constants.DATASET_INFO_FILENAME, constants.FEATURES_FILENAME)
    )

  def check_complete(self) -> None:
    """Checks that the prepared files hold the records that the info promises.

    Raises:
      InputError: a file is missing, damaged, or has another number of records.
    """
    if self._is_complete or not self.is_prepared():
      return
    metadata = self._final_dir / constants.METADATA_FILENAME
    try:
      json.loads(metadata.read_text())
    except (OSError, ValueError) as e:
      raise input_error.InputError(
        f'{metadata}: is missing or damaged; remove {self._final_dir} and '
        f'prepare {self.info.full_name} again.'
      ) from e
    adapter = file_adapters.ADAPTER_FOR_FORMAT[self.info.file_format]
    for split in self.info.splits.values():
      for path, length in zip(
        split.filepaths, split.shard_lengths, strict=True
      ):
        if not path.exists():
          found = 'is missing'
        else:
          try:
            found_length = adapter.num_examples(path)
          except Exception:  # array_record raises whatever its C++ raises.
            found_length = None
          if found_length == length:
            continue
          found = f'is damaged ({found_length or 0} of {length} records)'
        raise input_error.InputError(
          f'{path}: {found}; remove {self._final_dir} and prepare '
          f'{self.info.full_name} again.'
        )
    self._is_complete = True

  def download_and_prepare(self, **kwargs: Any) -> None:
    """Prepares the dataset: see the base class for the arguments.

    Raises:
      InputError: something that the user gave is missing or wrong, or another
        process is preparing the same dataset.
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
      for leftover in folder.glob(f'incomplete.*_{self._final_dir.name}'):
        shutil.rmtree(leftover)
      super().download_and_prepare(**kwargs)
      frame_cache.sync_folder(folder)
      frame_cache.remove_folder(self.frames_dir)

  def as_data_source(self, *args: Any, **kwargs: Any) -> Any:
    """Opens the dataset for random access; see the base class.

    Raises:
      InputError: a file is missing or damaged.
    """
    self.check_complete()
    return super().as_data_source(*args, **kwargs)

  def as_dataset(self, *args: Any, **kwargs: Any) -> Any:
    """Opens the dataset as a tf.data.Dataset; see the base class.

    Raises:
      ImportError: TensorFlow is not installed.
      InputError: a file is missing or damaged.
    """
    require_tensorflow(self.info.full_name)
    self.check_complete()
    return super().as_dataset(*args, **kwargs)

  def _as_dataset(
    self,
    split: Any,
    decoders: Any = None,
    read_config: tfds.ReadConfig | None = None,
    shuffle_files: bool = False,
  ) -> Any:
    if self.info.file_format != _ARRAY_RECORD:
      return super()._as_dataset(split, decoders, read_config, shuffle_files)
    import tensorflow as tf

    read_config = read_config or tfds.ReadConfig()
    features = self.info.features
    if isinstance(decoders, tfds.decode.PartialDecoding):
      features = decoders.extract_features(features)
      decoders = decoders.decoders
    parser = example_parser.ExampleParser(features.get_serialized_info())
    source = self.as_data_source(
      split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
    )

    def read(index: Any) -> Any:
      record = tf.numpy_function(
        lambda i: source[int(i)], [index], tf.string, stateful=False
      )
      example = parser.parse_example(tf.ensure_shape(record, ()))
      example = features.decode_example(example, decoders=decoders)
      if read_config.add_tfds_id:
        name = f'{self.info.full_name}/{split}__'
        example['tfds_id'] = tf.strings.join(
          [name, tf.strings.as_string(index)]
        )
      return example

    indices = tf.data.Dataset.range(len(source))
    if read_config.input_context:
      indices = indices.shard(
        read_config.input_context.num_input_pipelines,
        read_config.input_context.input_pipeline_id,
      )
    if shuffle_files:
      indices = indices.shuffle(
        max(len(source), 1),
        seed=read_config.shuffle_seed,
        reshuffle_each_iteration=read_config.shuffle_reshuffle_each_iteration,
      )
    if read_config.repeat_filenames:
      indices = indices.repeat()
    dataset = indices.map(
      read, num_parallel_calls=read_config.num_parallel_calls_for_decode
    )
    return dataset.with_options(read_config.options)

  def _log_download_bytes(self) -> None:
    pass  # The base class prints that all sizes are unknown.

  def _should_cache_ds(self, split, shuffle_files, read_config) -> bool:
    # The base class caches after the shuffle, which would freeze its order.
    if shuffle_files:
      return False
    return super()._should_cache_ds(split, shuffle_files, read_config)

  def _generate_splits(
    self, dl_manager: tfds.download.DownloadManager, download_config: Any
  ) -> Sequence[splits_lib.SplitInfo]:
    limit = download_config.max_examples_per_split
    labels = None
    if self.info.file_format == _ARRAY_RECORD and label_file.is_needed(
      self.info.features
    ):
      labels = label_file.LabelFile(self.info.features)
    splits = [
      self._write_split(name, itertools.islice(examples, limit), labels)
      for name, examples in self._split_generators(dl_manager).items()
    ]
    # Every dive of a split may have turned out to be damaged.
    splits = [split for split in splits if split.num_examples]
    if not splits:
      raise input_error.InputError(
        f'{self.info.full_name}: no dive is left; mend the files named above.'
      )
    if labels is not None:
      labels.write(pathlib.Path(self._data_dir), splits)
    return splits

  def _write_split(
    self,
    name: str,
    examples: Iterable[tuple[Any, dict[str, Any]]],
    labels: label_file.LabelFile | None,
  ) -> splits_lib.SplitInfo:
    """Writes one split into as many files as it fills."""
    template = self._get_filename_template(split_name=name)
    features = self.info.features
    serializer = example_serializer.ExampleSerializer(
      features.get_serialized_info()
    )
    adapter = file_adapters.ADAPTER_FOR_FORMAT[self.info.file_format]

    def serialize(example: dict[str, Any]) -> bytes:
      encoded = features.encode_example(example)
      if labels is not None:
        labels.add(name, encoded)
      message = serializer.get_tf_example(encoded)
      # Else the order of the features, so the file, changes from run to run.
      return message.SerializeToString(deterministic=True)

    serialized = ((key, serialize(example)) for key, example in examples)
    paths: list[pathlib.Path] = []
    lengths: list[int] = []
    num_bytes = 0
    for first in serialized:
      shard = _Shard(itertools.chain([first], serialized), self.SHARD_BYTES)
      paths.append(
        pathlib.Path(self._data_dir) / f'{name}.{len(paths):05d}.part'
      )
      adapter.write_examples(paths[-1], shard)
      lengths.append(shard.length)
      num_bytes += shard.num_bytes
    for index, path in enumerate(paths):
      final_path = template.sharded_filepath(
        shard_index=index, num_shards=len(paths)
      )
      os.replace(path, final_path)
    return splits_lib.SplitInfo(
      name=name,
      shard_lengths=lengths,
      num_bytes=num_bytes,
      filename_template=template,
    )

  def _beside(self, suffix: str) -> pathlib.Path:
    return self._final_dir.with_name(self._final_dir.name + suffix)

  @contextlib.contextmanager
  def _locked(self) -> Iterator[None]:
    path = self._beside('.lock')
    path.parent.mkdir(parents=True, exist_ok=True)
    name = self.info.full_name
    message = f'{path}: another process is preparing {name}; wait for it.'
    with file_lock.file_lock(path, message):
      yield
      path.unlink(missing_ok=True)


class _Shard:
  """The examples of one file: stops after `max_bytes`, and counts."""

  def __init__(self, examples: Iterator[tuple[Any, bytes]], max_bytes: int):
    self._examples = examples
    self._max_bytes = max_bytes
    self.length = 0
    self.num_bytes = 0

  def __iter__(self) -> Iterator[tuple[Any, bytes]]:
    for key, example in self._examples:
      self.length += 1
      self.num_bytes += len(example)
      yield key, example
      if self.num_bytes >= self._max_bytes:
        return


class _DurableDatasetInfo(tfds.core.DatasetInfo):
  """An info that brings the whole folder to the disk once it is written.

  TFDS gives the folder its name right afterwards.
  """

  def write_dataset_info_json(self, dataset_info_dir) -> None:
    super().write_dataset_info_json(dataset_info_dir)
    frame_cache.sync_folder(dataset_info_dir)


def require_tensorflow(name: str) -> None:
  """Checks that TensorFlow can be imported.

  Args:
    name: the dataset that is being opened.

  Raises:
    ImportError: it cannot; the message says what to install or use.
  """
  try:
    found = importlib.util.find_spec('tensorflow') is not None
  except (ImportError, ValueError):  # Put out of action by a test, say.
    found = False
  if not found:
    raise ImportError(
      f"tfds.load('{name}') makes a tf.data.Dataset, which needs TensorFlow: "
      'install aqa_jax[tf], or read the same files without it through '
      f"tfds.data_source('{name}')."
    )
