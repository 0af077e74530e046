"""Runs the sides in turns, and compares their figures."""

import pathlib
import statistics
import tempfile
from collections.abc import Sequence

from benchmarks.side_process import SideError, SideProcess
from benchmarks.workload import Workload

SIDES = ('ours', 'official', 'best')


def compare(
  workload: Workload,
  sides: Sequence[str],
  rounds: int,
  seconds: float,
  with_cold_start: bool,
) -> dict[str, object]:
  """Returns the figures of a workload.

  Args:
    workload: what to do.
    sides: some of SIDES.
    rounds: how often each takes a turn.
    seconds: shortest length of a turn.
    with_cold_start: first start every side once with nothing compiled, to
      measure how long that takes.

  Returns:
    sides: by name, `seconds` of one run by round, on the clock, and
      `cpu_seconds`, of all cores together, on Linux; `dives` of it, seconds to
      `ready` and `first_run` of the `cold` and the `warm` start, `memory` in
      bytes, `flops`, `matrix_rate`; or `error`.
    ratios: name of another side -> its seconds divided by ours: `median`, `min`
      and `max` of the rounds.
  """
  found: dict[str, dict[str, object]] = {name: {} for name in sides}
  running: dict[str, SideProcess] = {}
  with tempfile.TemporaryDirectory(prefix='aqa_jax_benchmark_') as folder:
    try:
      for name in sides:
        try:
          running[name] = _start(
            name, workload, pathlib.Path(folder), with_cold_start, found[name]
          )
        except SideError as e:
          found[name]['error'] = str(e)
          print(f'  {name}: {e}', flush=True)
      _take_turns(running, found, rounds, seconds)
    finally:
      for process in running.values():
        process.close()
  return {'sides': found, 'ratios': _ratios(found)}


def _start(
  name: str,
  workload: Workload,
  folder: pathlib.Path,
  with_cold_start: bool,
  found: dict[str, object],
) -> SideProcess:
  """Starts a side, once or twice, and measures how long that takes."""
  kinds = ('cold', 'warm') if with_cold_start else ('cold',)
  for kind in kinds:
    process = SideProcess(name, workload, folder)
    first = process.first
    found[kind] = {key: first[key] for key in ('ready', 'first_run')}
    print(
      f'  {name}: {kind} start, first time done after '
      f'{first["first_run"]:.1f} s',
      flush=True,
    )
    if kind != kinds[-1]:
      process.close()
  found |= {'dives': first['dives'], 'seconds': [], 'cpu_seconds': []}
  return process


def _take_turns(
  running: dict[str, SideProcess],
  found: dict[str, dict[str, object]],
  rounds: int,
  seconds: float,
) -> None:
  # The first run after a start is slower than the others.
  counts = {
    name: max(round(seconds / process.ask('1')), 1)
    for name, process in running.items()
  }
  for index in range(rounds):
    for name, process in running.items():
      cpu_before = process.ask('cpu')
      took = process.ask(str(counts[name])) / counts[name]
      found[name]['seconds'].append(took)
      if cpu_before is not None:
        cpu = (process.ask('cpu') - cpu_before) / counts[name]
        found[name]['cpu_seconds'].append(cpu)
    print(
      f'  round {index + 1} of {rounds}: '
      + ', '.join(
        f'{name} {found[name]["seconds"][-1]:.4g} s' for name in running
      ),
      flush=True,
    )
  for name, process in running.items():
    found[name]['memory'] = process.ask('memory')
    found[name]['matrix_rate'] = process.ask('rate')
    # After the memory: counting takes some.
    found[name]['flops'] = process.ask('flops')


def _ratios(
  found: dict[str, dict[str, object]],
) -> dict[str, dict[str, float]]:
  """Returns the others' seconds divided by ours, turn by turn."""
  ours = found.get('ours', {}).get('seconds')
  ratios = {}
  for name, side in found.items():
    if name == 'ours' or not ours or not side.get('seconds'):
      continue
    of_rounds = [a / b for a, b in zip(side['seconds'], ours, strict=True)]
    ratios[name] = {
      'median': statistics.median(of_rounds),
      'min': min(of_rounds),
      'max': max(of_rounds),
    }
  return ratios
