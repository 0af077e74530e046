"""torch_file.py against files of PyTorch, and made by hand."""

import base64
import os
import pathlib
import random
import zlib

import jax.numpy as jnp
import ml_dtypes
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
  same,
  state_dict,
  storage,
  tensor,
)

from aqa_jax.weights.torch_file import read_torch_file, write_torch_file
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
