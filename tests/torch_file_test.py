"""torch_file.py against files of PyTorch, made by hand, and made to do harm."""

import base64
import builtins
import io
import os
import pathlib
import pickle
import random
import re
import struct
import time
import tracemalloc
import zipfile
import zlib

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from aqa_jax.torch_file import read_torch_file, write_torch_file
from tfds_mtl_aqa.input_error import InputError

HEADS = pathlib.Path(__file__).parents[2] / 'shared/weights'
needs_heads = pytest.mark.skipif(
  not HEADS.is_dir(), reason='needs the official heads in ../shared/weights'
)

# torch.save of PyTorch 2.13.0, compressed: weight [[0.5, -2]], bias [0.125],
# t, which is arange(6).reshape(2, 3).t(), and count, 7.
SAVED_AS_ZIP = """
eNqlVU1v00AQXTupE0xJUyi0FCjfkCIIsVPqhBaKImQORiKED1k9ELmJSSzcuBNvWkCqhFS1Eh
d+AhInfgJXxAHOIIQ4gITEAXHiyIELu7aT2g5tgK7kjJTMe/O8M29SVCJRhOJx1HWSaCfSmpW6
saifrWpYSy/cM+VCAs0GziO2UrFMU69gw2rY/LVmVW/q1ctGBfOAxkvApFSOkC3pRq2Oga1gi1
Cmyy1smDZfbupzLcOslrHesK1meVHkIZJKqTGCsEmmVtMh6kJ42bQ0fMP9koc+lSE5GeDUCImV
hRbEFBZD/LqCFEZh12CbwirMGvCP61TFdgz9JdihkldFc4ZmQ6JO6tSjdZdHgIF6TGEwJB38Kg
zSj50udheGoRLsdhIx7HGBnqirVqPW0TTspIgwQrg4DHspV4RqGSWSImuwz+Xbj+FACcbUPirc
ajUwHPTEuARZOOSKOUwIxsdd0BEMR0twrLUMx9VtJKk8r2ONdgVOOL+fVGnLILUM487tLepNmz
QETimMbdtz6aISi7+/M/LgOalAn+KGbR9GQ522p+9azXkNlz02uZAMdX92VqDML358WqHS6bMx
8yiS1pm99pY106g15vUGlgvZLvK/OJMTVMDMEnxnSQl2UwGDaKYjYO4B1i06rHJh6n/qto9pYG
zqVMPqha976ahzm2pIoIsBV53NyIXzWxBAKGfI85IqeCJKn2nJeA8F00EFglzIoS3Uv+iMwKvj
X6i7oj1qXwrWFuXC9Fauf7bNzHiR9WLEi1Ev9nmRau1/8/pZhq6PHlqHglqzf5r/mI934cM3q/
f9D6CpDm/HWNL/XkKWp5XfPq3d6j3/Y0hcN6DzSrbeNIgDH2p0e5eNqlxI/6MQISNJuUlREvNS
Pp87NyFMiucyeUHMZ8UJMTsp5XOCJApZiaq88tCaSREdKUcl47SqrdO/nJJdysP/Q2G0fwENB5
A/GbTROguT+JfIaIDkOos22VxhHv8iGAzwvPPxdBZQGO53cSIAvx1Bod3RdQ8+FwaxH8NYIYz1
uyKIvRkNYcUw1j/5QSw1XtBFYax/dgcCUNWH3aBn/pEaC961D/znYS8qHHe6bY3ImQ6SD8UVb6
fc59pW5xzX/4qvr56i0se5GN7Jd3N/AwuW/B4=
"""
SAVED_AS_LEGACY = """
eNptkktv1DAQx/PaLA20lDflWd5ZDqvNNn1d4IJ6MY8SLr6gKJtYG6MQ78ROEUgr9cIK+Ax8AD
4GX4ePgMSByWNbUdaSPfJ45jd/j31ofHOyP9/3fq+/+7G/1j80XvwycZ2C5tJVTdMmhVAiFll4
wArJRQ46BtBlPMm4UhkLWZ7wKAfjC3XQqT5OWCj5JybBnILl0g46ZSoKBR1iUBN3PFdgE4taFU
PkY+gSqyyxZoxlMhYrrCKdV0XCCpY847FyQOsFoLvUxowPjI9TBUasRBGn/bBUPJNOWLBRybMk
VCyXoggPhg6Yrku7VXWMjMYMrCbF2ctEpN40Tgc6dAVjdv1tb2N7uDnwPW/gg10LjSclajNeKj
j1mmhEJ8YMlohB9Bk4X9NK02kFZwJYrq8y4pGElRSrplb6H3Xo78DZtEt0pK3WtM9wrlrON6QL
Ci4GcInqVQ/hcoNpBT/HJh3pvXJM3vE8f3PDH/pwFck2ktcqslnpvIZyzRlcb+g3FNwM4Fb9GL
Eo8QFut0JP4LYGg90tWG+F3kFcr9cg7iq4F8D9cgoP6BKmhO+ZipJIRfCwPn9E0amBO4Ve3fX5
d3lMdCnlCJ/3bfWlFjRbX9QrY9E1zUViLdY3tKPxFOdP/Xj/xNb+HfOzeY7ZWqu1nRNx3db+BR
w+uaU=
"""


