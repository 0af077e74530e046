"""Matrix products of shifted rows on Hopper GPUs.

A convolution is a sum of matrix products, one for each shift of its input.
Here one kernel makes all of them, with the sum in the registers of the tensor
cores.
"""

from typing import Any

import jax
import jax.experimental.pallas as pl
import jax.experimental.pallas.mosaic_gpu as plgpu
import jax.numpy as jnp

from aqa_jax.layers.hopper_tiles import (
  BLOCK,
  WARPGROUPS,
  Ref,
  TiledProduct,
  margin_for,
  store,
  tile_spec,
  with_margin,
)


def fits(rows: int, channels: int, features: int) -> bool:
  """Returns whether the kernels take arrays of these sizes.

  Args:
    rows: rows of one time step.
    channels: columns of the rows.
    features: columns of the result.
  """
  return (
    rows % 8 == 0
    and rows >= 2 * BLOCK * WARPGROUPS
    and channels % BLOCK == 0
    and features % BLOCK == 0
  )


def shifted_products(
  rows: jax.Array,
  weights: jax.Array,
  time_step: int,
  row_step: int,
  interpret: Any = False,
) -> jax.Array:
  """Returns sums of products of shifted rows and weights.

  result[t, r] = sum over i, j of
  rows[t + (i - 1) * time_step, r + (j - 1) * row_step] @ weights[i, j], where
  rows that are not there count as zeros: those of another time too, unless
  the row's own time step holds their place. So r + row_step may reach into the
  next time step; the caller leaves zeros there.

  Args:
    rows: bfloat16 [time, rows, channels]; see `fits`.
    weights: bfloat16 [3, 3, channels, features].
    time_step: time steps of a shift in time.
    row_step: rows of a shift in rows; a multiple of 8.
    interpret: parameters of Pallas' interpreter, for tests on CPU.

  Returns:
    bfloat16 [time, rows, features].
  """
  num_times, num_rows, channels = rows.shape
  features = weights.shape[-1]
  tile_rows, tile_columns = _tile_shape(features)
  # Of all warpgroups together.
  group_rows = WARPGROUPS * tile_rows
  channel_blocks = channels // BLOCK
  row_tiles = pl.cdiv(num_rows, group_rows)
  column_tiles = features // tile_columns
  margin = margin_for(num_rows * time_step + row_step, interpret)

  # Rows are counted in eights, so that the compiler knows that they are
  # multiples of 8.
  def locate(tile: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    time = tile // (row_tiles * column_tiles)
    row, column = plgpu.planar_snake(
      tile % (row_tiles * column_tiles), (row_tiles, column_tiles), 1, 8
    )
    # The last tile overlaps the one before it: both write the same there.
    eights = time * (num_rows // 8) + jnp.minimum(
      row * (group_rows // 8), (num_rows - group_rows) // 8
    )
    return time, eights, column

  def plan(
    time: jax.Array, eights: jax.Array, column: jax.Array
  ) -> tuple[jax.Array, list[plgpu.BlockSpec]]:
    # Only the shifts in time that stay within the video.
    first = jnp.where(time < time_step, 0, -1)
    last = jnp.where(time >= num_times - time_step, 0, 1)

    def rows_index(step: jax.Array) -> tuple[jax.Array, jax.Array]:
      shift, block = step // channel_blocks, step % channel_blocks
      time_shift, row_shift = shift // 3 + first, shift % 3 - 1
      shifted = eights + time_shift * (time_step * num_rows // 8)
      shifted += row_shift * (row_step // 8) + margin // 8
      return 8 * shifted, block

    def weights_index(step: jax.Array) -> tuple[jax.Array, jax.Array]:
      return step + (first + 1) * (3 * channel_blocks), column

    return (last - first + 1) * (3 * channel_blocks), [
      tile_spec((pl.Element(group_rows), pl.Blocked(BLOCK)), rows_index),
      tile_spec((BLOCK, tile_columns), weights_index),
    ]

  def multiply(
    sums: Ref, rows_smem: Ref, weights_smem: Ref, warpgroup: jax.Array
  ) -> None:
    own = rows_smem.at[pl.ds(warpgroup * tile_rows, tile_rows)]
    plgpu.wgmma(sums, own, weights_smem)

  def write(
    sums: Ref,
    warpgroup: jax.Array,
    smem: Ref,
    out: Ref,
    time: jax.Array,
    eights: jax.Array,
    column: jax.Array,
  ) -> None:
    del time
    store(
      sums[...],
      smem,
      out,
      8 * (eights + warpgroup * (tile_rows // 8)),
      column * tile_columns,
    )

  product = TiledProduct(
    name='shifted_products',
    num_tiles=num_times * row_tiles * column_tiles,
    tile_shape=(tile_rows, tile_columns),
    place_size=3,
    locate=locate,
    plan=plan,
    multiply=multiply,
    write=write,
  )
  products = product(
    with_margin(rows, margin),
    weights.reshape(9 * channels, features),
    (num_times * num_rows, features),
    rows.dtype,
    interpret,
  )
  return products.reshape(num_times, num_rows, features)


def _tile_shape(features: int) -> tuple[int, int]:
  """Returns rows and columns of the part of a tile that a warpgroup computes.

  Measured on an H100 on the layers of C3D. The registers of a thread hold 128
  sums, those of a warpgroup 64 x 256.
  """
  if features % 256 == 0:
    return BLOCK, 256
  if features % 192 == 0:
    return BLOCK, 192
  return 2 * BLOCK, 128 if features % 128 == 0 else 64
