"""The figures of a comparison as a table."""

import statistics
from collections.abc import Mapping

from aqa_jax import text_table

_HEADER = (
  *('', 'ms', 'range', 'cpu ms', 'dives/s', 'Gflop/s', 'share'),
  *('MiB', 'cold s', 'warm s'),
)


def table(result: Mapping[str, object]) -> str:
  """Returns the table of a piece of work: a row for each side, then ratios.

  Args:
    result: result of `comparison.compare`.
  """
  sides = result['sides']
  # Needed operations are the same for all; ours has counted them.
  flops = sides.get('ours', {}).get('flops')
  rates = [side['matrix_rate'] for side in sides.values() if 'memory' in side]
  rows = [_HEADER]
  rows += [
    _row(name, side, flops, max(rates, default=0.0))
    for name, side in sides.items()
  ]
  lines = text_table.aligned(rows)
  for name, ratio in result['ratios'].items():
    lines.append(
      f'{name} / ours: {ratio["median"]:.2f} '
      f'({ratio["min"]:.2f} to {ratio["max"]:.2f})'
    )
  return '\n'.join(lines)


def _row(
  name: str,
  side: Mapping[str, object],
  flops: float | None,
  matrix_rate: float,
) -> tuple[str, ...]:
  if not side.get('seconds'):
    return (name, 'failed', *[''] * (len(_HEADER) - 2))
  seconds, cpu = side['seconds'], side.get('cpu_seconds')
  median = statistics.median(seconds)
  rate = flops / median if flops else None
  is_warm_known = 'warm' in side
  return (
    name,
    _milliseconds(median),
    f'{_milliseconds(min(seconds))}-{_milliseconds(max(seconds))}',
    # Results of earlier versions lack it.
    _milliseconds(statistics.median(cpu)) if cpu else '',
    f'{side["dives"] / median:.3g}',
    f'{rate / 1e9:.0f}' if rate else '',
    f'{100 * rate / matrix_rate:.0f} %' if rate else '',
    f'{side["memory"] / 2**20:.0f}',
    f'{side["cold"]["first_run"]:.1f}',
    f'{side["warm"]["first_run"]:.1f}' if is_warm_known else '',
  )


def _milliseconds(seconds: float) -> str:
  return f'{1e3 * seconds:.4g}' if seconds < 10 else f'{1e3 * seconds:.0f}'