# Writes pickles and both formats by hand.


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


# Files of PyTorch.


@needs_heads
def test_reads_the_official_score_head():
  weights = read_torch_file(HEADS / 'model_score_regressor_94.pth')
  assert list(weights) == ['fc_final_score.weight', 'fc_final_score.bias']
  assert weights['fc_final_score.weight'].shape == (1, 4096)
  assert weights['fc_final_score.weight'].dtype == np.float32
  norm = np.linalg.norm(weights['fc_final_score.weight'].astype(np.float64))
  assert norm == pytest.approx(0.3598788461664194, rel=1e-6)
  bias = np.array([0.08499426394701004], np.float32)
  assert same(weights['fc_final_score.bias'], bias)


@needs_heads
def test_reads_the_official_dive_head():
  weights = read_torch_file(HEADS / 'model_dive_classifier_94.pth')
  expected = {
    'position': (
      2.4923745657303544,
      [0.0049066725, 0.0025271485, -0.00044338452],
    ),
    'armstand': (2.0558991865469607, [0.00086702086, 0.014288861]),
    'rot_type': (
      2.9822495773067983,
      [-7.3702126e-05, 0.009603163, -0.022363078, -0.0014057164],
    ),
    'ss_no': (
      6.370346191942705,
      [
        *(0.015209687, 0.017914785, -0.011655978, -0.0029336954, 0.015014864),
        *(0.024051918, -0.01085836, -0.0008534632, -0.018777005, -0.033018503),
      ],
    ),
    'tw_no': (
      4.910724491551114,
      [
        *(0.0049056746, 0.016912121, -0.0050764475, 0.00044321403),
        *(-0.0029782413, -0.027955113, 0.0015286518, 0.0013720249),
      ],
    ),
  }
  names = [f'fc_{t}.{p}' for t in expected for p in ('weight', 'bias')]
  assert list(weights) == names
  for task, (norm, bias) in expected.items():
    weight = weights[f'fc_{task}.weight']
    assert weight.shape == (len(bias), 4096)
    assert np.linalg.norm(weight.astype(np.float64)) == pytest.approx(
      norm, rel=1e-6
    )
    np.testing.assert_allclose(weights[f'fc_{task}.bias'], bias, rtol=1e-6)


@pytest.mark.parametrize('saved', [SAVED_AS_ZIP, SAVED_AS_LEGACY])
def test_reads_a_file_of_pytorch(read, saved):
  weights = read(zlib.decompress(base64.b64decode(saved)))
  assert list(weights) == ['weight', 'bias', 't', 'count']
  assert same(weights['weight'], np.array([[0.5, -2]], np.float32))
  assert same(weights['bias'], np.array([0.125], np.float32))
  assert same(weights['t'], np.arange(6).reshape(2, 3).T)
  assert same(weights['count'], np.array(7))


