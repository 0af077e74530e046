"""Reads the pickles of the release without running code that they may hold."""

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
    with open(path, 'rb') as file:
      return _RestrictedUnpickler(file, encoding='latin1').load()
  except OSError as e:
    raise input_error.unreadable(path, e) from e
  except Exception as e:  # A damaged pickle may raise anything.
    raise input_error.InputError(
      f'{path}: is not a pickle of labels ({e}); get the released file again.'
    ) from e


class _RestrictedUnpickler(pickle.Unpickler):
  """Replaces the four names of NumPy that the release uses by safe classes.

  NumPy's own functions do not check the state of an array.
  """

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) == ('numpy', 'dtype'):
      return _Dtype
    if (module, name) == ('numpy', 'ndarray'):
      return _Array
    if module in _NUMPY_MODULES and name == 'scalar':
      return _scalar
    if module in _NUMPY_MODULES and name == '_reconstruct':
      return _reconstruct
    raise pickle.UnpicklingError(f'it refers to {module}.{name}')


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


class _Array(list[int | float | bool]):
  """Replaces a one-dimensional numpy.ndarray: the list of its values."""

  def __setstate__(self, state: tuple[Any, ...]) -> None:
    _, shape, dtype, _, data = state
    self[:] = dtype.values(data)
    if shape != (len(self),):
      raise pickle.UnpicklingError(f'it has an array of shape {shape}')


def _reconstruct(cls: type, shape: tuple[int, ...], code: Any) -> _Array:
  del shape, code  # The state that follows brings the real ones.
  if cls is not _Array:
    raise pickle.UnpicklingError('it has an array of an unusual kind')
  return _Array()


def _scalar(dtype: _Dtype, data: bytes) -> int | float | bool:
  (value,) = dtype.values(data)
  return value
