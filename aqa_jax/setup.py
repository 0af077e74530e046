"""A training's steps from its config alone: no data, and no devices needed."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax
import ml_collections
import numpy as np
import optax
import tensorflow_datasets as tfds
from jax.sharding import Mesh

from aqa_jax import duration, sharding
from aqa_jax.config import check_config
from aqa_jax.data import dive_split, input_pipeline
from aqa_jax.data.input_pipeline import VideoInput
from aqa_jax.models import network
from aqa_jax.train_state import TrainState, abstract_train_state
from aqa_jax.training import optimizer, steps
from tfds_mtl_aqa.input_error import InputError

# What MTL-AQA has, where the dataset is not prepared.
_WORDS, _TRAINING_DIVES = 5781, 1059


@dataclasses.dataclass
class AbstractSetup:
  """A training of dives without its data.

  Attributes:
    config: one of `configs/`.
    mesh: of devices, which may be of another machine.
    vocabulary_size: words of the dataset, or MTL-AQA's.
    video_input: which pixels the network sees.
    model: the network.
    tx: its optimizer.
    state: before the first step, abstract, with its sharding.
    train_step: from `steps.make_train_step`.
  """

  config: ml_collections.ConfigDict
  mesh: Mesh
  vocabulary_size: int
  video_input: VideoInput
  model: nn.Module
  tx: optax.GradientTransformation
  state: TrainState
  train_step: Callable

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
    batch = input_pipeline.abstract_batch(
      self.video_input, self.config.model.caption_length, size
    )
    return on_mesh(
      batch, {name: sharding.batch_sharding(self.mesh, name) for name in batch}
    )

  def describe(self) -> str:
    """Returns what runs on what, as a sentence."""
    config, mesh = self.config, self.mesh
    axes = ', '.join(f'{name} {size}' for name, size in mesh.shape.items())
    count = sum(leaf.size for leaf in jax.tree.leaves(self.state.params))
    shards = sharding.num_example_shards(mesh)
    options = network.trunk_options(config, sharding.platform(mesh))
    return (
      f'{mesh.size} x {mesh.devices.flat[0].device_kind} ({axes}): '
      f'{config.network}, {count:,} parameters, {self.vocabulary_size} words, '
      f'{options["dtype"].name}{", remat" * config.remat}; batch '
      f'{config.batch_size}, {config.batch_size / shards:g} a device.'
    )


def abstract_setup(
  config: ml_collections.ConfigDict, devices: Sequence[jax.Device]
) -> AbstractSetup:
  """Makes model, optimizer and steps as for a training; computes nothing.

  Args:
    config: one of `configs/`, of dives.
    devices: to choose from.

  Raises:
    InputError: something in the config is wrong, or does not fit the devices.
  """
  if config.tasks == 'actions':
    raise InputError(
      '--mode=compile and --mode=benchmark take configs of dives, not of '
      'actions.'
    )
  check_config(config)
  mesh = sharding.make_mesh(**config.mesh, devices=devices)
  sharding.check_batch_size(config.batch_size, config.accumulation, mesh)
  builder = dive_split.find_builder(
    config.dataset.name, config.dataset.data_dir
  )
  num_frames, height, width, _ = builder.info.features['video'].shape
  video_input = VideoInput(**config.input)
  video_input.check(num_frames, height, width)
  vocabulary_size = len(builder.info.metadata.get('vocabulary', ())) or _WORDS
  model = network.create_model(config, vocabulary_size, mesh)
  num_examples = _num_training_dives(builder, config.dataset.train_split)
  tx = optimizer.create_optimizer(
    config.optimizer,
    duration.count_steps(config, num_examples),
    config.batch_size,
    num_examples,
  )
  state = abstract_train_state(
    model, tx, video_input.shape, config.model.caption_length
  )
  return AbstractSetup(
    config=config,
    mesh=mesh,
    vocabulary_size=vocabulary_size,
    video_input=video_input,
    model=model,
    tx=tx,
    state=on_mesh(state, sharding.state_sharding(mesh, state)),
    train_step=steps.make_train_step(
      model, tx, config.loss_weights, config.seed, mesh, config.accumulation
    ),
  )


def _num_training_dives(builder: tfds.core.DatasetBuilder, split: str) -> int:
  """Returns an epoch's dives; that a tenth is held out changes no shape."""
  if split in builder.info.splits:
    return builder.info.splits[split].num_examples
  return _TRAINING_DIVES


def on_mesh(arrays: object, shardings: Mapping[str, object] | object) -> object:
  """Returns abstract arrays, each with its sharding."""
  return jax.tree.map(
    lambda array, place: jax.ShapeDtypeStruct(
      array.shape, array.dtype, sharding=place
    ),
    arrays,
    shardings,
  )