formats = pytest.mark.parametrize('wrap', [legacy, archive])


@formats
def test_reads_views_of_a_shared_storage(read, wrap):
  weights = read(
    wrap(
      state_dict(
        whole=tensor(),
        turned=tensor((3, 2), (1, 3)),
        corner=tensor((2, 1), (3, 2**62), 2),
        one=tensor((), (), 5),
        none=tensor((0, 3), (3, 1), 9),
      )
    )
  )
  assert list(weights) == ['whole', 'turned', 'corner', 'one', 'none']
  whole = SIX.reshape(2, 3)
  assert same(weights['whole'], whole)
  assert same(weights['turned'], whole.T)
  assert same(weights['corner'], np.array([[2], [5]], np.float32))
  assert same(weights['one'], np.float32(5))
  assert same(weights['none'], np.zeros((0, 3), np.float32))
  assert np.shares_memory(weights['whole'], weights['turned'])
  assert not weights['whole'].flags.writeable


@formats
def test_reads_dicts_parameters_and_metadata(read, wrap):
  parameter = named('torch._utils', '_rebuild_parameter')
  parameter += b'(' + tensor() + b'\x88' + ORDERED_DICT + b'tR'
  metadata = pickled({'_metadata': {'': {'version': 1}}})
  inner = (
    ORDERED_DICT + b'(' + pickled('a') + parameter + b'u' + metadata + b'b'
  )
  assert same(read(wrap(state_dict(b'}', a=tensor())))['a'], SIX.reshape(2, 3))
  assert list(read(wrap(b'\x80\x02' + inner + b'.'))) == ['a']
  # A checkpoint: of its own, not all storages are read.
  other = storage('1', 'ByteStorage', 3)
  checkpoint = {'epoch': pickled(3), 'best': pickled(0.5), 'state_dict': inner}
  checkpoint['optimizer'] = pickled({0: [None]})
  checkpoint['step'] = tensor((3,), (1,), of=other)
  storages = {'1': np.zeros(3, np.uint8), '0': SIX}
  assert list(read(wrap(state_dict(**checkpoint), storages))) == ['a']


def test_reads_a_file_of_python_2_and_pytorch_0_3(read):
  def text(value):
    return b'U' + bytes([len(value)]) + value.encode()

  stored = b'(' + text('storage') + named('torch', 'FloatStorage') + text('94')
  stored += text('cpu') + b'\x8a\x01\x06' + b'NtQ'  # The length as a long.
  weight = named('torch._utils', '_rebuild_tensor') + b'(' + stored
  weight += pickled(0, (2, 3), (3, 1)) + b'tRq\x07'
  # A parameter is called by its class, on the tensor above, and has a state.
  bias = named('torch.nn.parameter', 'Parameter') + b'h\x07\x85R'
  bias += b'(\x88\x89' + ORDERED_DICT + b'tb'
  items = b'](' + text('weight') + weight + b'e](' + text('bias') + bias + b'e'
  program = b'\x80\x02' + named('collections', 'OrderedDict') + b']('
  program += items + b'e\x85R' + pickled({'_metadata': {}}) + b'b.'
  keys = b'\x80\x02]' + text('94') + b'a.'
  weights = read(legacy(program, {'94': SIX}, keys))
  assert list(weights) == ['weight', 'bias']
  assert same(weights['weight'], SIX.reshape(2, 3))
  assert same(weights['bias'], SIX.reshape(2, 3))


DTYPES = {
  'DoubleStorage': 'f8',
  'FloatStorage': 'f4',
  'HalfStorage': 'f2',
  'BFloat16Storage': ml_dtypes.bfloat16,
  'LongStorage': 'i8',
  'IntStorage': 'i4',
  'ShortStorage': 'i2',
  'CharStorage': 'i1',
  'ByteStorage': 'u1',
  'BoolStorage': '?',
}


