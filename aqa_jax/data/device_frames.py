"""The frames of all training dives, on the devices."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.sharding import Mesh

from aqa_jax import sharding

_ROWS = 'video_rows'


class DeviceFrames:
  """Takes the videos of a batch from frames that every device holds whole.

  So the host sends no pixels, and the devices send each other none.
  """

  def __init__(self, crops: np.ndarray, mesh: Mesh):
    """Puts the frames on the devices of a mesh.

    Args:
      crops: uint8 [dives, kept, crop, crop, 3]; the same in every process.
      mesh: mesh of all processes.
    """
    self._mesh = mesh
    shape = crops.shape[2:]
    # One row a frame: with 3 as the last dimension a TPU would pad each colour
    # to a row of 128.
    rows = crops.reshape(-1, np.prod(shape))
    self._rows = jax.make_array_from_callback(
      rows.shape, sharding.replicated(mesh), lambda index: rows[index]
    )

    def take(rows: jax.Array, numbers: jax.Array) -> jax.Array:
      taken = rows.at[numbers].get(mode='promise_in_bounds')
      return taken.reshape(*numbers.shape, *shape)

    self._take = jax.jit(
      take, out_shardings=sharding.batch_sharding(mesh, 'video')
    )

  def place(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Puts a batch on the devices, and its videos with it.

    Args:
      batch: this process's part, with `video_rows`, int32 [batch / parts,
        frames], in place of `video`: see `DecodedFrames`.

    Returns:
      See `sharding.shard`.
    """
    arrays = sharding.shard(batch, self._mesh)
    arrays['video'] = self._take(self._rows, arrays.pop(_ROWS))
    return arrays

  def lower(self, arrays: Mapping[str, jax.Array]) -> jax.stages.Lowered:
    """Traces the taking of videos for a batch on the devices; see `jax.jit`."""
    return self._take.lower(self._rows, arrays[_ROWS])
