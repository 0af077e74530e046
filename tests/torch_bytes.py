"""Pickles and both formats of PyTorch, written by hand."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from aqa_jax.weights.torch_file import read_torch_file
from tfds_mtl_aqa.input_error import InputError


def pickled(*values):
  return b''.join(pickle.dumps(value, 2)[2:-1] for value in values)


def named(module, name):
  return f'c{module}\n{name}\n'.encode()


ORDERED_DICT = named('collections', 'OrderedDict') + b')R'


def storage(key='0', kind='FloatStorage', length=6, tag='storage', end=b'tQ'):
  """A persistent id."""
  parts = pickled(tag), named('torch', kind), pickled(key, 'cpu', length), end
  return b'(' + b''.join(parts)


def tensor(shape=(2, 3), strides=(3, 1), offset=0, of=None, hooks=ORDERED_DICT):
  function = named('torch._utils', '_rebuild_tensor_v2')
  view = pickled(offset, shape, strides, False) + hooks
  return function + b'(' + (of or storage()) + view + b'tR'


def state_dict(new=ORDERED_DICT, **values):
  items = b''.join(pickled(name) + value for name, value in values.items())
  return b'\x80\x02' + new + b'(' + items + b'u.'


SIX = np.arange(6, dtype='<f4')


def legacy(program, storages=None, keys=None, info=None, version=1001):
  storages = {'0': SIX} if storages is None else storages
  if keys is None:
    keys = pickle.dumps(list(storages), 2)
  info = info or pickle.dumps({'little_endian': True}, 2)
  parts = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(version, 2)]
  parts += [info, program, keys]
  for array in storages.values():
    parts += [struct.pack('<q', array.size), array.tobytes()]
  return b''.join(parts)


def archive(program, storages=None, prefix='archive', extra=(), method=0):
  content = io.BytesIO()
  with zipfile.ZipFile(content, 'w', method) as file:
    file.writestr(f'{prefix}/data.pkl', program)
    for key, array in ({'0': SIX} if storages is None else storages).items():
      file.writestr(f'{prefix}/data/{key}', array.tobytes())
    for name, text in extra:
      file.writestr(f'{prefix}/{name}', text)
  return content.getvalue()


@pytest.fixture(name='read')
def fixture_read(tmp_path):
  """Reads the file of these bytes."""

  def read(content):
    path = tmp_path / 'given.pth'
    path.write_bytes(content)
    return read_torch_file(path)

  return read


@pytest.fixture(name='refusal')
def fixture_refusal(read, tmp_path):
  """Returns why the file of these bytes is refused."""

  def refusal(content):
    with pytest.raises(InputError) as caught:
      read(content)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.isprintable()
    assert message.startswith(f'{tmp_path / "given.pth"}: ')
    assert not (tmp_path / 'marker').exists()
    return message

  return refusal


def same(array, other):
  return (
    array.dtype == other.dtype
    and array.shape == other.shape
    and array.tobytes() == other.tobytes()
  )


formats = pytest.mark.parametrize('wrap', [legacy, archive])
