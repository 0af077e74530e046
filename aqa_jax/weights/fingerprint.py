"""What tells weights from others."""

import hashlib
from typing import Any

import jax
import numpy as np


def arrays_fingerprint(arrays: Any, kind: str = '') -> str:
  """Returns a SHA-256 of arrays and their names, hexadecimal.

  Args:
    arrays: a tree of arrays.
    kind: what else counts, such as the network that they are of.
  """
  digest = hashlib.sha256(kind.encode())
  for path, leaf in jax.tree_util.tree_leaves_with_path(arrays):
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()
