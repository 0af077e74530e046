"""What a system is: how a network is built, and what it learns.

The built-in ones are in `aqa_jax/systems`, a folder each.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
from jax.sharding import Mesh

from aqa_jax import sharding
from aqa_jax.data.schema import Schema
from aqa_jax.layers import onednn_library
from aqa_jax.official_names import OfficialNames
from aqa_jax.task import Task
from tfds_mtl_aqa.input_error import InputError

# Fields of `config.model` that tasks read, not networks.
_OF_TASKS = (
  'fault_costs',
  'fault_units',
  'initial_score',
  'labels',
  'ranking_margin',
  'ranking_weight',
  'score_unit',
)


@dataclasses.dataclass(frozen=True)
class System:
  """A way to assess actions.

  Attributes:
    name: value of `config.network`.
    network: its Flax module. Its fields are those of `config.model`; `tasks`,
      conv_impl, dtype and remat; and, if its rows can be laid out by device,
      example_shards and clip_shards. It has `output_layers`.
    choose_tasks: returns the tasks, given a config and the dataset's schema.
    official_names: names of its variables in the official code.
  """

  name: str
  network: type[nn.Module]
  choose_tasks: Callable[[ml_collections.ConfigDict, Schema], tuple[Task, ...]]
  official_names: OfficialNames

  def create_network(
    self,
    config: ml_collections.ConfigDict,
    tasks: tuple[Task, ...],
    mesh: Mesh | None = None,
  ) -> nn.Module:
    """Returns the network of `config.model`.

    Args:
      config: one of `configs/`, of this system.
      tasks: what it learns.
      mesh: mesh of devices, along whose clip axis the clips can be spread;
        None for one of JAX's default kind.

    Raises:
      InputError: the config is of another system, or the video can't be cut
        into the clips asked for.
    """
    clips = config.model.get('clips', 1)
    if clips > 1 and config.input.frames % clips:
      raise InputError(
        f'config.input.frames={config.input.frames} can not be cut into '
        f'config.model.clips={clips} clips; give a multiple.'
      )
    fields = {field.name for field in dataclasses.fields(self.network)}
    options = {k: v for k, v in config.model.items() if k not in _OF_TASKS}
    if unknown := sorted(set(options) - fields):
      raise InputError(
        f"config.network='{config.network}' has no config.model."
        f'{", ".join(unknown)}: begin with a config of that network, such as '
        f'configs/{config.network}.py.'
      )
    platform = sharding.platform(mesh) if mesh else jax.default_backend()
    options |= trunk_options(config, platform)
    devices = list(mesh.devices.flat) if mesh else jax.devices()
    options['conv_impl'] = fastest_conv_impl(devices, options['dtype'])
    if mesh is not None and 'example_shards' in fields:
      options['example_shards'] = sharding.num_example_shards(mesh)
      options['clip_shards'] = mesh.shape['clip']
    return self.network(tasks=tasks, **options)


def with_compute_dtype(
  config: ml_collections.ConfigDict,
  platform: str,
  recorded: Mapping[str, Any] | None,
) -> ml_collections.ConfigDict:
  """Returns the config with a dtype for its compute_dtype 'auto'.

  A training goes on in the dtype that it began with, on any device.

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
  """Returns 'bfloat16' for TPU and GPU, which are fast in it, or 'float32'."""
  if config.compute_dtype != 'auto':
    return config.compute_dtype
  return 'bfloat16' if platform in ('gpu', 'tpu') else 'float32'


def fastest_conv_impl(devices: Sequence[jax.Device], dtype: jnp.dtype) -> str:
  """Returns which form of 3D convolutions is the fastest.

  XLA does not spread kernels of Pallas or oneDNN over several devices.

  Args:
    devices: devices of one kind, all that the program runs on.
    dtype: dtype of the convolutions.

  Returns:
    One of `convolution.CONV_IMPLS`.
  """
  device = devices[0]
  if len(devices) == 1:
    is_hopper = getattr(device, 'compute_capability', None) == '9.0'
    if is_hopper and dtype == jnp.bfloat16:
      return 'hopper'
    if (
      device.platform == 'cpu'
      and dtype == jnp.float32
      and onednn_library.library()
    ):
      return 'onednn'
  return _portable_conv_impl(device.platform)


def _portable_conv_impl(platform: str) -> str:
  """Returns the form for any number of devices of a kind."""
  # Only for TPU XLA has fast 3D convolutions.
  return 'direct' if platform == 'tpu' else 'stacked_2d'


def trunk_options(
  config: ml_collections.ConfigDict, platform: str
) -> dict[str, Any]:
  """Returns how a trunk is computed on any device of a kind.

  Args:
    config: has compute_dtype and remat.
    platform: 'cpu', 'gpu' or 'tpu'.

  Returns:
    conv_impl, dtype and remat.
  """
  return {
    'conv_impl': _portable_conv_impl(platform),
    'dtype': jnp.dtype(_compute_dtype(config, platform)),
    'remat': config.remat,
  }
