"""Features on disk, computed once for each (weights, dataset)."""

import io
import itertools
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from aqa_jax import files
from tfds_mtl_aqa.input_error import InputError

# Dives of a file; what an interruption costs at most.
_DIVES = 32
_SECONDS_BETWEEN_LINES = 10.0


def cached(
  folder: pathlib.Path,
  name: str,
  count: int,
  compute: Callable[[Sequence[int]], Iterator[Mapping[str, np.ndarray]]],
) -> np.ndarray:
  """Returns the features of dives, from the folder where they are there.

  What is computed along with them is kept, too, under its own name.

  Args:
    folder: folder of these weights and dives alone; its name is their
      fingerprint. It is made where it is not there, with a folder for each name
      in it.
    name: which of the features to return, such as a layer.
    count: number of dives.
    compute: given the places of dives, yields their features in that order: by
      name, float [...], of the same shape for all dives.

  Returns:
    float32 [count, ...].

  Raises:
    InputError: the folder can't be written, or a file in it is damaged.
  """
  _make(folder)
  sizes = {
    first: min(_DIVES, count - first) for first in range(0, count, _DIVES)
  }
  missing = [
    first for first in sizes if not _path(folder, name, first).exists()
  ]
  rows = _told(
    compute([first + k for first in missing for k in range(sizes[first])]),
    sum(sizes[first] for first in missing),
  )
  for first in missing:
    part = list(itertools.islice(rows, sizes[first]))
    for other in part[0]:
      _write(
        _path(folder, other, first),
        np.stack([np.asarray(row[other], np.float32) for row in part]),
      )
  return np.concatenate(
    [_read(_path(folder, name, first), size) for first, size in sizes.items()]
  )


def _told(
  rows: Iterator[Mapping[str, np.ndarray]], count: int
) -> Iterator[Mapping[str, np.ndarray]]:
  """Yields the rows, and prints now and then how many are done."""
  told = started = time.monotonic()
  for done, row in enumerate(rows, 1):
    yield row
    now = time.monotonic()
    if done == 1:
      started = now  # The first one has compiled the program.
    elif now - told >= _SECONDS_BETWEEN_LINES:
      told = now
      left = (count - done) * (now - started) / (done - 1)
      print(f'features: {done} of {count} dives, {left:.0f} s left', flush=True)


def _path(folder: pathlib.Path, name: str, first: int) -> pathlib.Path:
  return folder / name / f'{first:06d}.npy'


def _write(path: pathlib.Path, part: np.ndarray) -> None:
  buffer = io.BytesIO()
  np.save(buffer, part, allow_pickle=False)
  _make(path.parent)
  try:
    files.write_atomically(path, buffer.getvalue())
  except OSError as e:
    raise _unwritable(path, e) from e


def _make(folder: pathlib.Path) -> None:
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as e:
    raise _unwritable(folder, e) from e


def _unwritable(path: pathlib.Path, error: OSError) -> InputError:
  return InputError(
    f'{path}: {error.strerror}; give another folder for the features with '
    '--config.features.cache.'
  )


def _read(path: pathlib.Path, size: int) -> np.ndarray:
  try:
    with open(path, 'rb') as file:
      part = np.load(file, allow_pickle=False)
  except (OSError, ValueError, EOFError) as e:
    raise InputError(
      f'{path}: is damaged; remove it, and its features are computed again.'
    ) from e
  if part.ndim < 2 or len(part) != size or not np.isfinite(part).all():
    raise InputError(
      f'{path}: is damaged; remove it, and its features are computed again.'
    )
  return np.asarray(part)
