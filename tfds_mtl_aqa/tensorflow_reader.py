"""Reads ArrayRecord files through tf.data, which TFDS itself does not."""

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds

from tfds_mtl_aqa import tfds_internals
from tfds_mtl_aqa.tfds_internals import Decoders

if TYPE_CHECKING:
  import tensorflow as tf


def require_tensorflow(name: str) -> None:
  """Checks that TensorFlow is installed.

  Args:
    name: of the dataset that is being opened, for the message.

  Raises:
    ImportError: it is not; the message says what to install or to use instead.
  """
  try:
    found = importlib.util.find_spec('tensorflow') is not None
  except (ImportError, ValueError):  # A test may hide it.
    found = False
  if not found:
    raise ImportError(
      f"tfds.load('{name}') makes a tf.data.Dataset, which needs TensorFlow: "
      'install aqa_jax[tf], or read the same files without it through '
      f"tfds.data_source('{name}')."
    )


def read_records(
  records: Sequence[bytes],
  info: tfds.core.DatasetInfo,
  split: str,
  decoders: Decoders,
  read_config: tfds.ReadConfig,
  shuffle: bool,
) -> 'tf.data.Dataset':
  """Returns records as a tf.data.Dataset of decoded examples.

  Args:
    records: the serialized examples, by index.
    info: of the dataset: its features and its name.
    split: that the records are of, for the ids of the examples.
    decoders: see `tfds.load`.
    read_config: see `tfds.load`. Options about how files are read have no
      effect.
    shuffle: whether to shuffle the examples.
  """
  import tensorflow as tf

  features = info.features
  if isinstance(decoders, tfds.decode.PartialDecoding):
    features = decoders.extract_features(features)
    decoders = decoders.decoders
  parser = tfds_internals.Parser(features)

  def read(index: 'tf.Tensor') -> dict[str, Any]:
    record = tf.numpy_function(
      lambda i: records[int(i)], [index], tf.string, stateful=False
    )
    example = parser.parse(tf.ensure_shape(record, ()))
    decoded: dict[str, Any] = features.decode_example(
      example, decoders=decoders
    )
    if read_config.add_tfds_id:
      name = f'{info.full_name}/{split}__'
      decoded['tfds_id'] = tf.strings.join([name, tf.strings.as_string(index)])
    return decoded

  indices = tf.data.Dataset.range(len(records))
  if read_config.input_context:
    indices = indices.shard(
      read_config.input_context.num_input_pipelines,
      read_config.input_context.input_pipeline_id,
    )
  if shuffle:
    indices = indices.shuffle(
      max(len(records), 1),
      seed=read_config.shuffle_seed,
      reshuffle_each_iteration=read_config.shuffle_reshuffle_each_iteration,
    )
  if read_config.repeat_filenames:
    indices = indices.repeat()
  dataset = indices.map(
    read, num_parallel_calls=read_config.num_parallel_calls_for_decode
  )
  return dataset.with_options(read_config.options)
