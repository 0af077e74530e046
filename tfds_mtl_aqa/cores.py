"""How many CPU cores this process may use."""

import os


def available_cores() -> int:
  """Returns the number of cores that this process may use.

  A job scheduler or `taskset` may allow fewer than the machine has.
  """
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
