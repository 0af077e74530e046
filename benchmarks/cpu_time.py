"""The processor time of a program with its child processes."""

import os
import pathlib


def cpu_seconds() -> float | None:
  """Returns the seconds that this process and its children have computed.

  Other programs on the machine do not make it longer, as they do the time on
  the clock. Linux alone tells that of children that run; None elsewhere.
  """
  if not pathlib.Path('/proc/self/stat').exists():
    return None
  return _ticks(os.getpid()) / os.sysconf('SC_CLK_TCK')


def _ticks(pid: int) -> int:
  folder = pathlib.Path('/proc') / str(pid)
  try:
    # After the name of the program, which may have spaces.
    fields = (folder / 'stat').read_text().rpartition(')')[2].split()
    children = [
      int(child)
      for path in folder.glob('task/*/children')
      for child in path.read_text().split()
    ]
  except FileNotFoundError:  # It has just ended.
    return 0
  # Of the process itself, and of its children that have ended: user, system.
  return sum(map(int, fields[11:15])) + sum(map(_ticks, children))
