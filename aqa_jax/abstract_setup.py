"""A training's steps from its config alone: no data, and no devices needed."""

import dataclasses
from collections.abc import Sequence

import jax
import ml_collections
import numpy as np
import tensorflow_datasets as tfds

from aqa_jax import sharding
from aqa_jax.data import dive_split, input_pipeline
from aqa_jax.data.schema import Schema, has_captions, schema_of
from aqa_jax.data.video_input import VideoInput
from aqa_jax.data.vocabulary import EOS, SOS
from aqa_jax.training.setup import Setup, choose_devices, make_setup
from tfds_mtl_aqa.input_error import InputError

# What MTL-AQA has, where the dataset is not prepared.
_WORDS, _TRAINING_DIVES = 5781, 1059


@dataclasses.dataclass
class AbstractSetup(Setup):
  """A training of dives without its data.

  Attributes:
    video_input: which pixels the network sees.
  """

  video_input: VideoInput

  def training_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns a batch of training, abstract, with its sharding."""
    return self._batch(self.config.batch_size)

  def evaluation_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns a batch of evaluation, abstract, with its sharding."""
    batch = self._batch(
      sharding.rounded_up(self.config.eval_batch_size, self.mesh)
    )
    is_real = batch['flip']
    index = jax.ShapeDtypeStruct(
      is_real.shape, np.int32, sharding=is_real.sharding
    )
    return batch | {'index': index, 'is_real': is_real}

  def _batch(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
    batch = input_pipeline.abstract_batch(self.video_input, self.tasks, size)
    return sharding.abstract_on(
      batch, {name: sharding.batch_sharding(self.mesh, name) for name in batch}
    )

  def describe(self) -> str:
    """Returns devices, network, dtype and batch size, as a sentence."""
    config, mesh = self.config, self.mesh
    axes = ', '.join(f'{name} {size}' for name, size in mesh.shape.items())
    params = self.abstract_state().params
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    shards = sharding.num_example_shards(mesh)
    words = max(task.num_words for task in self.tasks)
    return (
      f'{mesh.size} x {mesh.devices.flat[0].device_kind} ({axes}): '
      f'{config.network}, {count:,} parameters, '
      f'{f"{words} words, " if words else ""}'
      f'{config.compute_dtype}{", remat" * config.remat}; batch '
      f'{config.batch_size}, {config.batch_size / shards:g} a device.'
    )


def abstract_setup(
  config: ml_collections.ConfigDict, devices: Sequence[jax.Device]
) -> AbstractSetup:
  """Makes model, optimizer and steps as for a training; computes nothing.

  Args:
    config: one of `configs/`, of dives.
    devices: devices to choose from.

  Raises:
    InputError: something in the config is wrong, or does not fit the devices.
  """
  if config.tasks == 'actions':
    raise InputError(
      '--mode=compile and --mode=benchmark take configs of dives, not of '
      'actions.'
    )
  config, mesh = choose_devices(config, devices=devices)
  builder = dive_split.find_builder(
    config.dataset.name, config.dataset.data_dir
  )
  num_frames, height, width, _ = builder.info.features['video'].shape
  video_input = VideoInput(**config.input)
  video_input.check(num_frames, height, width)
  setup = make_setup(
    config,
    mesh,
    _schema(builder),
    video_input.shape,
    _num_training_dives(builder, config.dataset.train_split),
  )
  fields = {
    field.name: getattr(setup, field.name)
    for field in dataclasses.fields(setup)
  }
  return AbstractSetup(**fields, video_input=video_input)


def _schema(builder: tfds.core.DatasetBuilder) -> Schema:
  """Returns the labels; without its data a dataset has MTL-AQA's words."""
  schema = schema_of(builder.info)
  if schema.words or not has_captions(builder.info):
    return schema
  words = (EOS, SOS, *(f'word {i}' for i in range(2, _WORDS)))
  return dataclasses.replace(schema, words=words)


def _num_training_dives(builder: tfds.core.DatasetBuilder, split: str) -> int:
  """Returns the dives of the split; those held out change no shape."""
  if split in builder.info.splits:
    return builder.info.splits[split].num_examples
  return _TRAINING_DIVES
