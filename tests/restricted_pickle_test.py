import io
import os
import pickle
import pickletools
import subprocess

import numpy as np
import pytest

from tfds_mtl_aqa import input_error, restricted_pickle


def _write(path, content, protocol=3):
  path.write_bytes(pickle.dumps(content, protocol))
  return path


@pytest.mark.parametrize('protocol', [3, 4])
def test_reads_plain_containers_and_numpy_numbers(tmp_path, protocol):
  content = {
    (np.int64(3), 7): ['<sos>', 'é'],
    (1, 2): {'score': 4.5, 'judges': np.array([1.5, 2.0])},
    (np.uint8(200), np.uint8(9)): [np.float64(0.5), True, None],
  }
  read = restricted_pickle.load(_write(tmp_path / 'a.pkl', content, protocol))
  assert read[3, 7] == ['<sos>', 'é']
  assert read[1, 2]['score'] == 4.5
  assert read[1, 2]['judges'] == [1.5, 2.0]
  assert read[200, 9] == [0.5, True, None]


def test_reads_byte_strings_of_python_2_as_latin_1(tmp_path):
  path = tmp_path / 'a.pkl'
  path.write_bytes(b"(lp0\nS'caf\\xe9'\np1\na.")
  assert restricted_pickle.load(path) == ['café']


class _Call:
  """Calls a function with arguments when it is unpickled."""

  def __init__(self, function, *arguments):
    self._state = function, arguments

  def __reduce__(self):
    return self._state


@pytest.mark.parametrize(
  'function, arguments',
  [
    (os.system, ('touch {marker}',)),
    (eval, ("open('{marker}', 'w')",)),
    (exec, ("open('{marker}', 'w')",)),
    (open, ('{marker}', 'w')),
    (subprocess.check_call, (['touch', '{marker}'],)),
    (getattr, ('', 'join')),
    (np.save, ('{marker}', 0)),
  ],
)
def test_refuses_calls(tmp_path, function, arguments):
  marker = tmp_path / 'marker'
  arguments = tuple(
    a.format(marker=marker) if isinstance(a, str) else a for a in arguments
  )
  path = _write(tmp_path / 'evil.pkl', {(1, 1): _Call(function, *arguments)})
  with pytest.raises(input_error.InputError, match='evil.pkl.*refers to'):
    restricted_pickle.load(path)
  assert not marker.exists()


def test_the_refused_call_would_have_run(tmp_path):
  # Else the test above could pass for another reason.
  marker = tmp_path / 'marker.npy'
  pickle.loads(pickle.dumps(_Call(np.save, str(marker), 0), 3))
  assert marker.exists()


def test_refuses_arrays_of_objects(tmp_path):
  path = _write(tmp_path / 'a.pkl', np.array([{}, []], dtype=object))
  with pytest.raises(input_error.InputError, match='type object'):
    restricted_pickle.load(path)


def test_refuses_an_array_that_is_not_what_it_claims(tmp_path):
  path = tmp_path / 'a.pkl'
  array = pickle.dumps(np.arange(3.0), 3)
  length = b'K\x03\x85'  # The shape, (3,).
  assert array.count(length) == 1
  path.write_bytes(array.replace(length, b'K\x07\x85'))
  with pytest.raises(input_error.InputError, match='shape'):
    restricted_pickle.load(path)


def test_reads_big_endian_numbers(tmp_path):
  path = _write(tmp_path / 'a.pkl', np.array([1, 258], '>i4'))
  assert restricted_pickle.load(path) == [1, 258]


@pytest.mark.parametrize('keep', [0, 1, 20, 60, -1])
def test_names_a_truncated_file(tmp_path, keep):
  whole = pickle.dumps({(1, 1): list(range(100))}, 3)
  (tmp_path / 'cut.pkl').write_bytes(whole[:keep])
  with pytest.raises(input_error.InputError, match='cut.pkl'):
    restricted_pickle.load(tmp_path / 'cut.pkl')


def test_any_damage_gives_a_value_or_an_input_error(tmp_path):
  whole = pickle.dumps({(np.int64(1), 1): np.arange(3.0)}, 3)
  assert list(pickletools.genops(io.BytesIO(whole)))
  path = tmp_path / 'damaged.pkl'
  refused = 0
  for index in range(len(whole)):
    path.write_bytes(
      whole[:index] + bytes([whole[index] ^ 0x55]) + whole[index + 1 :]
    )
    try:
      restricted_pickle.load(path)
    except input_error.InputError:
      refused += 1
  assert refused > len(whole) / 2


def test_names_a_missing_file(tmp_path):
  with pytest.raises(input_error.InputError, match='absent.pkl: cannot be'):
    restricted_pickle.load(tmp_path / 'absent.pkl')


@pytest.mark.parametrize('protocol', [3, 4])
def test_reads_arrays_in_dicts(tmp_path, protocol):
  array = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
  content = {
    'a': {'b': array, 'c': {}},
    'fortran': np.asfortranarray(array[0]),
    'big': np.array(258, '>i2'),
    'none': np.zeros((0, 2), bool),
  }
  read = restricted_pickle.load_arrays(
    _write(tmp_path / 'a.pkl', content, protocol)
  )
  assert list(read) == list(content)
  assert list(read['a']) == ['b', 'c']
  assert read['a']['c'] == {}
  np.testing.assert_array_equal(read['a']['b'], array, strict=True)
  for name in ('fortran', 'big', 'none'):
    np.testing.assert_array_equal(read[name], content[name], strict=True)


@pytest.mark.parametrize(
  'content, reason',
  [
    ([np.arange(3)], 'it holds a list'),
    ({'a': {'b': 1.5}}, 'it holds a float'),
    ({1: np.arange(3)}, 'key that is no text'),
    ({'a': np.array([{}], dtype=object)}, 'type object'),
    ({'a': np.array(['x'])}, 'type <U1'),
    ({'a': os.system}, 'refers to posix.system'),
    ({'a': np.ma.array([1.0])}, 'refers to numpy'),
  ],
)
def test_arrays_in_dicts_and_nothing_else(tmp_path, content, reason):
  path = _write(tmp_path / 'a.pkl', content)
  with pytest.raises(input_error.InputError, match=f'a.pkl.*{reason}'):
    restricted_pickle.load_arrays(path)


@pytest.mark.parametrize('length', [b'K\x07', b'J\xff\xff\xff\xff'])
def test_refuses_a_shape_that_the_bytes_do_not_fill(tmp_path, length):
  path = tmp_path / 'a.pkl'
  pickled = pickle.dumps({'a': np.arange(3.0)}, 3)
  path.write_bytes(pickled.replace(b'K\x03\x85', length + b'\x85'))
  with pytest.raises(input_error.InputError, match='a.pkl.*shape'):
    restricted_pickle.load_arrays(path)
