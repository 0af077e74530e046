"""The messages between the devices of a compiled program."""

import dataclasses
import re

import numpy as np

from aqa_jax import text_table

_KINDS = (
  'all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all',
  'ragged-all-to-all', 'collective-permute', 'collective-broadcast',
)  # fmt: skip
_OPERATION = re.compile(
  rf'= (?P<result>.*?) (?P<kind>{"|".join(_KINDS)})(?P<start>-start)?\('
)
_ARRAY = re.compile(r'\b([a-z]+[0-9]*[a-z0-9]*)\[([\d,]*)\]')
_CHANNEL = re.compile(r'channel_id=\d+')
# The result of the -start of these contains the operands too.
_WITH_OPERANDS = ('all-gather', 'collective-permute')


@dataclasses.dataclass(frozen=True)
class Collective:
  """One operation in which all devices take part.

  Attributes:
    kind: such as 'all-reduce'.
    num_bytes: bytes of its result on one device.
  """

  kind: str
  num_bytes: int


def find_collectives(program: str) -> list[Collective]:
  """Returns the collectives of a program, in the order of its text.

  One in a loop counts once. XLA for TPU may cut one into pieces between other
  operations, of which each has the whole in its text: it counts once too.

  Args:
    program: optimized HLO; `compiled.as_text()`.
  """
  found, channels = [], set()
  for line in program.splitlines():
    match = _OPERATION.search(line)
    if not match:
      continue
    if channel := _CHANNEL.search(line):
      if channel[0] in channels:
        continue
      channels.add(channel[0])
    arrays = _ARRAY.findall(match['result'])
    if match['start'] and match['kind'] in _WITH_OPERANDS:
      # Operands, as many results, and perhaps counters, which are scalars.
      arrays = [array for array in arrays if array[1]]
      arrays = arrays[len(arrays) // 2 :]
    found.append(Collective(match['kind'], sum(map(_num_bytes, arrays))))
  return found


def _num_bytes(array: tuple[str, str]) -> int:
  dtype, sizes = array
  digits = re.search(r'\d+', dtype)
  bits = int(digits[0]) if digits else 0
  if dtype == 'pred':
    bits = 8
  count = int(np.prod([int(size) for size in sizes.split(',') if size]))
  return -(-bits * count // 8)


def format_table(collectives: list[Collective]) -> str:
  """Returns the collectives by kind, as lines of text."""
  if not collectives:
    return '  none'
  rows = [('', 'times', 'MB', 'largest MB')]
  for kind in sorted({c.kind for c in collectives}):
    sizes = [c.num_bytes for c in collectives if c.kind == kind]
    total, largest = (f'{n / 1e6:.3f}' for n in (sum(sizes), max(sizes)))
    rows.append((f'  {kind}', str(len(sizes)), total, largest))
  return '\n'.join(text_table.aligned(rows))
