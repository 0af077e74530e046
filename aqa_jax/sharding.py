"""The device mesh, and how arrays lie on it.

The mesh has three axes:
  data: each device has other examples.
  clip: each device has other clips of the same examples; C3D-AVG's clips meet
    only in their average.
  fsdp: each device has other examples, and a part of the parameters and of the
    optimizer's state, which are gathered where they are used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from tfds_mtl_aqa.input_error import InputError

_AXES = ('data', 'clip', 'fsdp')
# The axes that examples are spread over.
_EXAMPLES = ('data', 'fsdp')
# The array of a batch that is split by clip: [batch, time, ...].
_VIDEO = 'video'
# Every device holds smaller arrays whole: to gather the parts would take longer
# than it is worth.
_MIN_SHARDED_SIZE = 4096


def make_mesh(
  data: int = -1,
  clip: int = 1,
  fsdp: int = 1,
  devices: Sequence[jax.Device] | None = None,
) -> Mesh:
  """Returns the mesh of devices.

  Args:
    data: devices on this axis; -1 for all that the other axes leave.
    clip: devices on this axis, 1 or more.
    fsdp: devices on this axis, 1 or more.
    devices: devices to choose from; None for those of all processes.

  Raises:
    InputError: a size is below 1; there are fewer devices than the mesh needs;
      with data=-1 the devices can't be divided; or with several processes some
      devices would be left idle.
  """
  devices = jax.devices() if devices is None else devices
  for name, size in (('clip', clip), ('fsdp', fsdp)):
    if size < 1:
      raise InputError(f'config.mesh.{name}={size}: give 1 or more.')
  if data < 1 and data != -1:
    raise InputError(
      f'config.mesh.data={data}: give 1 or more, or -1 for all devices that '
      'the others leave.'
    )
  if data == -1:
    data = max(len(devices) // (clip * fsdp), 1)
    if len(devices) > data * clip * fsdp:
      raise InputError(
        f'config.mesh.clip={clip}, fsdp={fsdp}: {len(devices)} devices can not '
        f'be divided by {clip * fsdp}; give other sizes, or leave some idle '
        f'with --config.mesh.data={data}.'
      )
  sizes = data, clip, fsdp
  count = data * clip * fsdp
  if count > len(devices):
    raise InputError(
      f'config.mesh.data={data}, clip={clip}, fsdp={fsdp}: that takes {count} '
      f'devices, of {len(devices)}; give smaller sizes, or data=-1 for all '
      'that the others leave.'
    )
  if jax.process_count() > 1 and count < len(devices):
    raise InputError(
      f'config.mesh.data={data}, clip={clip}, fsdp={fsdp}: with several '
      f'processes all of the {len(devices)} devices have to be used.'
    )
  # jax.make_mesh makes Explicit axes, under which Linen's Dropout raises.
  return Mesh(
    np.array(devices[:count]).reshape(sizes),
    _AXES,
    axis_types=(AxisType.Auto,) * len(_AXES),
  )


def platform(mesh: Mesh) -> str:
  """Returns the kind of a mesh's devices: 'cpu', 'gpu' or 'tpu'."""
  return mesh.devices.flat[0].platform


