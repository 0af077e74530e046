"""Whether a config compiles for a topology, and what it takes; no data."""

import time
from collections.abc import Mapping

import jax
import ml_collections
import numpy as np
import tensorflow_datasets as tfds
from jax.sharding import Mesh

from aqa_jax import (
  collectives,
  dive_split,
  duration,
  input_pipeline,
  network,
  optimizer,
  scaling_model,
  sharding,
  steps,
  topology,
)
from aqa_jax.config_check import check_config
from aqa_jax.input_pipeline import VideoInput
from aqa_jax.train_state import TrainState, abstract_train_state
from tfds_mtl_aqa.input_error import InputError

# What MTL-AQA has, where the dataset is not prepared.
_WORDS, _TRAINING_DIVES = 5781, 1059


def run(config: ml_collections.ConfigDict, topology_name: str) -> None:
  """Compiles the steps of training and prediction, and prints what they take.

  Args:
    config: one of `configs/`, of dives.
    topology_name: see `topology.find_devices`.

  Raises:
    InputError: something in the config is wrong, or does not fit the topology
      or the memory of its devices.
  """
  if config.tasks == 'actions':
    raise InputError('--mode=compile takes configs of dives, not of actions.')
  check_config(config)
  mesh = sharding.make_mesh(
    **config.mesh, devices=topology.find_devices(topology_name)
  )
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
  num_steps = duration.count_steps(config, num_examples)
  tx = optimizer.create_optimizer(
    config.optimizer, num_steps, config.batch_size, num_examples
  )
  length = config.model.caption_length
  shape = (config.input.frames, config.input.crop, config.input.crop, 3)
  state = abstract_train_state(model, tx, shape, length)
  state = _on_mesh(state, sharding.of_state(mesh, state))
  print(_describe(mesh, config, state, vocabulary_size))
  batch = input_pipeline.abstract_batch(video_input, length, config.batch_size)
  train_step = steps.make_train_step(
    model, tx, config.loss_weights, config.seed, mesh, config.accumulation
  )
  compiled = _compile(train_step, 'training', state, _batch_on(batch, mesh))
  found = collectives.find_collectives(compiled.as_text())
  print(
    'Collectives of a training step (one in a loop counts once):\n'
    f'{collectives.format_table(found)}'
  )
  print(
    scaling_model.describe(
      mesh.devices.flat[0].device_kind,
      mesh.size,
      compiled.cost_analysis().get('flops', 0.0),
      sum(c.num_bytes for c in found if c.kind == 'all-reduce'),
    )
  )
  batch = input_pipeline.abstract_batch(
    video_input, length, sharding.rounded_up(config.eval_batch_size, mesh)
  )
  batch |= {
    'index': jax.ShapeDtypeStruct(batch['flip'].shape, np.int32),
    'is_real': batch['flip'],
  }
  _compile(
    steps.make_predict_step(model, mesh),
    'prediction',
    # Evaluation gathers the parameters first.
    _on_mesh(
      state.params,
      jax.tree.map(lambda _: sharding.replicated(mesh), state.params),
    ),
    state.batch_stats,
    _batch_on(batch, mesh),
  )


def _num_training_dives(builder: tfds.core.DatasetBuilder, split: str) -> int:
  """Returns an epoch's dives; that a tenth is held out changes no shape."""
  if split in builder.info.splits:
    return builder.info.splits[split].num_examples
  return _TRAINING_DIVES


def _describe(
  mesh: Mesh,
  config: ml_collections.ConfigDict,
  state: TrainState,
  vocabulary_size: int,
) -> str:
  """Returns what is compiled for what, as a sentence."""
  axes = ', '.join(f'{name} {size}' for name, size in mesh.shape.items())
  count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
  shards = sharding.num_example_shards(mesh)
  options = network.trunk_options(config, sharding.platform(mesh))
  return (
    f'{mesh.size} x {mesh.devices.flat[0].device_kind} ({axes}): '
    f'{config.network}, {count:,} parameters, {vocabulary_size} words, '
    f'{options["dtype"].name}{", remat" * config.remat}; batch '
    f'{config.batch_size}, {config.batch_size / shards:g} a device.'
  )


def _on_mesh(arrays: object, shardings: object) -> object:
  """Returns abstract arrays, each with its sharding."""
  return jax.tree.map(
    lambda array, place: jax.ShapeDtypeStruct(
      array.shape, array.dtype, sharding=place
    ),
    arrays,
    shardings,
  )


def _batch_on(
  batch: Mapping[str, jax.ShapeDtypeStruct], mesh: Mesh
) -> dict[str, jax.ShapeDtypeStruct]:
  return _on_mesh(
    batch, {name: sharding.of_batch(mesh, name) for name in batch}
  )


def _compile(
  step: object, name: str, *arguments: object
) -> jax.stages.Compiled:
  """Compiles a step, and prints the memory that it takes on each device.

  Raises:
    InputError: it is more than the devices have.
  """
  started = time.monotonic()
  try:
    compiled = step.lower(*arguments).compile()
  except jax.errors.JaxRuntimeError as e:
    if 'RESOURCE_EXHAUSTED' not in str(e):
      raise
    reason = ' '.join(str(e).split())[:300]
    raise InputError(
      f'The step of {name} needs more memory than a device has ({reason}). '
      'Give fewer examples a device, a higher config.accumulation, '
      'config.remat=True, or a higher config.mesh.fsdp or config.mesh.clip.'
    ) from e
  memory = compiled.memory_analysis()
  inputs, outputs, temporary, shared = (
    getattr(memory, f'{kind}_size_in_bytes') / 2**20
    for kind in ('argument', 'output', 'temp', 'alias')
  )
  print(
    f'The step of {name} compiles ({time.monotonic() - started:.0f} s). Memory '
    f'of a device: {inputs + outputs + temporary - shared:.0f} MiB, of which '
    f'{inputs:.0f} for arguments and {temporary:.0f} for what is between.'
  )
  return compiled
