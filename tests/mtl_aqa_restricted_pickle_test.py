import io
import os
import pickle
import pickletools
import subprocess

import numpy as np
import pytest

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.mtl_aqa import restricted_pickle


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
