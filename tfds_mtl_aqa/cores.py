"""How many CPU cores this process may use."""

import os

from tfds_mtl_aqa import control_group


def available_cores() -> int:
  """Returns the number of cores that this process may use.

  A job scheduler or `taskset` may allow fewer than the machine has, and a
  container's quota (`docker run --cpus=2`) less of their time.
  """
  if hasattr(os, 'sched_getaffinity'):
    cores = len(os.sched_getaffinity(0))
  else:
    cores = os.cpu_count() or 1
  return min(cores, control_group.core_quota() or cores)
