"""Errors of a disk, with the folder that they are about."""

import contextlib
import os
import re
from collections.abc import Iterator

from tfds_mtl_aqa import input_error

# Array_record's errors are nothing but text.
_FAILED = re.compile(r'\b(?:open|write)\(\) failed: ([^;]+)')


@contextlib.contextmanager
def disk_errors_named(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Names the folder where the disk is full or can't be written.

  The system names no file to which it fails to write.

  Args:
    folder: that is being written, or made. Errors about files elsewhere name
      them, and stay as they are.

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
    f'{os.fspath(folder)}: can not be written ({reason}); make room there or '
    'give another --data_dir, and run the same command again.'
  )