def replicated(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of what every device holds whole."""
  return NamedSharding(mesh, PartitionSpec())


def num_example_shards(mesh: Mesh) -> int:
  """Returns how many parts the examples of a batch are in."""
  return mesh.shape['data'] * mesh.shape['fsdp']


def batch_sharding(mesh: Mesh, name: str) -> NamedSharding:
  """Returns the sharding of an array of a batch, [batch, ...], by its name."""
  if name == _VIDEO:
    return NamedSharding(mesh, PartitionSpec(_EXAMPLES, 'clip'))
  return NamedSharding(mesh, PartitionSpec(_EXAMPLES))


def state_sharding(mesh: Mesh, state: Any) -> Any:
  """Returns the sharding of each array of a state.

  Args:
    mesh: mesh of devices.
    state: a tree of arrays or abstract arrays. Those of 4096 numbers and more
      are split over `fsdp` along their largest axis that can be divided.
  """
  parts = mesh.shape['fsdp']

  def of_array(array: jax.Array | jax.ShapeDtypeStruct) -> NamedSharding:
    axes = [a for a, size in enumerate(array.shape) if size % parts == 0]
    if parts == 1 or not axes or array.size < _MIN_SHARDED_SIZE:
      return replicated(mesh)
    # Of axes of the same size the last: that of the outputs.
    axis = max(axes, key=lambda a: (array.shape[a], a))
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, 'fsdp'))

  return jax.tree.map(of_array, state)


def gathered(arrays: Any, mesh: Mesh) -> Any:
  """Returns the arrays, whole on every device; all processes must call it."""
  return jax.jit(lambda a: a, out_shardings=replicated(mesh))(arrays)


def check_batch_size(batch_size: int, accumulation: int, mesh: Mesh) -> None:
  """Checks that every device gets equally many examples at a time.

  Args:
    batch_size: examples of a step.
    accumulation: parts that they are worked on in, one after the other.
    mesh: mesh of devices.

  Raises:
    InputError: the batch can't be divided.
  """
  multiple = num_example_shards(mesh) * accumulation
  if batch_size % multiple:
    parts = ', '.join(f'config.mesh.{a}={mesh.shape[a]}' for a in _EXAMPLES)
    if accumulation > 1:
      parts += f', config.accumulation={accumulation}'
    raise InputError(
      f'config.batch_size={batch_size} can not be spread over {parts}: give a '
      f'multiple of {multiple}, or fewer parts.'
    )


def rounded_up(batch_size: int, mesh: Mesh) -> int:
  """Returns the next batch size that can be spread over the devices."""
  parts = num_example_shards(mesh)
  return -(-batch_size // parts) * parts


def batch_part(mesh: Mesh) -> tuple[int, int]:
  """Returns which part of every batch this process has to load.

  Processes whose devices share examples, and differ in clips, load the same.
  One whose devices' rows begin within a part of that size loads a larger part.

  Args:
    mesh: mesh of devices.

  Returns:
    Its number, from 0, and how many parts of that size a batch has.
  """
  parts = num_example_shards(mesh)
  sharding = NamedSharding(mesh, PartitionSpec(_EXAMPLES))
  indices = sharding.addressable_devices_indices_map((parts,)).values()
  rows = {
    row
    for index in indices
    if index is not None
    for row in range(*index[0].indices(parts))
  }
  size = next(
    size
    for size in range(len(rows), parts + 1)
    if parts % size == 0 and min(rows) // size == max(rows) // size
  )
  return min(rows) // size, parts // size


def shard(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
  """Puts this process's rows of a batch on its devices.

  Args:
    batch: this process's part, arrays [batch / parts, ...]; see `batch_part`.
    mesh: mesh of all processes.

  Returns:
    Global arrays [batch, ...], each with the sharding of `batch_sharding`.
  """
  part, parts = batch_part(mesh)

  def place(name: str, rows: np.ndarray) -> jax.Array:
    count = len(rows)
    shape = count * parts, *rows.shape[1:]

    def piece(index: tuple[slice, ...]) -> np.ndarray:
      first, last, _ = index[0].indices(shape[0])
      own = slice(first - part * count, last - part * count)
      return rows[(own, *index[1:])]

    return jax.make_array_from_callback(
      shape,
      batch_sharding(mesh, name),
      # JAX asks for what its own devices hold: the index is never None.
      piece,  # type: ignore[arg-type]
    )

  return {name: place(name, rows) for name, rows in batch.items()}


def abstract_on(arrays: Any, shardings: Any) -> Any:
  """Returns abstract arrays, each with its sharding.

  Args:
    arrays: a tree of arrays or of their shapes.
    shardings: a tree of the same structure.
  """
  return jax.tree.map(
    lambda array, place: jax.ShapeDtypeStruct(
      array.shape, array.dtype, sharding=place
    ),
    arrays,
    shardings,
  )
