"""The device mesh, and how arrays lie on it."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from tfds_mtl_aqa.input_error import InputError


def make_mesh(data: int) -> Mesh:
  """Returns a mesh with one axis, `data`, over which examples are spread.

  Args:
    data: devices on the axis; -1 for all there are, on every host.

  Raises:
    InputError: there are fewer devices.
  """
  devices = jax.devices()
  size = len(devices) if data == -1 else data
  if not 1 <= size <= len(devices):
    raise InputError(
      f'config.mesh.data={data}: there are {len(devices)} devices; give 1 to '
      f'{len(devices)}, or -1 for all.'
    )
  # jax.make_mesh makes Explicit axes, under which Linen's Dropout raises.
  return Mesh(np.array(devices[:size]), ('data',), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of what every device holds whole."""
  return NamedSharding(mesh, PartitionSpec())


def by_example(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of a batch: axis 0 over `data`."""
  return NamedSharding(mesh, PartitionSpec('data'))


def check_batch_size(batch_size: int, mesh: Mesh) -> None:
  """Checks that every device gets equally many examples.

  Raises:
    InputError: the batch can't be divided.
  """
  if batch_size < 1 or batch_size % mesh.size:
    raise InputError(
      f'config.batch_size={batch_size} can not be spread over {mesh.size} '
      f'devices: give a multiple of {mesh.size}, or fewer devices with '
      '--config.mesh.data=...'
    )


def rounded_up(batch_size: int, mesh: Mesh) -> int:
  """Returns the next batch size that can be spread over the devices."""
  return -(-batch_size // mesh.size) * mesh.size


def to_devices(
  batch: Mapping[str, np.ndarray], mesh: Mesh
) -> dict[str, jax.Array]:
  """Puts this process's rows of a batch on its devices.

  Args:
    batch: this process's share, arrays [batch / processes, ...].
    mesh: of all processes.

  Returns:
    Global arrays [batch, ...], sharded by example.
  """
  sharding = by_example(mesh)
  return {
    name: jax.make_array_from_process_local_data(sharding, rows)
    for name, rows in batch.items()
  }
