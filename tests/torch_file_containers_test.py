"""torch_file.py against files wrong around their pickles, or damaged."""

import builtins
import io
import os
import pickle
import random
import re
import struct
import zipfile

import numpy as np
import pytest
from torch_bytes import (  # noqa: F401
  ORDERED_DICT,
  SIX,
  archive,
  fixture_read,
  fixture_refusal,
  formats,
  legacy,
  named,
  pickled,
  state_dict,
  storage,
  tensor,
)

from aqa_jax.weights.torch_file import read_torch_file
from tfds_mtl_aqa.input_error import InputError

# Files that are wrong around the pickle.

DAMAGED = 'damaged or cut off'
GOOD = state_dict(a=tensor())


def zip_of(*entries):
  content = io.BytesIO()
  with zipfile.ZipFile(content, 'w') as file:
    for name, data in entries:
      file.writestr(name, data)
  return content.getvalue()


def overlapping(copies):
  """A storage of 400 kB, entered under many names."""
  data = np.zeros(100_000, np.float32)
  program = state_dict(
    **{f't{i}': tensor(of=storage(str(i), length=data.size))
       for i in range(copies)}
  )  # fmt: skip
  content = io.BytesIO()
  with zipfile.ZipFile(content, 'w') as file:
    file.writestr('archive/data.pkl', program)
    file.writestr('archive/data/0', data.tobytes())
    first = file.infolist()[-1]
    for index in range(1, copies):
      entry = zipfile.ZipInfo(f'archive/data/{index}')
      for field in ('CRC', 'compress_size', 'file_size', 'header_offset'):
        setattr(entry, field, getattr(first, field))
      file.filelist.append(entry)
  return content.getvalue()


def encrypted():
  content = bytearray(archive(GOOD))
  content[content.index(b'PK\x01\x02') + 8] |= 1
  return bytes(content)


def claiming(size):
  """An archive whose directory gives data.pkl another size."""
  content = bytearray(archive(GOOD))
  start = content.index(b'PK\x01\x02') + 20
  content[start : start + 8] = struct.pack('<II', size, size)
  return bytes(content)


BOOLEAN = state_dict(a=tensor(of=storage(kind='BoolStorage')))
BOMB = {'0': np.zeros(2**22, np.float32)}
CONTAINERS = {
  'empty': (b'', 'is empty'),
  'text': (b'<!DOCTYPE html>\n<html>' * 9, 'not a PyTorch weight file'),
  'another pickle': (pickle.dumps({'a': 1}, 2), 'not a PyTorch weight file'),
  'another magic number': (b'\x00' + legacy(GOOD), 'not a PyTorch weight'),
  'another version': (legacy(GOOD, version=1002), 'unknown version'),
  'big-endian': (
    legacy(GOOD, info=pickle.dumps({'little_endian': False}, 2)),
    'big-endian',
  ),
  'no byte order': (legacy(GOOD, info=pickle.dumps({}, 2)), DAMAGED),
  'byte order of None': (legacy(GOOD, info=pickle.dumps(None, 2)), DAMAGED),
  'no keys': (legacy(GOOD, keys=pickle.dumps([], 2)), 'lacks the storage'),
  'keys of None': (legacy(GOOD, keys=pickle.dumps(None, 2)), DAMAGED),
  'keys of numbers': (legacy(GOOD, keys=pickle.dumps([0], 2)), 'no tensor'),
  'deep keys': (
    legacy(GOOD, keys=b'\x80\x02])' + b'\x85' * 100_000 + b'a.'),
    'no tensor',
  ),
  'more keys': (legacy(GOOD, keys=pickle.dumps(['0', '1'], 2)), 'no tensor'),
  'keys twice': (legacy(GOOD, keys=pickle.dumps(['0', '0'], 2)), DAMAGED),
  'storage of another length': (legacy(GOOD, {'0': SIX[:5]}), 'another length'),
  'storage of a huge length': (
    legacy(state_dict(a=tensor(of=storage(length=2**60)))).replace(
      struct.pack('<q', 6), struct.pack('<q', 2**60)
    ),
    'cut off in the storage',
  ),
  'storage of a negative length': (
    legacy(GOOD).replace(struct.pack('<q', 6), struct.pack('<q', -6)),
    'another length',
  ),
  'storage cut off': (legacy(GOOD)[:-1], 'cut off in the storage'),
  'length cut off': (legacy(GOOD)[:-25], DAMAGED),
  'storages cut off': (legacy(GOOD)[:-32], DAMAGED),
  'pickle cut off': (legacy(GOOD)[:90], DAMAGED),
  'truth values of 2': (
    legacy(BOOLEAN, {'0': np.array([0, 1, 2, 1, 0, 1], np.uint8)}),
    'boolean',
  ),
  'truth values of 2, zip': (
    archive(BOOLEAN, {'0': np.array([0, 1, 2, 1, 0, 1], np.uint8)}),
    'boolean',
  ),
  'zip of a big-endian machine': (
    archive(GOOD, extra=[('byteorder', 'big')]), 'big-endian'
  ),
  'zip of a storage less': (archive(GOOD, {}), "lacks 'data/0'"),
  'zip of a longer storage': (archive(GOOD, {'0': np.zeros(7, 'f4')}), 'lacks'),
  'zip of a shorter storage': (archive(GOOD, {'0': SIX[:3]}), 'some of it'),
  'zip bomb': (
    archive(
      state_dict(a=tensor((2**22,), (1,), of=storage(length=2**22))),
      BOMB,
      method=zipfile.ZIP_DEFLATED,
    ),
    'compressed',
  ),
  'LZMA': (archive(GOOD, method=zipfile.ZIP_LZMA), 'compressed'),
  'overlapping entries': (overlapping(50), 'claims too many|damaged'),
  'encrypted': (encrypted(), DAMAGED),
  'zip that claims more': (claiming(2**31), 'claims too many bytes'),
  'zip that claims a little more': (claiming(400), DAMAGED),
  'huge pickle': (archive(GOOD + b'N' * 2**22), 'claims too many bytes'),
  'TorchScript': (
    archive(GOOD, extra=[('code/__torch__.py', '')]), 'TorchScript'
  ),
  'zip without a pickle': (zip_of(('a/b', b'')), 'not a PyTorch weight file'),
  'zip of two pickles': (
    zip_of(('a/data.pkl', GOOD), ('b/data.pkl', GOOD)), 'not a PyTorch weight'
  ),
  'zip of another folder': (archive(GOOD, prefix='../../x'), 'not a PyTorch'),
  'zip of the root': (archive(GOOD, prefix=''), 'not a PyTorch weight file'),
  'zip cut off': (archive(GOOD)[:-1], DAMAGED),
  'zip of the head alone': (b'PK\x03\x04', DAMAGED),
}  # fmt: skip