def noise(dtype, shape):
  """Any bits: NaNs of all kinds, infinities, negative zeros."""
  dtype = np.dtype(dtype)
  size = int(np.prod(shape)) * dtype.itemsize
  data = random.Random(size).randbytes(size)
  if dtype == np.dtype('?'):
    data = bytes(value & 1 for value in data)
  return np.frombuffer(data, dtype).reshape(shape)


@pytest.mark.parametrize('kind', DTYPES)
@formats
def test_reads_every_dtype(read, wrap, kind):
  array = noise(DTYPES[kind], (2, 3))
  program = state_dict(a=tensor(of=storage(kind=kind)))
  assert same(read(wrap(program, {'0': array}))['a'], array)


# Writing.


@pytest.mark.parametrize('shape', [(), (0,), (2, 0, 3), (5,), (3, 4, 5)])
def test_what_is_written_is_read_bit_by_bit(tmp_path, shape):
  arrays = {f'z.{k}': noise(dtype, shape) for k, dtype in DTYPES.items()}
  arrays['a'] = np.array([0x7FC01234, 0xFFC00001, 0x7F800001], '<u4').view('f4')
  arrays['zeros é'] = np.array([0.0, -0.0])
  path = tmp_path / 'a.pth'
  write_torch_file(path, arrays)
  read = read_torch_file(path)
  assert list(read) == list(arrays)
  assert all(same(read[name], array) for name, array in arrays.items())
  before = path.read_bytes()
  write_torch_file(path, read)
  assert path.read_bytes() == before
  assert os.listdir(tmp_path) == ['a.pth']


def test_writes_arrays_of_any_layout(tmp_path):
  arrays = {
    'turned': SIX.reshape(2, 3).T,
    'big_endian': SIX.astype('>f4'),
    'jax': jnp.arange(3, dtype=jnp.bfloat16),
    'repeated': np.broadcast_to(np.float32(2), (3, 3)),
  }
  write_torch_file(tmp_path / 'a.pth', arrays)
  read = read_torch_file(tmp_path / 'a.pth')
  assert list(read) == list(arrays)
  for name, array in arrays.items():
    np.testing.assert_array_equal(read[name], array)
    assert read[name].dtype.isnative
  write_torch_file(tmp_path / 'a.pth', {})
  assert read_torch_file(tmp_path / 'a.pth') == {}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
  path = tmp_path / 'a.pth'
  write_torch_file(path, {'a': SIX})
  for wrong in ({'a': np.array([None])}, {'a': SIX * 1j}, {3: SIX}):
    with pytest.raises(ValueError, match='PyTorch has no'):
      write_torch_file(path, wrong)

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'fsync', full)
  with pytest.raises(InputError, match='a.pth: No space left'):
    write_torch_file(path, {'b': SIX})
  assert list(read_torch_file(path)) == ['a']
  assert os.listdir(tmp_path) == ['a.pth']
  with pytest.raises(InputError, match='b.pth: No such file'):
    write_torch_file(tmp_path / 'absent/b.pth', {})


# Pickles that would run something. {} stands for the folder of the marker.

TOUCH = 'touch {}/marker'
OPEN = "open('{}/marker', 'w').close()"


def short(text):
  return b'\x8c' + bytes([len(text)]) + text.encode()


SYSTEM = named('os', 'system') + b'(' + pickled(TOUCH) + b'tR'
RUNS = {
  'GLOBAL and REDUCE': SYSTEM,
  'posix.system': SYSTEM.replace(b'os', b'posix', 1),
  'STACK_GLOBAL': short('os') + short('system') + b'\x93'
  + pickled(TOUCH) + b'\x85R',
  'eval': named('builtins', 'eval') + pickled(OPEN) + b'\x85R',
  'exec': named('builtins', 'exec') + pickled(OPEN) + b'\x85R',
  '__builtin__ of Python 2': named('__builtin__', 'eval') + pickled(OPEN)
  + b'\x85R',
  'getattr': named('builtins', 'getattr')
  + b'(' + named('builtins', '__import__') + pickled('os') + b'\x85R'
  + pickled('system') + b'tR' + pickled(TOUCH)
  + b'\x85R',
  'a dotted name': b'\x80\x04' + short('pathlib') + short('os.system') + b'\x93'
  + pickled(TOUCH) + b'\x85R',
  'INST': b'(' + pickled(TOUCH) + b'ios\nsystem\n',
  'OBJ': b'(' + named('os', 'system') + pickled(TOUCH) + b'o',
  'in a list of a tuple': b'](' + SYSTEM + b'e\x85',
  'a lambda': named('builtins', 'eval') + pickled('lambda: ' + OPEN)
  + b'\x85R)R',
}  # fmt: skip


