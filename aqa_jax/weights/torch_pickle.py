"""Reads the pickles of PyTorch weight files, and calls nothing.

A weight file names its tensors in a pickle: a program for a stack machine that
may call any function. The machine here knows only the few instructions that a
state_dict needs, calls nothing, and makes no arrays. pickle.Unpickler would not
be safe: a forged memo index makes it allocate any amount of memory, and a tuple
nested a million deep, used as a key, ends it with a segmentation fault.
"""

import math
import pickletools
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

_MAX_DIMENSIONS = 64  # NumPy's and PyTorch's.

# Instructions.
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
_CONTAINERS = {'EMPTY_DICT': dict, 'EMPTY_LIST': list, 'EMPTY_TUPLE': tuple}
_TAKE = {'APPEND': 1, 'SETITEM': 2, 'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_TAKE_ALL = ('APPENDS', 'SETITEMS', 'TUPLE')
_NUMBERS = ('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT')
_TEXTS = ('BINUNICODE', 'BINSTRING', 'SHORT_BINSTRING')

# What the instructions may refer to.
DICT = 'collections OrderedDict'
TENSOR = 'torch._utils _rebuild_tensor_v2'
_TENSOR_BEFORE_0_4 = 'torch._utils _rebuild_tensor'
_PARAMETERS = (
  'torch._utils _rebuild_parameter',
  'torch.nn.parameter Parameter',  # Before 0.4.
)
DTYPES = {
  'torch DoubleStorage': np.dtype('<f8'),
  'torch FloatStorage': np.dtype('<f4'),
  'torch HalfStorage': np.dtype('<f2'),
  'torch BFloat16Storage': np.dtype(ml_dtypes.bfloat16),
  'torch LongStorage': np.dtype('<i8'),
  'torch IntStorage': np.dtype('<i4'),
  'torch ShortStorage': np.dtype('<i2'),
  'torch CharStorage': np.dtype('i1'),
  'torch ByteStorage': np.dtype('u1'),
  'torch BoolStorage': np.dtype('?'),
}
_KNOWN = {DICT, TENSOR, _TENSOR_BEFORE_0_4, *_PARAMETERS, *DTYPES}
REMEDY = 'save the weights alone: torch.save(model.state_dict(), path)'


class RefusalError(Exception):
  """The reason to refuse a file, in words that follow its name."""


class _Global(NamedTuple):
  """One of _KNOWN."""

  name: str


class Storage(NamedTuple):
  """A one-dimensional array that the file holds outside the pickle."""

  key: str
  dtype: np.dtype
  length: int


class Tensor(NamedTuple):
  """A view of a storage; offset and strides count its elements."""

  storage: Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


def unpickle(file: BinaryIO, storages: dict[str, Storage]) -> Any:
  """Returns the content of a pickle: plain types, Storage and Tensor.

  Args:
    file: at the first byte of the pickle; afterwards behind its last byte.
    storages: gets the storages that the pickle refers to, by key.

  Raises:
    RefusalError: the pickle does something that no state_dict needs.
    Exception: the bytes are damaged; see `torch_file`.
  """
  stack: list[Any] = []
  outer: list[list[Any]] = []
  memo: dict[Any, Any] = {}
  for opcode, argument, _ in pickletools.genops(file):
    if opcode.name in _TAKE:
      items = [stack.pop() for _ in range(_TAKE[opcode.name])][::-1]
    elif opcode.name in _TAKE_ALL:
      items, stack = stack, outer.pop()
    match opcode.name:
      case 'PROTO':
        pass
      case 'STOP':
        return stack.pop()
      case name if name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
      case name if name in _CONTAINERS:
        stack.append(_CONTAINERS[name]())
      case name if name in _NUMBERS or name in _TEXTS:
        stack.append(argument)
      case 'MARK':
        outer.append(stack)
        stack = []
      case 'TUPLE' | 'TUPLE1' | 'TUPLE2' | 'TUPLE3':
        stack.append(tuple(items))
      case 'APPEND' | 'APPENDS' if isinstance(stack[-1], list):
        stack[-1].extend(items)
      case 'SETITEM' | 'SETITEMS' if isinstance(stack[-1], dict):
        _put(stack[-1], zip(items[::2], items[1::2], strict=True))
      case 'BINPUT' | 'LONG_BINPUT':
        memo[argument] = stack[-1]
      case 'BINGET' | 'LONG_BINGET':
        stack.append(memo[argument])
      case 'GLOBAL':
        if argument not in _KNOWN:
          name = quoted(str(argument).replace(' ', '.'))
          raise RefusalError(f'refers to {name}: nothing was run; {REMEDY}')
        stack.append(_Global(argument))
      case 'BINPERSID':
        storage = _storage(stack.pop())
        if storages.setdefault(storage.key, storage) != storage:
          raise RefusalError('has two storages of one key')
        stack.append(storage)
      case 'REDUCE':
        arguments = stack.pop()
        stack.append(_rebuilt(stack.pop(), arguments))
      case 'BUILD' if isinstance(stack[-2], (dict, Tensor)):
        # A state_dict's _metadata or a parameter's hooks: no array needs them.
        stack.pop()
      case _:
        raise RefusalError(
          f'has a pickle instruction ({opcode.name}) that no state_dict needs: '
          f'nothing was run; {REMEDY}'
        )
  raise EOFError


def _put(target: dict[str | int, Any], pairs: Iterable[Any]) -> None:
  for key, value in pairs:
    # The hash of a nested tuple can overflow the stack of the interpreter, and
    # large integers can be chosen to have one hash.
    small = isinstance(key, int) and abs(key) < 2**60
    if not small and not isinstance(key, str):
      raise RefusalError('has a key that is neither text nor a small number')
    target[key] = value


def _storage(identity: Any) -> Storage:
  """Returns what a persistent id names."""
  match identity:
    case ('storage', _Global(kind), str(key), str(), length, *view) if (
      kind in DTYPES and _are_sizes([length]) and view in ([], [None])
    ):
      return Storage(key, DTYPES[kind], length)
  raise RefusalError(f'has a persistent id of no storage; {REMEDY}')


def _rebuilt(function: Any, arguments: Any) -> Any:
  """Returns what a call stands for."""
  known = function.name if isinstance(function, _Global) else None
  # Offset, shape and strides; later whether it has a gradient, and hooks.
  view_lengths: dict[str | None, int] = {_TENSOR_BEFORE_0_4: 3, TENSOR: 5}
  match arguments:
    case () if known == DICT:
      return {}
    case (list(pairs),) if known == DICT:  # Written by Python 2.
      result: dict[str | int, Any] = {}
      _put(result, pairs)
      pairs.clear()  # Else a short pickle could have it copied without end.
      return result
    case (Storage(), *view) if len(view) == view_lengths.get(known):
      return _tensor(*arguments[:4])
    case (Tensor() as tensor, *_) if known in _PARAMETERS:
      return tensor
  raise RefusalError(f'calls what makes no tensor: nothing was run; {REMEDY}')


def _tensor(
  storage: Storage, offset: int, shape: Sequence[int], strides: Sequence[int]
) -> Tensor:
  """Returns a view that lies within its storage."""
  key = quoted(storage.key)
  if len(shape) > _MAX_DIMENSIONS or len(shape) != len(strides):
    raise RefusalError(f'has a tensor of odd dimensions in the storage {key}')
  if not _are_sizes([offset, *shape, *strides]):
    raise RefusalError(f'has a negative size or place in the storage {key}')
  size = math.prod(shape)
  axes = list(zip(shape, strides, strict=True))
  end = offset + 1 + sum((length - 1) * stride for length, stride in axes)
  if size and max(size, end) > storage.length:
    raise RefusalError(f'has a tensor larger than its storage {key}')
  # A stride that no element uses may be any number.
  used = tuple(stride if size and length > 1 else 0 for length, stride in axes)
  return Tensor(storage, offset if size else 0, tuple(shape), used)


def _are_sizes(values: Iterable[Any]) -> bool:
  return all(type(value) is int and value >= 0 for value in values)


def quoted(value: str | int) -> str:
  """Returns a name from the file as one short line."""
  text = str(value)
  return ascii(text if len(text) <= 60 else f'{text[:60]}...')
