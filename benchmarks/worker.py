"""One side of the comparison, in a process of its own.

  python -m benchmarks.worker ours|official|best STARTED < commands

The first line of the input is a workload; each further line is how often to do
it, or `rate`, `memory`, `flops` or `cpu`. Each is answered by a line of JSON.
"""

import json
import os
import resource
import sys
import time

from benchmarks.cpu_time import cpu_seconds
from benchmarks.runner import Runner
from benchmarks.workload import Workload


def main() -> None:
  """Answers the lines of the input until it ends."""
  side, started = sys.argv[1], float(sys.argv[2])
  # All other output goes to the log.
  answers = os.fdopen(os.dup(1), 'w', buffering=1)
  os.dup2(2, 1)
  workload = Workload.from_json(sys.stdin.readline())
  runner = _prepare(side, workload)
  imported = time.time() - started
  runner.run(1)
  first = {'ready': imported, 'first_run': time.time() - started}
  print(json.dumps(first | {'dives': runner.dives}), file=answers)
  for line in sys.stdin:
    print(json.dumps(_answer(runner, line.strip())), file=answers)


def _prepare(side: str, workload: Workload) -> Runner:
  # Each side imports packages that the other need not have.
  if side == 'ours':
    from benchmarks import ours

    return ours.prepare(workload)
  from benchmarks import theirs

  return theirs.prepare(workload, side == 'official')


def _answer(runner: Runner, command: str) -> float | None:
  if command == 'flops':
    return runner.count_flops() if runner.count_flops else None
  if command == 'cpu':
    return cpu_seconds()
  if command == 'rate':
    return runner.matrix_rate()
  if command == 'memory':
    if runner.peak_memory:
      return runner.peak_memory()
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
  begin = time.perf_counter()
  runner.run(int(command))
  return time.perf_counter() - begin


if __name__ == '__main__':
  main()