def at(tmp_path, program):
  """Puts the folder of the marker into a program, and its length."""
  for text in (TOUCH, OPEN, 'lambda: ' + OPEN):
    filled = text.replace('{}', str(tmp_path))
    program = program.replace(pickled(text)[:-2], pickled(filled)[:-2])
  return program


@pytest.mark.parametrize('case', RUNS)
def test_the_harm_is_real(tmp_path, case):
  # Else the test below could pass for another reason.
  pickle.loads(b'\x80\x02' + at(tmp_path, RUNS[case]) + b'.')
  assert (tmp_path / 'marker').exists()


PLACES = {
  'alone': lambda harm: b'\x80\x02' + harm + b'.',
  'in a state_dict': lambda harm: state_dict(a=tensor(), b=harm),
  'as hooks': lambda harm: state_dict(a=tensor(hooks=harm)),
  'as a key': lambda harm: b'\x80\x02}' + harm + tensor() + b's.',
  'as a storage': lambda harm: state_dict(a=tensor(of=harm)),
  'as a state': lambda harm: state_dict(a=tensor())[:-1] + harm + b'b.',
}


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('case', RUNS)
def test_runs_nothing(refusal, tmp_path, case, place):
  program = PLACES[place](at(tmp_path, RUNS[case]))
  for wrap in (legacy, archive):
    message = refusal(wrap(program))
    assert 'nothing was run' in message and 'state_dict()' in message


def test_runs_nothing_in_the_other_pickles_of_a_file(refusal, tmp_path):
  harm = b'\x80\x02' + at(tmp_path, SYSTEM) + b'.'
  assert "'os.system'" in refusal(legacy(state_dict(a=tensor()), keys=harm))
  assert "'os.system'" in refusal(legacy(state_dict(a=tensor()), info=harm))


def test_names_what_the_file_refers_to_on_one_line(refusal):
  program = state_dict(a=b'cos\x1b[2J\r\nsystem\n)R')
  assert "refers to 'os\\x1b[2J\\r.system'" in refusal(archive(program))
  assert len(refusal(archive(state_dict(a=named('o' * 9999, 's'))))) < 400


# Pickles that are wrong in another way.


