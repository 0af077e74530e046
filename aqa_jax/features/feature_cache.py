"""Features on disk, computed once for each (weights, dataset)."""

import io
import pathlib
import time
from collections.abc import Callable

import numpy as np

from aqa_jax import files
from tfds_mtl_aqa.input_error import InputError

# Dives of a file; what an interruption costs at most.
_DIVES = 32
_SECONDS_BETWEEN_LINES = 10.0


def cached(
  folder: pathlib.Path,
  count: int,
  compute: Callable[[int], np.ndarray],
) -> np.ndarray:
  """Returns the features of dives, from the folder where they are there.

  Args:
    folder: folder of these features alone; its name is their fingerprint. It is
      made where it is not there.
    count: number of dives.
    compute: given a dive's place, returns its features, float [features].

  Returns:
    float32 [count, features].

  Raises:
    InputError: the folder can't be written, or a file in it is damaged.
  """
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as e:
    raise InputError(
      f'{folder}: {e.strerror}; give another folder for the features with '
      '--config.features.cache.'
    ) from e
  parts, computed = [], 0
  told = started = time.monotonic()
  for first in range(0, count, _DIVES):
    path = folder / f'{first:06d}.npy'
    size = min(_DIVES, count - first)
    if path.exists():
      parts.append(_read(path, size))
      continue
    rows = []
    for place in range(first, first + size):
      rows.append(np.asarray(compute(place), np.float32))
      now = time.monotonic()
      if computed == 0:
        started = now  # The first one has compiled the program.
      computed += 1
      if computed > 1 and now - told >= _SECONDS_BETWEEN_LINES:
        told = now
        left = (count - place - 1) * (now - started) / (computed - 1)
        print(
          f'features: {place + 1} of {count} dives, at most {left:.0f} s left',
          flush=True,
        )
    part = np.stack(rows)
    buffer = io.BytesIO()
    np.save(buffer, part, allow_pickle=False)
    files.write_atomically(path, buffer.getvalue())
    parts.append(part)
  return np.concatenate(parts)


def _read(path: pathlib.Path, size: int) -> np.ndarray:
  try:
    with open(path, 'rb') as file:
      part = np.load(file, allow_pickle=False)
  except (OSError, ValueError, EOFError) as e:
    raise InputError(
      f'{path}: is damaged; remove it, and its features are computed again.'
    ) from e
  if part.ndim != 2 or len(part) != size or not np.isfinite(part).all():
    raise InputError(
      f'{path}: is damaged; remove it, and its features are computed again.'
    )
  return np.asarray(part)
