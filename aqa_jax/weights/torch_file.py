"""Reads and writes PyTorch weight files, without PyTorch.

The formats are those of torch/serialization.py: before PyTorch 1.6 some pickles
and then the storages, since then a zip archive. No size that a file claims is
believed: each is compared with the bytes that are there. See `torch_pickle` for
the pickles.
"""

import io
import math
import os
import pathlib
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from aqa_jax.weights.torch_pickle import (
  DICT,
  DTYPES,
  REMEDY,
  TENSOR,
  RefusalError,
  Storage,
  Tensor,
  quoted,
  unpickle,
)
from tfds_mtl_aqa import atomic_file
from tfds_mtl_aqa.input_error import InputError

_LEGACY_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
_LEGACY_PROTOCOL = 1001
_ZIP_MAGIC = b'PK\x03\x04'
_MAX_PICKLE_BYTES = 2**22  # Names and shapes are some 200 bytes a tensor.

# What pickletools, zipfile and NumPy raise for damaged bytes.
_DAMAGE = (
  *(AttributeError, EOFError, LookupError, MemoryError, OverflowError),
  *(RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile),
  DeprecationWarning,  # Of an odd escape, where warnings are errors.
)

_Contents = tuple[dict[str, Tensor], dict[str, bytes]]


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
      raise RefusalError('is not a file')
    with open(path, 'rb') as file:
      size = os.fstat(file.fileno()).st_size
      head = file.read(len(_LEGACY_MAGIC))
      if head.startswith(_ZIP_MAGIC):
        return _arrays(*_read_zip(file, size))
      if head == _LEGACY_MAGIC:
        return _arrays(*_read_legacy(file, size))
    what = 'not a PyTorch weight file' if head else 'empty'
    raise RefusalError(f'is {what}; get it again')
  except RefusalError as e:
    raise InputError(f'{path}: {e}.') from e
  except OSError as e:
    # If the file can't be opened, the error has its name.
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
    InputError: the file can't be written.
    ValueError: a dtype is none of those, or a name is not text.
  """
  path = pathlib.Path(path)
  kinds = {dtype.name: kind for kind, dtype in DTYPES.items()}
  new_dict = _global(DICT) + b')R'
  program = [b'\x80\x02', new_dict, b'(']
  contents = {'byteorder': b'little', 'version': b'3\n'}
  for index, (name, tensor) in enumerate(tensors.items()):
    array = np.asarray(tensor)
    kind = kinds.get(array.dtype.name)
    if not isinstance(name, str) or kind is None:
      raise ValueError(f'PyTorch has no {name!r} of type {array.dtype}.')
    contents[f'data/{index}'] = array.astype(DTYPES[kind]).tobytes()
    lengths = [max(length, 1) for length in array.shape]
    strides = tuple(math.prod(lengths[i + 1 :]) for i in range(array.ndim))
    program += [
      *(_pickled(name), _global(TENSOR), b'('),
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
  # Without the bytes that begin and end a pickle.
  return b''.join(pickle.dumps(value, protocol=2)[2:-1] for value in values)


def _read_zip(file: BinaryIO, size: int) -> _Contents:
  with zipfile.ZipFile(file) as archive:
    names = archive.namelist()
    matches = [re.fullmatch('([^/]+/)data[.]pkl', name) for name in names]
    prefixes = [match[1] for match in matches if match]
    if len(prefixes) != 1:
      raise RefusalError('is a zip archive, but not a PyTorch weight file')
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
        raise RefusalError(f'lacks {quoted(name)}')
      if entry.compress_type != zipfile.ZIP_STORED:
        raise RefusalError('is compressed, which no PyTorch file is')
      left -= entry.file_size  # Forged entries may overlap.
      if min(left, limit - entry.file_size) < 0:
        raise RefusalError(f'claims too many bytes for {quoted(name)}')
      return archive.read(entry)

    if any(name.startswith('code/') for name in entries):
      raise RefusalError(f'is TorchScript; torch.jit.load it and {REMEDY}')
    if 'byteorder' in entries and read('byteorder', 6) != b'little':
      raise RefusalError('is of a big-endian machine')
    program = io.BytesIO(read('data.pkl', _MAX_PICKLE_BYTES))
    tensors = _state_dict(unpickle(program, {}))
    keys = dict.fromkeys(tensor.storage.key for tensor in tensors.values())
    return tensors, {key: read(f'data/{key}', size) for key in keys}


def _read_legacy(file: BinaryIO, size: int) -> _Contents:
  # In memory, where no instruction can ask for more bytes than there are.
  pickles = io.BytesIO(_LEGACY_MAGIC + file.read(min(size, _MAX_PICKLE_BYTES)))
  pickles.seek(len(_LEGACY_MAGIC))
  if unpickle(pickles, {}) != _LEGACY_PROTOCOL:
    raise RefusalError('is of an unknown version of the format')
  if unpickle(pickles, {})['little_endian'] is not True:
    raise RefusalError('is of a big-endian machine')
  storages: dict[str, Storage] = {}
  tensors = _state_dict(unpickle(pickles, storages))
  wanted = {tensor.storage.key for tensor in tensors.values()}
  keys = unpickle(pickles, {})
  file.seek(pickles.tell())
  data = {}
  for key in keys:
    # The type first: the hash of a nested tuple can overflow the stack.
    if not isinstance(key, str) or key not in storages:
      raise RefusalError('has a storage of no tensor')
    length = storages[key].length
    if struct.unpack('<q', file.read(8)) != (length,):
      raise RefusalError(f'has a storage {quoted(key)} of another length')
    length *= storages[key].dtype.itemsize
    if length > size - file.tell():
      raise RefusalError(f'is cut off in the storage {quoted(key)}')
    if key in wanted:
      data[key] = file.read(length)
    else:
      file.seek(length, os.SEEK_CUR)
  return tensors, data


def _state_dict(saved: Any) -> dict[str, Tensor]:
  if isinstance(saved, dict) and isinstance(saved.get('state_dict'), dict):
    saved = saved['state_dict']
  if not isinstance(saved, dict):
    raise RefusalError(f'holds no state_dict; {REMEDY}')
  for name, tensor in saved.items():
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
      raise RefusalError(f'holds {quoted(name)}, not a tensor; {REMEDY}')
  return saved


def _arrays(
  tensors: Mapping[str, Tensor], data: Mapping[str, bytes]
) -> dict[str, np.ndarray]:
  """Returns views of the storages' bytes."""
  arrays = {}
  for storage in dict.fromkeys(tensor.storage for tensor in tensors.values()):
    content, key = data.get(storage.key), quoted(storage.key)
    length = storage.length * storage.dtype.itemsize
    if content is None or len(content) != length:
      raise RefusalError(f'lacks the storage {key}, or some of it')
    if storage.dtype.kind == 'b' and content.translate(None, b'\x00\x01'):
      raise RefusalError(f'has a boolean storage {key} with other values')
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