@pytest.mark.parametrize('case', CONTAINERS)
def test_refuses_a_file(refusal, case):
  content, reason = CONTAINERS[case]
  assert re.search(reason, refusal(content))


def test_names_what_is_no_file(tmp_path):
  os.mkfifo(tmp_path / 'pipe')
  for path, reason in (
    (tmp_path, 'is not a file'),
    (tmp_path / 'pipe', 'is not a file'),
    (tmp_path / 'absent.pth', 'No such file or directory'),
    ('/dev/zero', 'is not a file'),
  ):
    with pytest.raises(InputError) as caught:
      read_torch_file(path)
    assert str(caught.value) == f'{path}: {reason}.'


def test_opens_no_other_file(refusal, monkeypatch, tmp_path):
  opened = []
  plain = builtins.open

  def noting(path, *arguments, **keywords):
    opened.append(str(path))
    return plain(path, *arguments, **keywords)

  monkeypatch.setattr(builtins, 'open', noting)
  elsewhere = tensor(of=storage('../../../etc/passwd'))
  refusal(archive(state_dict(a=elsewhere)))
  assert opened == [str(tmp_path / 'given.pth')]


# Files that are damaged at random.


SMALL = state_dict(
  a=tensor(), b=tensor((2,), (1,), of=storage('1', 'BoolStorage', 2))
)
STORAGES = {'0': SIX, '1': np.array([0, 1], np.uint8)}


@formats
def test_refuses_a_file_cut_off_anywhere(refusal, wrap):
  whole = wrap(SMALL, STORAGES)
  for length in range(len(whole)):
    refusal(whole[:length])


def damaged(content, chance):
  content = bytearray(content)
  for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
    index = chance.randrange(len(content))
    match chance.randrange(4):
      case 0:
        content[index] ^= 1 << chance.randrange(8)
      case 1:
        content[index] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
      case 2:
        content[index] = chance.randrange(256)
      case 3:
        other = chance.randrange(len(content))
        size = chance.randrange(1, 9)
        content[index : index + size] = content[other : other + size]
  return bytes(content)


@pytest.mark.parametrize('part', ['legacy', 'zip', 'the pickle of a zip'])
def test_any_damage_gives_tensors_or_an_input_error(tmp_path, part):
  chance = random.Random(part)
  whole = (legacy if part == 'legacy' else archive)(SMALL, STORAGES)
  path = tmp_path / 'damaged.pth'
  refused = 0
  for _ in range(1000):
    if part == 'the pickle of a zip':
      content = archive(damaged(SMALL, chance), STORAGES)
    else:
      content = damaged(whole, chance)
    path.write_bytes(content)
    try:
      read_torch_file(path)
    except InputError as e:
      refused += 1
      assert len(str(e).splitlines()) == 1 and 'damaged.pth' in str(e)
  assert 300 < refused < 1000