BAD_ID = 'persistent id'
LARGER = 'larger than its storage'
NEGATIVE = 'negative size or place'
DAMAGED = 'damaged or cut off'
INSTRUCTION = 'pickle instruction'
WRONG = {
  'huge shape': (tensor((2**40, 2**40), (0, 0)), LARGER),
  'shape that overflows': (tensor((2**32, 2**32), (1, 1)), LARGER),
  'stride 0 expansion': (tensor((7,), (0,)), LARGER),
  'stride past the end': (tensor((2,), (6,)), LARGER),
  'offset past the end': (tensor(offset=1), LARGER),
  'huge stride': (tensor((2,), (2**63,)), LARGER),
  'empty and huge': (tensor((0, 2**62), (1, 1)), DAMAGED),
  'negative offset': (tensor(offset=-1), NEGATIVE),
  'negative size': (tensor((-2, -3)), NEGATIVE),
  'negative stride': (tensor((2, 3), (-3, 1), 5), NEGATIVE),
  'size of a float': (tensor((2.0, 3)), NEGATIVE),
  'size of a truth value': (tensor((True, 3)), NEGATIVE),
  'size of a text': (tensor('ab', 'cd'), NEGATIVE),
  'no shape': (tensor(None), DAMAGED),
  '65 dimensions': (tensor((1,) * 65, (1,) * 65), 'odd dimensions'),
  'shape without strides': (tensor((2, 3), (3,)), 'odd dimensions'),
  'complex storage': (
    tensor(of=storage(kind='ComplexFloatStorage')),
    "refers to 'torch.ComplexFloatStorage'",
  ),
  'number for a tensor': (pickled(3), "holds 'a', not a tensor"),
  'dict for a tensor': (ORDERED_DICT, "holds 'a', not a tensor"),
  'storage for a tensor': (storage(), "holds 'a', not a tensor"),
  'type for a tensor': (named('torch', 'FloatStorage'), 'not a tensor'),
  'name that is no text': (tensor() + pickled(3) + tensor(), 'not a tensor'),
  'call of a type': (named('torch', 'FloatStorage') + b')R', 'nothing was run'),
  'call of a text': (pickled('os.system') + b')R', 'nothing was run'),
  'call of a tensor': (tensor() + b')R', 'nothing was run'),
  'call without arguments': (ORDERED_DICT[:-2] + b'NR', 'nothing was run'),
  'tensor of no storage': (tensor(of=pickled(3)), 'nothing was run'),
  'parameter of no tensor': (
    named('torch._utils', '_rebuild_parameter') + pickled((1,)) + b'R',
    'nothing was run',
  ),
  'id of another tag': (tensor(of=storage(tag='module')), BAD_ID),
  'id of another type': (
    tensor(of=storage().replace(named('torch', 'FloatStorage'), ORDERED_DICT)),
    BAD_ID,
  ),
  'id of a negative length': (tensor(of=storage(length=-6)), BAD_ID),
  'id of a text for a length': (tensor(of=storage(length='6')), BAD_ID),
  'id of a number for a key': (tensor(of=storage(key=0)), BAD_ID),
  'id that is a text': (tensor(of=pickled('storage') + b'Q'), BAD_ID),
  'id that is short': (tensor(of=pickled(('storage',)) + b'Q'), BAD_ID),
  'id of a view': (tensor(of=storage(end=pickled((0, 6)) + b'tQ')), BAD_ID),
  'id as a line': (b'P0\n', INSTRUCTION),
  'two types of one storage': (
    tensor() + b'(' + tensor(of=storage(kind='IntStorage')) + b't',
    'two storages of one key',
  ),
  'no such storage': (tensor(of=storage('9')), 'lacks|of no tensor'),
  'storage in another folder': (
    tensor(of=storage('../../../etc/passwd')), 'lacks|of no tensor'
  ),
  'huge storage': (
    tensor((2**60,), (1,), of=storage(length=2**60)), 'another length|some of'
  ),
  'longer storage': (
    tensor(of=storage(length=7)), 'another length|some of'
  ),
  'shorter storage': (tensor(of=storage(length=5)), LARGER),
  'NEWOBJ': (named('collections', 'OrderedDict') + b')\x81', INSTRUCTION),
  'NEWOBJ_EX': (named('collections', 'OrderedDict') + b')}\x92', INSTRUCTION),
  'OBJ': (b'(' + named('collections', 'OrderedDict') + b'o', INSTRUCTION),
  'INST': (b'(icollections\nOrderedDict\n', INSTRUCTION),
  'EXT1': (b'\x82\x01', INSTRUCTION),
  'EXT2': (b'\x83\x01\x00', INSTRUCTION),
  'EXT4': (b'\x84\x01\x00\x00\x00', INSTRUCTION),
  'BUILD of a type': (
    named('collections', 'OrderedDict') + pickled((None, {'update': 1})) + b'b',
    INSTRUCTION,
  ),
  'BUILD of a function': (
    named('torch._utils', '_rebuild_tensor_v2')
    + pickled((None, {'__defaults__': (1,)})) + b'b',
    INSTRUCTION,
  ),
  'bytes': (b'C\x01a', INSTRUCTION),
  'set': (b'\x8f', INSTRUCTION),
  'buffer': (b'\x97', INSTRUCTION),
  'unknown instruction': (b'\xff', DAMAGED),
  'memo of nothing': (b'h\x09', DAMAGED),
  'tuple without a mark': (b't', DAMAGED),
  'tuple of too little': (b'(\x87', DAMAGED),
  'items of a tuple': (b'))a', INSTRUCTION),
  'items of a list': (b']NNs', INSTRUCTION),
  'key without a value': (b'}(Nu', DAMAGED),
  'deep key': (b'}' + b')' + b'\x85' * 100_000 + b'Ns', 'a key that is'),
  'deep value': (b')' + b'\x85' * 100_000, 'not a tensor'),
  'deep lists': (b']' * 50_000 + b'a' * 49_999, 'not a tensor'),
  'deep marks': (b'(' * 50_000, DAMAGED),
  'deep id': (b')' + b'\x85' * 50_000 + b'Q', BAD_ID),
  'list of itself': (b']q\x01h\x01a', 'not a tensor'),
  'dict of itself': (b'}q\x01' + pickled('x') + b'h\x01s', 'not a tensor'),
  'storage id of itself': (b']q\x01h\x01a\x85Q', BAD_ID),
  'keys of one hash': (b'}' + pickled(2**61 - 1) + b'Ns', 'a key that is'),
  'forged length of a text': (b'X\xff\xff\xff\xffab', DAMAGED),
  'forged length of bytes': (b'\x8e' + b'\xff' * 7 + b'\x7f', DAMAGED),
  'forged length of an array': (b'\x96' + b'\xff' * 7 + b'\x0f', DAMAGED),
  'forged length of a number': (b'\x8b\xff\xff\xff\x7f', DAMAGED),
  'negative length of a number': (b'\x8b\xff\xff\xff\xff', DAMAGED),
  'number of many digits': (b'I' + b'9' * 99_999 + b'\n', DAMAGED),
  'odd escape': (b'cos\\q\nsystem\n', 'damaged|refers to'),
  'text that is no UTF-8': (b'X\x01\x00\x00\x00\xff', DAMAGED),
}  # fmt: skip


