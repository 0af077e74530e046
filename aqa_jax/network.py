"""The network that a config asks for."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
from jax.sharding import Mesh

from aqa_jax import losses, sharding
from aqa_jax.models.c3davg import C3DAVG
from aqa_jax.models.mscadc import MSCADC
from tfds_mtl_aqa.input_error import InputError

_NETWORKS = {'c3davg': C3DAVG, 'mscadc': MSCADC}


def tasks_of(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Returns the tasks of 'score,classes,captions' or a part of it.

  Raises:
    InputError: an unknown task, or none for the score.
  """
  tasks = tuple(task.strip() for task in config.tasks.split(','))
  if set(tasks) - set(losses.TASKS) or 'score' not in tasks:
    raise InputError(
      f"config.tasks='{config.tasks}': give score, and classes and captions if "
      'wanted, with commas between.'
    )
  return tuple(task for task in losses.TASKS if task in tasks)


def trunk_options(
  config: ml_collections.ConfigDict, platform: str
) -> dict[str, object]:
  """Returns how a trunk is computed: by_time_shifts, dtype and remat.

  Args:
    config: with compute_dtype, where 'auto' is bfloat16 on TPU and GPU, whose
      matrix units are made for it, and float32 elsewhere; and remat.
    platform: 'cpu', 'gpu' or 'tpu'.
  """
  dtype = config.compute_dtype
  if dtype == 'auto':
    dtype = 'bfloat16' if platform in ('gpu', 'tpu') else 'float32'
  return {
    # XLA has fast 3D convolutions for TPU alone.
    'by_time_shifts': platform != 'tpu',
    'dtype': jnp.dtype(dtype),
    'remat': config.remat,
  }


def create_model(
  config: ml_collections.ConfigDict,
  vocabulary_size: int,
  mesh: Mesh | None = None,
) -> nn.Module:
  """Returns the network of `config.model`.

  Args:
    config: one of `configs/`.
    vocabulary_size: words of the dataset.
    mesh: of devices; None for one of JAX's default kind.

  Raises:
    InputError: there is no such network, or the config is of another, or the
      video can't be cut into the clips asked for, or the clips can't be spread
      over the devices.
  """
  if config.network not in _NETWORKS:
    raise InputError(
      f"config.network='{config.network}': give {' or '.join(_NETWORKS)}."
    )
  clips = config.model.get('clips', 1)
  if config.input.frames % clips:
    raise InputError(
      f'config.input.frames={config.input.frames} can not be cut into '
      f'config.model.clips={clips} clips.'
    )
  platform = sharding.platform(mesh) if mesh else jax.default_backend()
  options = trunk_options(config, platform)
  if mesh is not None:
    if clips % mesh.shape['clip']:
      raise InputError(
        f'config.mesh.clip={mesh.shape["clip"]}: a video of {clips} clip(s) '
        'can not be spread over so many devices; give a divisor of it.'
      )
    if config.network == 'c3davg':
      options['example_shards'] = sharding.num_example_shards(mesh)
      options['clip_shards'] = mesh.shape['clip']
  network = _NETWORKS[config.network]
  fields = {field.name for field in dataclasses.fields(network)}
  if unknown := sorted(set(config.model) - fields):
    raise InputError(
      f"config.network='{config.network}' has no config.model."
      f'{", ".join(unknown)}: begin with a config of that network, such as '
      f'configs/{config.network}.py.'
    )
  return network(
    tasks=tasks_of(config),
    vocabulary_size=config.dataset.vocabulary_size or vocabulary_size,
    **options,
    **config.model,
  )
