"""Reads and writes PyTorch weight files, without PyTorch.

A weight file names its tensors in a pickle: a program for a stack machine that
may call any function. The machine here knows only the few instructions that a
state_dict needs, calls nothing, and compares the size of each array with the
bytes of the file before it makes it. pickle.Unpickler would not be safe: a
forged memo index makes it allocate any amount of memory, and a tuple nested a
million deep, used as a key, ends it with a segmentation fault.

The formats are those of torch/serialization.py: before PyTorch 1.6 some pickles
and then the storages, since then a zip archive.
"""

import io
import math
import os
import pathlib
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from tfds_mtl_aqa import atomic_file
from tfds_mtl_aqa.input_error import InputError

_LEGACY_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
_LEGACY_PROTOCOL = 1001
_ZIP_MAGIC = b'PK\x03\x04'
_MAX_PICKLE_BYTES = 2**22  # Names and shapes are some 200 bytes a tensor.
_MAX_DIMENSIONS = 64  # NumPy's and PyTorch's.

# Instructions.
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
_CONTAINERS = {'EMPTY_DICT': dict, 'EMPTY_LIST': list, 'EMPTY_TUPLE': tuple}
_TAKE = {'APPEND': 1, 'SETITEM': 2, 'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_TAKE_ALL = ('APPENDS', 'SETITEMS', 'TUPLE')
_NUMBERS = ('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT')
_TEXTS = ('BINUNICODE', 'BINSTRING', 'SHORT_BINSTRING')

# What they may refer to.
_DICT = 'collections OrderedDict'
_TENSOR = 'torch._utils _rebuild_tensor_v2'
_TENSOR_BEFORE_0_4 = 'torch._utils _rebuild_tensor'
_PARAMETERS = (
  'torch._utils _rebuild_parameter',
  'torch.nn.parameter Parameter',  # Before 0.4.
)
_DTYPES = {
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
_KNOWN = {_DICT, _TENSOR, _TENSOR_BEFORE_0_4, *_PARAMETERS, *_DTYPES}
_REMEDY = 'save the weights alone: torch.save(model.state_dict(), path)'
# What pickletools, zipfile and NumPy raise for damaged bytes.
_DAMAGE = (
  *(AttributeError, EOFError, LookupError, MemoryError, OverflowError),
  *(RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile),
  DeprecationWarning,  # Of an odd escape, where warnings are errors.
)


class _RefusalError(Exception):
  """The reason to refuse a file, in words that follow its name."""


class _Global(NamedTuple):
  """One of _KNOWN."""

  name: str


class _Storage(NamedTuple):
  """A one-dimensional array that the file holds outside the pickle."""

  key: str
  dtype: np.dtype
  length: int


class _Tensor(NamedTuple):
  """A view of a storage; offset and strides count its elements."""

  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


_Contents = tuple[dict[str, _Tensor], dict[str, bytes]]


def read_torch_file(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """Returns the state_dict of a file that torch.save wrote.

  Args:
    path: holds a state_dict, or a dict that has one under 'state_dict'.

  Returns:
    The tensors by name, in the file's order, in their own shapes and dtypes
    (bfloat16 is ml_dtypes.bfloat16). They are read-only; those that share a
    storage share memory.

  Raises:
    InputError: the file can't be read, or is no such file.
  """
  path = pathlib.Path(path)
  try:
    if path.exists() and not path.is_file():
      raise _RefusalError('is not a file')
    with open(path, 'rb') as file:
      size = os.fstat(file.fileno()).st_size
      head = file.read(len(_LEGACY_MAGIC))
      if head.startswith(_ZIP_MAGIC):
        return _arrays(*_read_zip(file, size))
      if head == _LEGACY_MAGIC:
        return _arrays(*_read_legacy(file, size))
    what = 'not a PyTorch weight file' if head else 'empty'
    raise _RefusalError(f'is {what}; get it again')
  except _RefusalError as e:
    raise InputError(f'{path}: {e}.') from e
  except OSError as e:
    # It has the name of a file that cannot be opened.
    reason = e.strerror if e.filename else f'cannot be read ({e.strerror})'
    raise InputError(f'{path}: {reason}.') from e
  except _DAMAGE as e:
    raise InputError(f'{path}: is damaged or cut off; get it again.') from e


def write_torch_file(
  path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray]
) -> None:
  """Writes a state_dict that torch.load(path, weights_only=True) reads.

  At any time the file is the old one or the new one, whole. Its bytes depend
  only on the tensors.

  Args:
    path: the file, in an existing folder.
    tensors: by name, in the order to keep; of any shapes, and of the dtypes
      that `read_torch_file` gives.

  Raises:
    InputError: the file cannot be written.
    ValueError: a dtype is none of those, or a name is not text.
  """
  path = pathlib.Path(path)
  kinds = {dtype.name: kind for kind, dtype in _DTYPES.items()}
  new_dict = _global(_DICT) + b')R'
  program = [b'\x80\x02', new_dict, b'(']
  contents = {'byteorder': b'little', 'version': b'3\n'}
  for index, (name, tensor) in enumerate(tensors.items()):
    array = np.asarray(tensor)
    kind = kinds.get(array.dtype.name)
    if not isinstance(name, str) or kind is None:
      raise ValueError(f'PyTorch has no {name!r} of type {array.dtype}.')
    contents[f'data/{index}'] = array.astype(_DTYPES[kind]).tobytes()
    lengths = [max(length, 1) for length in array.shape]
    strides = tuple(math.prod(lengths[i + 1 :]) for i in range(array.ndim))
    program += [
      *(_pickled(name), _global(_TENSOR), b'('),
      *(b'(', _pickled('storage'), _global(kind)),
      *(_pickled(str(index), 'cpu', array.size), b'tQ'),
      *(_pickled(0, array.shape, strides, False), new_dict, b'tR'),
    ]
  contents['data.pkl'] = b''.join([*program, b'u.'])
  try:
    with (
      atomic_file.replaced(path) as part,
      zipfile.ZipFile(part, 'w') as archive,
    ):
      for name, content in contents.items():
        entry = zipfile.ZipInfo(f'archive/{name}')
        entry.create_system = 3  # Else the bytes depend on the system.
        archive.writestr(entry, content)
  except OSError as e:
    raise InputError(
      f'{path}: {e.strerror or "cannot be written"}; give a folder that can be '
      'written.'
    ) from e


def _global(name: str) -> bytes:
  return b'c%s\n' % name.replace(' ', '\n').encode()


def _pickled(*values: Any) -> bytes:
  # Less what begins and ends a pickle.
  return b''.join(pickle.dumps(value, protocol=2)[2:-1] for value in values)


def _read_zip(file: BinaryIO, size: int) -> _Contents:
  with zipfile.ZipFile(file) as archive:
    names = archive.namelist()
    matches = [re.fullmatch('([^/]+/)data[.]pkl', name) for name in names]
    prefixes = [match[1] for match in matches if match]
    if len(prefixes) != 1:
      raise _RefusalError('is a zip archive, but not a PyTorch weight file')
    entries = {
      entry.filename.removeprefix(prefixes[0]): entry
      for entry in archive.infolist()
      if entry.filename.startswith(prefixes[0])
    }
    left = size

    def read(name: str, limit: int) -> bytes:
      nonlocal left
      entry = entries.get(name)
      if entry is None:
        raise _RefusalError(f'lacks {_quoted(name)}')
      if entry.compress_type != zipfile.ZIP_STORED:
        raise _RefusalError('is compressed, which no PyTorch file is')
      left -= entry.file_size  # Forged entries may overlap.
      if min(left, limit - entry.file_size) < 0:
        raise _RefusalError(f'claims too many bytes for {_quoted(name)}')
      return archive.read(entry)

    if any(name.startswith('code/') for name in entries):
      raise _RefusalError(f'is TorchScript; torch.jit.load it and {_REMEDY}')
    if 'byteorder' in entries and read('byteorder', 6) != b'little':
      raise _RefusalError('is of a big-endian machine')
    program = io.BytesIO(read('data.pkl', _MAX_PICKLE_BYTES))
    tensors = _state_dict(_unpickle(program, {}))
    keys = dict.fromkeys(tensor.storage.key for tensor in tensors.values())
    return tensors, {key: read(f'data/{key}', size) for key in keys}


def _read_legacy(file: BinaryIO, size: int) -> _Contents:
  # In memory, where no instruction can ask for more bytes than there are.
  pickles = io.BytesIO(_LEGACY_MAGIC + file.read(min(size, _MAX_PICKLE_BYTES)))
  pickles.seek(len(_LEGACY_MAGIC))
  if _unpickle(pickles, {}) != _LEGACY_PROTOCOL:
    raise _RefusalError('is of an unknown version of the format')
  if _unpickle(pickles, {})['little_endian'] is not True:
    raise _RefusalError('is of a big-endian machine')
  storages: dict[str, _Storage] = {}
  tensors = _state_dict(_unpickle(pickles, storages))
  wanted = {tensor.storage.key for tensor in tensors.values()}
  keys = _unpickle(pickles, {})
  file.seek(pickles.tell())
  data = {}
  for key in keys:
    # The type first: see _put.
    if not isinstance(key, str) or key not in storages:
      raise _RefusalError('has a storage of no tensor')
    length = storages[key].length
    if struct.unpack('<q', file.read(8)) != (length,):
      raise _RefusalError(f'has a storage {_quoted(key)} of another length')
    length *= storages[key].dtype.itemsize
    if length > size - file.tell():
      raise _RefusalError(f'is cut off in the storage {_quoted(key)}')
    if key in wanted:
      data[key] = file.read(length)
    else:
      file.seek(length, os.SEEK_CUR)
  return tensors, data


def _state_dict(saved: Any) -> dict[str, _Tensor]:
  if isinstance(saved, dict) and isinstance(saved.get('state_dict'), dict):
    saved = saved['state_dict']
  if not isinstance(saved, dict):
    raise _RefusalError(f'holds no state_dict; {_REMEDY}')
  for name, tensor in saved.items():
    if not isinstance(name, str) or not isinstance(tensor, _Tensor):
      raise _RefusalError(f'holds {_quoted(name)}, not a tensor; {_REMEDY}')
  return saved


def _arrays(
  tensors: Mapping[str, _Tensor], data: Mapping[str, bytes]
) -> dict[str, np.ndarray]:
  """Returns views of the storages' bytes."""
  arrays = {}
  for storage in dict.fromkeys(tensor.storage for tensor in tensors.values()):
    content, key = data.get(storage.key), _quoted(storage.key)
    length = storage.length * storage.dtype.itemsize
    if content is None or len(content) != length:
      raise _RefusalError(f'lacks the storage {key}, or some of it')
    if storage.dtype.kind == 'b' and content.translate(None, b'\x00\x01'):
      raise _RefusalError(f'has a boolean storage {key} with other values')
  for name, tensor in tensors.items():
    dtype = tensor.storage.dtype
    arrays[name] = np.ndarray(
      tensor.shape,
      dtype,
      data[tensor.storage.key],
      tensor.offset * dtype.itemsize,
      [stride * dtype.itemsize for stride in tensor.strides],
    )
  return arrays


def _unpickle(file: BinaryIO, storages: dict[str, _Storage]) -> Any:
  """Returns what a pickle holds, of plain types, _Storage and _Tensor.

  Args:
    file: where the pickle begins; left where it ends.
    storages: where the storages go that it refers to.

  Raises:
    _RefusalError: it does anything else. One of _DAMAGE: it makes no sense.
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
          name = _quoted(str(argument).replace(' ', '.'))
          raise _RefusalError(f'refers to {name}: nothing was run; {_REMEDY}')
        stack.append(_Global(argument))
      case 'BINPERSID':
        storage = _storage(stack.pop())
        if storages.setdefault(storage.key, storage) != storage:
          raise _RefusalError('has two storages of one key')
        stack.append(storage)
      case 'REDUCE':
        arguments = stack.pop()
        stack.append(_rebuilt(stack.pop(), arguments))
      case 'BUILD' if isinstance(stack[-2], (dict, _Tensor)):
        # A state_dict's _metadata, a parameter's hooks: nothing for an array.
        stack.pop()
      case _:
        raise _RefusalError(
          f'has a pickle instruction ({opcode.name}) that no state_dict needs: '
          f'nothing was run; {_REMEDY}'
        )
  raise EOFError


def _put(target: dict[str | int, Any], pairs: Iterable[Any]) -> None:
  for key, value in pairs:
    # The hash of a nested tuple can overflow the stack of the interpreter, and
    # large integers can be chosen to have one hash.
    small = isinstance(key, int) and abs(key) < 2**60
    if not small and not isinstance(key, str):
      raise _RefusalError('has a key that is neither text nor a small number')
    target[key] = value


def _storage(identity: Any) -> _Storage:
  """Returns what a persistent id names."""
  match identity:
    case ('storage', _Global(kind), str(key), str(), length, *view) if (
      kind in _DTYPES and _are_sizes([length]) and view in ([], [None])
    ):
      return _Storage(key, _DTYPES[kind], length)
  raise _RefusalError(f'has a persistent id of no storage; {_REMEDY}')


def _rebuilt(function: Any, arguments: Any) -> Any:
  """Returns what a call stands for."""
  known = function.name if isinstance(function, _Global) else None
  # Offset, shape and strides; later whether it has a gradient, and hooks.
  view_lengths: dict[str | None, int] = {_TENSOR_BEFORE_0_4: 3, _TENSOR: 5}
  match arguments:
    case () if known == _DICT:
      return {}
    case (list(pairs),) if known == _DICT:  # Written by Python 2.
      result: dict[str | int, Any] = {}
      _put(result, pairs)
      pairs.clear()  # Else a short pickle could have it copied without end.
      return result
    case (_Storage(), *view) if len(view) == view_lengths.get(known):
      return _tensor(*arguments[:4])
    case (_Tensor() as tensor, *_) if known in _PARAMETERS:
      return tensor
  raise _RefusalError(f'calls what makes no tensor: nothing was run; {_REMEDY}')


def _tensor(
  storage: _Storage, offset: int, shape: Sequence[int], strides: Sequence[int]
) -> _Tensor:
  """Returns a view that lies within its storage."""
  key = _quoted(storage.key)
  if len(shape) > _MAX_DIMENSIONS or len(shape) != len(strides):
    raise _RefusalError(f'has a tensor of odd dimensions in the storage {key}')
  if not _are_sizes([offset, *shape, *strides]):
    raise _RefusalError(f'has a negative size or place in the storage {key}')
  size = math.prod(shape)
  axes = list(zip(shape, strides, strict=True))
  end = offset + 1 + sum((length - 1) * stride for length, stride in axes)
  if size and max(size, end) > storage.length:
    raise _RefusalError(f'has a tensor larger than its storage {key}')
  # A stride that no element uses may be any number.
  used = tuple(stride if size and length > 1 else 0 for length, stride in axes)
  return _Tensor(storage, offset if size else 0, tuple(shape), used)


def _are_sizes(values: Iterable[Any]) -> bool:
  return all(type(value) is int and value >= 0 for value in values)


def _quoted(value: str | int) -> str:
  """Returns a name from the file as one short line."""
  text = str(value)
  return ascii(text if len(text) <= 60 else f'{text[:60]}...')
