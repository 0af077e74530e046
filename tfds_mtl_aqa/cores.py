"""How many processors this process may use."""

import os


def available_cores() -> int:
  """Returns their number: fewer than all, under a scheduler or taskset."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
