"""Reads pickles of others without running code that they may hold."""

import os
import pathlib
import pickle
from typing import Any

import numpy as np

from tfds_mtl_aqa import input_error

_NUMPY_MODULES = ('numpy.core.multiarray', 'numpy._core.multiarray')
# Booleans, integers, floats: nothing that could hold an object.
_PLAIN_KINDS = 'biuf'


def load(path: str | os.PathLike[str]) -> Any:
  """Returns the content of a pickle: plain containers, text and numbers.

  Args:
    path: a pickle of Python 2 or 3. Byte strings are read as Latin-1 text,
      NumPy numbers as Python's, and one-dimensional arrays as lists.

  Raises:
    InputError: the file cannot be read, or it holds anything else.
  """
  path = pathlib.Path(path)
  try:
    return _unpickled(path, _List)
  except OSError as e:
    raise input_error.unreadable(path, e) from e
  except Exception as e:  # A damaged pickle may raise anything.
    raise input_error.InputError(
      f'{path}: is not a pickle of labels ({e}); get the released file again.'
    ) from e


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns the content of a pickle: arrays in dicts, which may be nested.

  Args:
    path: a pickle of dicts with text for keys, and of NumPy arrays.

  Returns:
    The same dicts, with arrays of any shape, of booleans or numbers. The arrays
    are read-only.

  Raises:
    InputError: the file cannot be read, or it holds anything else.
  """
  path = pathlib.Path(path)
  try:
    return _with_arrays(_unpickled(path, _Array))
  except OSError as e:
    raise input_error.unreadable(path, e) from e
  except Exception as e:  # A damaged pickle may raise anything.
    raise input_error.InputError(
      f'{path}: is not a pickle of arrays in dicts ({e}); get it again.'
    ) from e


class _Dtype:
  """Replaces a numpy.dtype of plain numbers."""

  def __init__(self, code: str, align: bool = False, copy: bool = False):
    del align, copy
    self.dtype = np.dtype(code)
    if self.dtype.kind not in _PLAIN_KINDS:
      raise pickle.UnpicklingError(f'it has values of type {self.dtype}')

  def __setstate__(self, state: tuple[Any, ...]) -> None:
    if state[1] == '>':
      self.dtype = self.dtype.newbyteorder('>')

  def values(self, data: bytes) -> list[int | float | bool]:
    return np.frombuffer(data, self.dtype).tolist()


class _List(list[int | float | bool]):
  """Replaces a one-dimensional numpy.ndarray: the list of its values."""

  def __setstate__(self, state: tuple[Any, ...]) -> None:
    _, shape, dtype, _, data = state
    self[:] = dtype.values(data)
    if shape != (len(self),):
      raise pickle.UnpicklingError(f'it has an array of shape {shape}')


class _Array:
  """Stands for a numpy.ndarray, which it holds."""

  def __setstate__(self, state: tuple[Any, ...]) -> None:
    _, shape, dtype, is_fortran, data = state
    if any(length < 0 for length in shape):  # NumPy would choose it.
      raise pickle.UnpicklingError(f'it has an array of shape {shape}')
    self.array = np.frombuffer(data, dtype.dtype).reshape(
      shape, order='F' if is_fortran else 'C'
    )


class _RestrictedUnpickler(pickle.Unpickler):
  """Replaces the four names of NumPy that a file may use by safe ones.

  NumPy's own functions do not check the state of an array.
  """

  def __init__(self, file: Any, array_class: type[_List] | type[_Array]):
    """Takes the class that replaces arrays."""
    super().__init__(file, encoding='latin1')
    self._array_class = array_class

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) == ('numpy', 'dtype'):
      return _Dtype
    if (module, name) == ('numpy', 'ndarray'):
      return self._array_class
    if module in _NUMPY_MODULES and name == 'scalar':
      return _scalar
    if module in _NUMPY_MODULES and name == '_reconstruct':
      return _reconstruct
    raise pickle.UnpicklingError(f'it refers to {module}.{name}')


def _unpickled(
  path: pathlib.Path, array_class: type[_List] | type[_Array]
) -> Any:
  with open(path, 'rb') as file:
    return _RestrictedUnpickler(file, array_class).load()


def _with_arrays(content: Any) -> dict[str, Any]:
  """Returns dicts with the arrays themselves."""
  if not isinstance(content, dict):
    raise pickle.UnpicklingError(f'it holds a {type(content).__name__}')
  arrays = {}
  for name, value in content.items():
    if not isinstance(name, str):
      raise pickle.UnpicklingError('it has a key that is no text')
    is_array = isinstance(value, _Array)
    arrays[name] = value.array if is_array else _with_arrays(value)
  return arrays


def _reconstruct(cls: type, shape: tuple[int, ...], code: Any) -> Any:
  del shape, code  # The state that follows brings the real ones.
  if cls not in (_List, _Array):
    raise pickle.UnpicklingError('it has an array of an unusual kind')
  return cls()


def _scalar(dtype: _Dtype, data: bytes) -> int | float | bool:
  (value,) = dtype.values(data)
  return value
