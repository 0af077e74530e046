"""Variables of a network as a safetensors file."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from tfds_mtl_aqa.input_error import InputError


def save(variables: Mapping[str, Any], dtype: str) -> bytes:
  """Returns the content of a file.

  Args:
    variables: nested arrays; a name is 'params/<module>/.../<leaf>'.
    dtype: of the weights, 'float32' or 'float16'; counts stay integers.

  Raises:
    InputError: a weight is not finite in the dtype.
  """
  return safetensors.numpy.save(
    {
      '/'.join(path): _stored('/'.join(path), np.asarray(array), dtype)
      for path, array in traverse_util.flatten_dict(dict(variables)).items()
    }
  )


def _stored(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
  if not np.issubdtype(array.dtype, np.floating):
    dtype = str(array.dtype)
  with np.errstate(over='ignore'):
    # Not np.ascontiguousarray, which makes a vector of a scalar.
    stored = array.astype(dtype, order='C')
  if not np.isfinite(stored).all():
    raise InputError(
      f'the weight {name} is not finite in {dtype}; give --dtype=float32, or '
      'another training.'
    )
  return stored


def read(path: pathlib.Path) -> dict[str, Any]:
  """Returns the variables of a file, float32.

  Raises:
    InputError: it can't be read.
  """
  try:
    flat = safetensors.numpy.load(path.read_bytes())
  except OSError as e:
    raise InputError(f'{path}: {e.strerror}; give a whole model folder.') from e
  except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as e:
    # KeyError: a dtype that NumPy lacks.
    raise InputError(
      f'{path}: cannot be read ({type(e).__name__}: {e}); give float32 or '
      'float16, or get the folder again.'
    ) from e
  try:
    variables: dict[str, Any] = traverse_util.unflatten_dict(
      {tuple(name.split('/')): _loaded(array) for name, array in flat.items()}
    )
  except (IndexError, KeyError, TypeError) as e:  # A name within another.
    raise InputError(
      f'{path}: is damaged (names of weights); get the folder again.'
    ) from e
  return variables


def _loaded(array: np.ndarray) -> np.ndarray:
  is_float = np.issubdtype(array.dtype, np.floating)
  return array.astype(np.float32) if is_float else array


def check(
  shapes: Mapping[str, Any], variables: Mapping[str, Any], path: pathlib.Path
) -> None:
  """Checks that weights are those of a network.

  Args:
    shapes: what the network needs, with shapes and dtypes.
    variables: what was read.
    path: file that they were read from, for the error.

  Raises:
    InputError: one is missing, not needed, of another shape or not finite.
  """
  needed, found = (
    {
      '/'.join(name): (np.shape(leaf), np.dtype(leaf.dtype))
      for name, leaf in traverse_util.flatten_dict(dict(tree)).items()
    }
    for tree in (shapes, variables)
  )
  for name in sorted(needed.keys() | found.keys()):
    if needed.get(name) != found.get(name):
      raise InputError(
        f'{path}: {name} is {_told(found.get(name))}, the network needs '
        f'{_told(needed.get(name))}; get the folder again.'
      )
  for name, leaf in traverse_util.flatten_dict(dict(variables)).items():
    if not np.isfinite(leaf).all():
      raise InputError(
        f'{path}: {"/".join(name)} is not finite; get the folder again.'
      )


def _told(spec: tuple[tuple[int, ...], np.dtype[Any]] | None) -> str:
  return 'not there' if spec is None else f'{spec[1]} {list(spec[0])}'