@pytest.mark.parametrize('case', WRONG)
def test_refuses(refusal, case):
  value, reason = WRONG[case]
  for wrap in (legacy, archive):
    assert re.search(reason, refusal(wrap(state_dict(a=value))))


FORGED = (
  *('huge shape', 'huge storage', 'stride 0 expansion'),
  *('forged length of a text', 'forged length of bytes'),
)


@pytest.mark.parametrize('case', FORGED)
@formats
def test_forged_sizes_allocate_nothing(refusal, wrap, case):
  content = wrap(state_dict(a=WRONG[case][0]))
  tracemalloc.start()
  try:
    refusal(content)
    assert tracemalloc.get_traced_memory()[1] < 2**21
  finally:
    tracemalloc.stop()


def test_a_forged_memo_index_allocates_nothing(read):
  program = state_dict(a=tensor() + b'r\xff\xff\xff\xff')
  tracemalloc.start()
  try:
    assert list(read(archive(program))) == ['a']
    assert tracemalloc.get_traced_memory()[1] < 2**21
  finally:
    tracemalloc.stop()


@formats
def test_a_list_of_items_makes_one_dict(refusal, wrap):
  # 20000 dicts of 20000 items each would fill the memory.
  items = b''.join(b'](' + pickled(str(i)) + b'Ne' for i in range(20_000))
  many = named('collections', 'OrderedDict') + b'q\x01](' + items + b'eq\x02'
  many = b'(' + many + b'\x85R' + b'h\x01h\x02\x85R' * 20_000 + b't'
  start = time.monotonic()
  assert 'not a tensor' in refusal(wrap(state_dict(a=many)))
  assert time.monotonic() - start < 10


# Files that are wrong around the pickle.

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
  refusal(archive(state_dict(a=WRONG['storage in another folder'][0])))
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
