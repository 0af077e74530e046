"""A prepared dataset whose file is damaged in the middle."""

import shutil

import pytest

from aqa_jax.dive_split import load_split, open_builder
from tfds_mtl_aqa.input_error import InputError


@pytest.fixture(name='builder')
def fixture_builder(tiny_dives, tmp_path):
  shutil.copytree(tiny_dives, tmp_path, dirs_exist_ok=True)
  (path,) = tmp_path.rglob('*-train.array_record*')
  content = bytearray(path.read_bytes())
  place = len(content) // 2
  content[place : place + 50] = bytes(50)
  path.write_bytes(content)
  return open_builder('simulated_dives/tiny', tmp_path)


def test_a_damaged_record_is_an_error_that_names_it(builder):
  with pytest.raises(InputError) as error:
    load_split(builder, 'train')
  message = str(error.value)
  assert len(message.splitlines()) == 1
  assert 'train, record ' in message and 'is damaged' in message
  assert 'config.max_corrupt_fraction=0' in message
  # The other files are whole.
  assert len(load_split(builder, 'test')) == 8


def test_damaged_records_are_left_out_up_to_a_share(builder, capsys):
  dives = load_split(builder, 'train', max_corrupt_fraction=0.2)
  said = capsys.readouterr().err
  missing = 16 - len(dives)
  assert missing > 0 and said.count('Left out') == missing
  for index in range(len(dives)):
    assert len(dives[index]['video']) == 24
  with pytest.raises(InputError, match='record'):
    load_split(builder, 'train', max_corrupt_fraction=0.01)
