"""A file that one process at a time holds."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator

from tfds_mtl_aqa import input_error


@contextlib.contextmanager
def file_lock(path: pathlib.Path, message: str) -> Iterator[None]:
  """Holds a file against other processes of this machine.

  The kernel drops the lock of a process that dies, however it dies.

  Args:
    path: of the file; made if it is not there.
    message: of the error.

  Raises:
    InputError: another process holds it.
  """
  with open(path, 'w') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
      raise input_error.InputError(message) from e
    yield
