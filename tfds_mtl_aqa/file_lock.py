"""A lock on a file, which one process at a time can hold."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator

from tfds_mtl_aqa import input_error


@contextlib.contextmanager
def file_lock(path: pathlib.Path, message: str) -> Iterator[None]:
  """Locks a file against other processes of this machine.

  Does not wait. The system frees the lock of a process that ends or is killed.

  Args:
    path: of the file, which is created if needed, in an existing folder.
    message: of the error.

  Raises:
    InputError: another process holds the lock.
  """
  with open(path, 'w') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
      raise input_error.InputError(message) from e
    yield
