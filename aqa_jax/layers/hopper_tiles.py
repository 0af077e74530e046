"""Matrix products in tiles, as Pallas kernels for Hopper GPUs.

What the kernels have in common. Each core takes one tile of the result after
the other. One warpgroup loads tiles of the two operands into shared memory by
TMA, which reads zeros outside of an array; the others multiply them on the
tensor cores, and keep the sums in registers. As an operand of the tensor cores
a tile has blocks of 8 rows, so it may begin at multiples of 8 rows only.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.experimental.pallas as pl
import jax.experimental.pallas.mosaic_gpu as plgpu
import jax.numpy as jnp
from jax import lax

# Rows and columns of one block of the tensor cores' operands.
BLOCK = 64
# Warpgroups that multiply; one more loads the tiles.
WARPGROUPS = 2
# Pairs of tiles of the operands that are in shared memory at a time.
_STAGES = 4
# Where JAX does not tell: lowering without a GPU.
_H100_CORES = 132

# An array in any of the GPU's memories; Pallas has no public type of it.
Ref = Any
# Where a tile of the result is: integers that only the kernel computes.
Place = tuple[jax.Array, ...]
# Block of an array for a step of the sum, from the number of the step.
Index = Callable[[jax.Array], tuple[jax.Array, jax.Array]]

_pipeline = functools.partial(
  plgpu.emit_pipeline_warp_specialized,
  # Registers of a thread that only starts copies.
  memory_registers=40,
  wg_axis='warpgroup',
  num_compute_wgs=WARPGROUPS,
  max_concurrent_steps=_STAGES,
)


@dataclasses.dataclass(frozen=True)
class TiledProduct:
  """How a kernel makes a matrix product tile by tile.

  Attributes:
    name: of the kernel, for profilers.
    num_tiles: number of tiles of the result.
    tile_shape: rows and columns of the part of a tile that one warpgroup
      computes.
    place_size: how many numbers `locate` returns.
    locate: returns the place of a tile, given its number.
    plan: returns, given a place, how many steps its sum has, and the specs of
      the left and the right operand's tiles in each step.
    multiply: adds a step's product to the sums, given these, the tiles in
      shared memory, and the number of the warpgroup.
    write: writes sums into the result by `store`, given the sums, the number
      of the warpgroup, its shared memory, the result and the place.
  """

  name: str
  num_tiles: int
  tile_shape: tuple[int, int]
  place_size: int
  locate: Callable[[jax.Array], Place]
  plan: Callable[..., tuple[jax.Array, list[plgpu.BlockSpec]]]
  multiply: Callable[[Ref, Ref, Ref, jax.Array], None]
  write: Callable[..., None]

  def __call__(
    self,
    left: jax.Array,
    right: jax.Array,
    shape: tuple[int, int],
    dtype: Any,
    interpret: Any = False,
  ) -> jax.Array:
    """Returns the product.

    Args:
      left: bfloat16 matrix.
      right: bfloat16 matrix.
      shape: of the result.
      dtype: of the result.
      interpret: parameters of Pallas' interpreter, for tests on CPU.
    """
    product = plgpu.kernel(
      self._kernel,
      out_type=jax.ShapeDtypeStruct(shape, dtype),
      grid=(2 if interpret else num_cores(),),
      grid_names=('core',),
      num_threads=WARPGROUPS + 1,
      thread_name='warpgroup',
      compiler_params=plgpu.CompilerParams(
        lowering_semantics=plgpu.LoweringSemantics.Warpgroup
      ),
      interpret=interpret,
      kernel_name=self.name,
    )
    return product(left, right)

  def _kernel(self, left: Ref, right: Ref, out: Ref) -> None:
    def fill_tiles(allocations: Any, out_smem: Ref) -> None:
      warpgroup = lax.axis_index('warpgroup')

      @plgpu.nd_loop((self.num_tiles,), collective_axes='core')
      def _fill_tile(loop: plgpu.NDLoopInfo) -> None:
        (tile,) = loop.index
        place = self.locate(tile)

        def sum_and_write(run: Callable[[Ref], Any]) -> None:
          def with_sums(sums: Ref) -> None:
            run(sums)
            self.write(sums, warpgroup, out_smem.at[warpgroup], out, *place)

          pl.run_scoped(
            with_sums, plgpu.WGMMAAccumulatorRef(self.tile_shape, jnp.float32)
          )

        def step(_: Any, left_smem: Ref, right_smem: Ref, sums: Ref) -> Ref:
          self.multiply(sums, left_smem, right_smem, warpgroup)
          plgpu.wgmma_wait(0)
          return sums

        steps, specs = self.plan(*place)
        pipeline = _pipeline(
          step, grid=(steps,), in_specs=specs, compute_context=sum_and_write
        )
        pipeline(left, right, allocations=allocations)

    pl.run_scoped(
      fill_tiles,
      self._allocations(left, right),
      _out_smem(out.dtype),
      collective_axes='warpgroup',
    )
    plgpu.wait_smem_to_gmem(0, wait_read_only=True)

  def _allocations(self, left: Ref, right: Ref) -> Any:
    """Returns the shared memory of the operands, the same for every place."""

    def nothing(*_: Any) -> None:
      pass

    steps, specs = self.plan(*(jnp.int32(0),) * self.place_size)
    pipeline = _pipeline(
      nothing, grid=(steps,), in_specs=specs, compute_context=nothing
    )
    return pipeline.get_allocations(left, right)


def tile_spec(shape: tuple[Any, Any], index: Index) -> plgpu.BlockSpec:
  """Returns the spec of an operand's tile.

  Args:
    shape: rows and columns, each a `pl.Element` or a `pl.Blocked`.
    index: where it begins, in elements or blocks.
  """
  return plgpu.BlockSpec(
    shape,
    index,
    transforms=_transforms(jnp.bfloat16, BLOCK),
    memory_space=plgpu.SMEM,
  )


def store(
  sums: jax.Array, smem: Ref, out: Ref, row: jax.Array, column: jax.Array
) -> None:
  """Writes sums to the result, block by block through shared memory.

  Args:
    sums: float32 [rows, columns].
    smem: shared memory for two blocks.
    out: the result.
    row: where the sums begin in it.
    column: the same.
  """
  sums = sums.astype(out.dtype)
  columns = _out_columns(out.dtype)
  plgpu.wait_smem_to_gmem(0, wait_read_only=True)
  blocks = [
    (below, right)
    for below in range(0, sums.shape[0], BLOCK)
    for right in range(0, sums.shape[1], columns)
  ]
  for index, (below, right) in enumerate(blocks):
    # The copy before the last has left this half of the memory.
    plgpu.wait_smem_to_gmem(1, wait_read_only=True)
    half = smem.at[index % 2]
    half[...] = sums[below : below + BLOCK, right : right + columns]
    plgpu.commit_smem()
    plgpu.copy_smem_to_gmem(
      half,
      out.at[pl.ds(row + below, BLOCK), pl.ds(column + right, columns)],
    )


def num_cores() -> int:
  """Returns the number of streaming multiprocessors of the GPU."""
  return getattr(jax.devices()[0], 'core_count', None) or _H100_CORES


def with_margin(rows: jax.Array, margin: int) -> jax.Array:
  """Returns [time, rows, columns] as a matrix, with zero rows around it."""
  return jnp.pad(rows.reshape(-1, rows.shape[-1]), ((margin, margin), (0, 0)))


def margin_for(reach: int, interpret: Any) -> int:
  """Returns how many zero rows an array needs around it.

  Args:
    reach: rows that a kernel reads outside of it.
    interpret: Pallas' interpreter, unlike TMA, reads no zeros there.
  """
  return pl.cdiv(reach, 8) * 8 if interpret else 0


def _out_smem(dtype: Any) -> Any:
  """Returns shared memory for two blocks of results of each warpgroup."""
  columns = _out_columns(dtype)
  return plgpu.SMEM(
    (WARPGROUPS, 2, BLOCK, columns),
    dtype,
    transforms=_transforms(dtype, columns),
  )


def _out_columns(dtype: Any) -> int:
  return 128 // jnp.dtype(dtype).itemsize


def _transforms(dtype: Any, columns: int) -> tuple[Any, ...]:
  """Returns the layout in shared memory that the tensor cores read."""
  itemsize = jnp.dtype(dtype).itemsize
  swizzle = min(128, columns * itemsize)
  return (
    plgpu.TilingTransform((8, swizzle // itemsize)),
    plgpu.SwizzleTransform(swizzle),
  )
