"""Writes files atomically, and makes values ready for JSON."""

import errno
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfds_mtl_aqa import atomic_file


def write_atomically(
  path: str | os.PathLike[str], content: str | bytes
) -> None:
  """Writes a file: at any time it is the old one or the new one, whole.

  Args:
    path: the file, in an existing folder.
    content: a text is written as UTF-8 with the line ends it has.
  """
  with atomic_file.replaced(path) as part:
    part.write_bytes(content.encode() if isinstance(content, str) else content)


def json_ready(value: Any) -> Any:
  """Returns a value that strict JSON can hold.

  Args:
    value: numbers, NumPy scalars and arrays, texts, None, and mappings and
      sequences of them.

  Returns:
    The same in Python's own types; NaN and infinities become None.
  """
  if isinstance(value, Mapping):
    return {str(key): json_ready(entry) for key, entry in value.items()}
  if isinstance(value, (np.ndarray, np.generic)):
    return json_ready(value.tolist())
  if isinstance(value, (list, tuple)):
    return [json_ready(entry) for entry in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


def is_disk_full(error: BaseException) -> bool:
  """Returns whether an error, of any library, says that the disk is full."""
  return os.strerror(errno.ENOSPC) in str(error)
