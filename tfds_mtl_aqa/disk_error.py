"""Errors of a disk as one line that names the folder."""

import contextlib
import os
import re
from collections.abc import Iterator

from tfds_mtl_aqa import input_error

# array_record's errors say what failed in their text only.
_FAILED = re.compile(r'\b(?:open|write)\(\) failed: ([^;]+)')


@contextlib.contextmanager
def disk_errors_named(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Turns errors of writing to a folder into one line that names it.

  The system's own error names no file where the disk is full.

  Args:
    folder: that is written or created in the block. An error that names a file
      elsewhere is raised as it is.

  Raises:
    InputError: the folder can't be written.
  """
  try:
    yield
  except OSError as e:
    if e.filename:
      paths = os.path.abspath(os.fsdecode(e.filename)), os.path.abspath(folder)
      if os.path.commonpath(paths) not in paths:
        raise
    raise _cannot_write(folder, e.strerror or str(e)) from e
  except RuntimeError as e:
    failed = _FAILED.search(str(e))
    if not failed:
      raise
    raise _cannot_write(folder, failed[1]) from e


def _cannot_write(
  folder: str | os.PathLike[str], reason: str
) -> input_error.InputError:
  return input_error.InputError(
    f'{os.fspath(folder)}: can not be written ({reason}); free some space '
    'there or give another --data_dir, and run the same command again.'
  )
