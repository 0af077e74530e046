"""Collectives, in programs written by hand and in one that XLA compiled."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from aqa_jax import sharding
from aqa_jax.profiling.collectives import (
  Collective,
  find_collectives,
  format_table,
)


@pytest.mark.parametrize(
  'line, kind, num_bytes',
  [
    (
      '%all-reduce.1 = f32[3,5]{1,0} all-reduce(%dot), channel_id=1',
      'all-reduce',
      60,
    ),
    (
      '%r = (f32[4]{0:T(128)}, bf16[2,3]{1,0:T(8,128)(2,1)}) all-reduce(%a, '
      '%b), replica_groups=[1,8]<=[8]',
      'all-reduce',
      16 + 12,
    ),
    (
      '%s = f32[7]{0} all-reduce-start(%a), to_apply=%add',
      'all-reduce',
      28,
    ),
    (
      '%g = (s32[2]{0}, s32[16]{0}) all-gather-start(%a), dimensions={0}',
      'all-gather',
      64,
    ),
    (
      '%p = (f32[8]{0}, f32[8]{0}, u32[], u32[]) collective-permute-start(%a)',
      'collective-permute',
      32,
    ),
    ('%x = pred[9]{0} all-to-all(%a)', 'all-to-all', 9),
    ('%y = f32[] reduce-scatter(%a)', 'reduce-scatter', 4),
    ('%z = (f32[3], token[]) all-reduce(%a, %b)', 'all-reduce', 12),
  ],
)
def test_a_line(line, kind, num_bytes):
  program = f'ENTRY %main {{\n  {line}\n}}'
  assert find_collectives(program) == [Collective(kind, num_bytes)]


def test_what_only_names_one_is_none():
  program = '%d = f32[2] all-reduce-done(%s)\n%f = f32[2] add(%all-reduce.1)'
  assert find_collectives(program) == []
  assert format_table([]).strip() == 'none'


def test_pieces_of_one_are_counted_once():
  piece = '%g.{} = bf16[8]{{0}} all-gather(%p), channel_id={}, dimensions={{0}}'
  program = '\n'.join(piece.format(*ids) for ids in ((0, 3), (1, 3), (2, 31)))
  assert find_collectives(program) == [Collective('all-gather', 16)] * 2


def test_a_data_parallel_gradient_is_one_sum_of_its_size():
  mesh = sharding.make_mesh(8)
  whole = sharding.replicated(mesh)
  rows = NamedSharding(mesh, PartitionSpec('data'))
  gradient = jax.jit(
    jax.grad(lambda w, x: jnp.mean((x @ w) ** 2)),
    in_shardings=(whole, rows),
    out_shardings=whole,
  )
  compiled = gradient.lower(jnp.ones((24, 10)), jnp.ones((16, 24))).compile()
  found = find_collectives(compiled.as_text())
  assert found == [Collective('all-reduce', 24 * 10 * 4)]
  header, row = format_table(found * 2).splitlines()
  assert header.split() == ['times', 'MB', 'largest', 'MB']
  assert row.split() == ['all-reduce', '2', '0.002', '0.001']
