"""What Linux allows the control groups (cgroups) of this process.

Containers and job schedulers set such limits; `os.cpu_count()` and the free
memory of the machine do not know them.
"""

import math
import pathlib
from collections.abc import Iterator

_ROOT = pathlib.Path('/sys/fs/cgroup')
_OWN = pathlib.Path('/proc/self/cgroup')


def core_quota(
  root: pathlib.Path = _ROOT, own: pathlib.Path = _OWN
) -> int | None:
  """Returns how many cores' time the process may have, at least 1, or None.

  Args:
    root: where the groups are mounted.
    own: lists the groups of the process.
  """
  found = []
  for group in _groups(root, own, 'cpu'):
    # Version 2: 'max 100000' or '150000 100000', microseconds.
    pair = _words(group / 'cpu.max') or (
      _words(group / 'cpu.cfs_quota_us') + _words(group / 'cpu.cfs_period_us')
    )
    if len(pair) == 2 and pair[0].isdecimal() and int(pair[1]):
      found.append(max(math.ceil(int(pair[0]) / int(pair[1])), 1))
  return min(found, default=None)


def free_memory(
  root: pathlib.Path = _ROOT, own: pathlib.Path = _OWN
) -> int | None:
  """Returns the bytes that the process may still take, or None for no limit.

  Args:
    root: where the groups are mounted.
    own: lists the groups of the process.
  """
  found = []
  for group in _groups(root, own, 'memory'):
    limit = _words(group / 'memory.max') or _words(
      group / 'memory.limit_in_bytes'
    )
    used = _words(group / 'memory.current') or _words(
      group / 'memory.usage_in_bytes'
    )
    if used and limit and limit[0].isdecimal():
      # Pages of files are given back where memory is short.
      taken = int(used[0]) - _file_pages(group)
      found.append(max(int(limit[0]) - taken, 0))
  return min(found, default=None)


def _file_pages(group: pathlib.Path) -> int:
  """Returns the bytes of files that a group has in memory."""
  words = _words(group / 'memory.stat')
  counts = dict(zip(words[::2], words[1::2], strict=True))
  return int(counts.get('file', counts.get('cache', 0)))


def _words(path: pathlib.Path) -> list[str]:
  """Returns the words of a file; none if it can't be read."""
  try:
    return path.read_text().split()
  except OSError:
    return []


def _groups(
  root: pathlib.Path, own: pathlib.Path, controller: str
) -> Iterator[pathlib.Path]:
  """Yields the folders of the process's groups, and of those they are in."""
  try:
    lines = own.read_text().splitlines()
  except OSError:
    return
  for line in lines:
    _, controllers, path = line.split(':', 2)
    if controllers and controller not in controllers.split(','):
      continue
    # Version 2 has no names of controllers, and one tree for all.
    top = root / controller if controllers else root
    group = pathlib.PurePosixPath(path.lstrip('/'))
    # In a container the path may be the host's, and only `top` be there.
    for folder in (group, *group.parents):
      if (top / folder).is_dir():
        yield top / folder
