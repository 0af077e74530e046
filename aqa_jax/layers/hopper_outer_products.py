"""Gradient of the products of shifted rows by their weights, on Hopper GPUs."""

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
  num_cores,
  store,
  tile_spec,
  with_margin,
)


def shifted_outer_products(
  rows: jax.Array,
  gradient: jax.Array,
  columns: tuple[int, int],
  time_step: int,
  row_step: int,
  interpret: Any = False,
) -> jax.Array:
  """Returns the gradient of `hopper_products.shifted_products` by the weights.

  Args:
    rows: as for `shifted_products`.
    gradient: bfloat16 [time, rows, columns].
    columns: the first and the number of the columns of `gradient` that are the
      gradient by the result; multiples of 128.
    time_step: as for `shifted_products`.
    row_step: as for `shifted_products`.
    interpret: as for `shifted_products`.

  Returns:
    float32 [3, 3, features, channels]: the last two axes are exchanged.
  """
  num_times, num_rows, channels = rows.shape
  first_column, features = columns
  # Of all warpgroups together.
  group_features = WARPGROUPS * BLOCK
  tile_channels = next(
    size for size in (256, 192, 128, 64) if channels % size == 0
  )
  feature_tiles = features // group_features
  channel_tiles = channels // tile_channels
  tiles = 9 * feature_tiles * channel_tiles
  splits = _num_splits(tiles, num_times * num_rows // BLOCK)
  margin = margin_for(num_rows * time_step + row_step + BLOCK, interpret)

  def locate(
    index: jax.Array,
  ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    split, tile = index // tiles, index % tiles
    shift, tile = tile % 9, tile // 9
    feature, channel = tile % feature_tiles, tile // feature_tiles
    return shift, split, feature, channel

  # Rows are counted in eights, so that the compiler knows that they are
  # multiples of 8.
  def plan(
    shift: jax.Array, split: jax.Array, feature: jax.Array, channel: jax.Array
  ) -> tuple[jax.Array, list[plgpu.BlockSpec]]:
    time_shift, row_shift = shift // 3 - 1, shift % 3 - 1
    # Only the time steps whose shifted rows are within the video.
    first_time = jnp.where(time_shift < 0, time_step, 0)
    used_times = num_times - time_step * jnp.where(time_shift == 0, 0, 1)
    blocks = (used_times * num_rows + BLOCK - 1) // BLOCK
    first_block = split * blocks // splits
    start = first_time * (num_rows // 8) + first_block * (BLOCK // 8)

    def gradient_index(step: jax.Array) -> tuple[jax.Array, jax.Array]:
      eights = start + step * (BLOCK // 8)
      return 8 * eights, feature + first_column // group_features

    def rows_index(step: jax.Array) -> tuple[jax.Array, jax.Array]:
      eights = start + step * (BLOCK // 8) + margin // 8
      eights += time_shift * (time_step * num_rows // 8)
      eights += row_shift * (row_step // 8)
      return 8 * eights, channel

    gradient_spec = tile_spec(
      (pl.Element(BLOCK), pl.Blocked(group_features)), gradient_index
    )
    if interpret:  # It can't transpose.
      gradient_spec = tile_spec(
        (pl.Blocked(group_features), pl.Element(BLOCK)),
        lambda step: gradient_index(step)[::-1],
      )
    rows_spec = tile_spec(
      (pl.Element(BLOCK), pl.Blocked(tile_channels)), rows_index
    )
    steps = (split + 1) * blocks // splits - first_block
    return steps, [gradient_spec, rows_spec]

  def multiply(
    sums: Ref, gradient_smem: Ref, rows_smem: Ref, warpgroup: jax.Array
  ) -> None:
    own = pl.ds(warpgroup * BLOCK, BLOCK)
    if interpret:
      transposed = gradient_smem.at[own]
    else:
      transposed = gradient_smem.at[:, own].transpose((1, 0))
    plgpu.wgmma(sums, transposed, rows_smem)

  def write(
    sums: Ref,
    warpgroup: jax.Array,
    smem: Ref,
    out: Ref,
    shift: jax.Array,
    split: jax.Array,
    feature: jax.Array,
    channel: jax.Array,
  ) -> None:
    block = (split * 9 + shift) * (features // BLOCK)
    block += feature * WARPGROUPS + warpgroup
    store(sums[...], smem, out, BLOCK * block, channel * tile_channels)

  product = TiledProduct(
    name='shifted_outer_products',
    num_tiles=tiles * splits,
    tile_shape=(BLOCK, tile_channels),
    place_size=4,
    locate=locate,
    plan=plan,
    multiply=multiply,
    write=write,
  )
  padded_rows = with_margin(rows, margin)
  flat_gradient = gradient.reshape(num_times * num_rows, -1)
  if interpret:
    flat_gradient = jnp.pad(flat_gradient, ((0, BLOCK), (0, 0))).T
  products = product(
    flat_gradient,
    padded_rows,
    (splits * 9 * features, channels),
    jnp.float32,
    interpret,
  )
  return products.reshape(splits, 3, 3, features, channels).sum(axis=0)


def _num_splits(tiles: int, blocks: int) -> int:
  """Returns into how many sums of rows the work is split, to use all cores.

  Args:
    tiles: tiles of the result, each a sum over all rows.
    blocks: blocks of rows.
  """
  cores = num_cores()

  def used(splits: int) -> float:
    """Returns the part of the cores' time in which they have work."""
    return tiles * splits / (pl.cdiv(tiles * splits, cores) * cores)

  most = max(1, min(16, blocks // 16))
  enough = [splits for splits in range(1, most + 1) if used(splits) >= 0.95]
  return enough[0] if enough else max(range(1, most + 1), key=used)
