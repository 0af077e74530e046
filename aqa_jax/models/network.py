"""The network that a config asks for."""

import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
from jax.sharding import Mesh

from aqa_jax import sharding
from aqa_jax.models.c3davg import C3DAVG
from aqa_jax.models.mscadc import MSCADC
from aqa_jax.tasks import losses
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


def with_compute_dtype(
  config: ml_collections.ConfigDict,
  platform: str,
  recorded: Mapping[str, object] | None,
) -> ml_collections.ConfigDict:
  """Returns the config with what its compute_dtype 'auto' stands for.

  A training goes on as it was begun, on whatever device: were it to change from
  float32 to bfloat16 on the way, it would be neither of them.

  Args:
    config: one of `configs/`.
    platform: 'cpu', 'gpu' or 'tpu'.
    recorded: the config that the workdir was begun with; None for a new one.
  """
  if config.compute_dtype != 'auto':
    return config
  config = config.copy_and_resolve_references()
  if recorded:
    config.compute_dtype = recorded.get('compute_dtype', 'auto')
  else:
    config.compute_dtype = _compute_dtype(config, platform)
  return config


def _compute_dtype(config: ml_collections.ConfigDict, platform: str) -> str:
  """Returns 'float32' or 'bfloat16', which TPU's and GPU's units are for."""
  if config.compute_dtype != 'auto':
    return config.compute_dtype
  return 'bfloat16' if platform in ('gpu', 'tpu') else 'float32'


def trunk_options(
  config: ml_collections.ConfigDict, platform: str
) -> dict[str, object]:
  """Returns how a trunk is computed: conv_impl, dtype and remat.

  Args:
    config: with compute_dtype and remat.
    platform: 'cpu', 'gpu' or 'tpu'.
  """
  return {
    # XLA has fast 3D convolutions for TPU alone.
    'conv_impl': 'direct' if platform == 'tpu' else 'stacked_2d',
    'dtype': jnp.dtype(_compute_dtype(config, platform)),
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
