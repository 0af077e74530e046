"""Labels are read without the frames."""

import pathlib
import shutil

import numpy as np
import pytest

from aqa_jax.data.dive_split import load_split, open_builder
from aqa_jax.data.encoded_frames import DecodeError
from tfds_mtl_aqa import label_file, prepare

NAME = 'simulated_dives/tiny'


@pytest.fixture(name='data_dir')
def fixture_data_dir(tiny_dives, tmp_path):
  shutil.copytree(tiny_dives, tmp_path / 'data')
  return tmp_path / 'data'


def _labels(data_dir, split='train'):
  return load_split(open_builder(NAME, str(data_dir)), split).labels


def _assert_same(one, other):
  assert list(one) == list(other)
  for name, values in one.items():
    assert type(values) is type(other[name])
    if not isinstance(values, list):
      assert values.dtype == other[name].dtype
    for a, b in zip(values, other[name], strict=True):
      np.testing.assert_array_equal(a, b)


def _files(data_dir, pattern):
  return sorted(pathlib.Path(data_dir).rglob(pattern))


def test_labels_are_those_of_the_records(data_dir):
  builder = open_builder(NAME, str(data_dir))
  for split in ('train', 'test+train'):
    rows = label_file.read(builder.data_path, builder.info, split)
    for row, example in zip(rows, builder.as_data_source(split), strict=True):
      assert set(example) - set(row) == {'video', 'poses'}
      for name, value in row.items():
        assert type(value) is type(example[name])
        np.testing.assert_array_equal(value, example[name])
    apart = _labels(data_dir, split)
    (path,) = _files(data_dir, label_file.NAME)
    path.rename(data_dir / 'away')
    assert label_file.read(builder.data_path, builder.info, split) is None
    _assert_same(_labels(data_dir, split), apart)
    (data_dir / 'away').rename(path)


def test_opening_a_split_reads_no_video(data_dir, tiny_dives):
  """With zeros for half of the file, only where records lie is left."""
  (path,) = _files(data_dir, '*-train.array_record-*')
  content = bytearray(path.read_bytes())
  end = len(content) // 2
  content[64:end] = bytes(end - 64)
  path.write_bytes(content)
  dives = load_split(open_builder(NAME, str(data_dir)), 'train')
  _assert_same(dives.labels, _labels(tiny_dives))
  with pytest.raises(DecodeError, match='train, record 0: is damaged'):
    dives[0]['video'][0]


def test_opening_a_split_takes_no_record(data_dir, monkeypatch):
  builder = open_builder(NAME, str(data_dir))
  source = type(builder.as_data_source('train'))

  def refuse(self, key):
    raise AssertionError('a record was read')

  for method in ('__getitem__', '__getitems__'):
    monkeypatch.setattr(source, method, refuse)
  assert len(load_split(builder, 'train')) == 16


@pytest.mark.parametrize(
  'damage', [lambda d: b'', lambda d: d[: len(d) // 2], lambda d: b'x' * 99]
)
def test_a_damaged_file_is_not_used(data_dir, damage):
  (path,) = _files(data_dir, label_file.NAME)
  right = _labels(data_dir)
  path.write_bytes(damage(path.read_bytes()))
  builder = open_builder(NAME, str(data_dir))
  assert label_file.read(builder.data_path, builder.info, 'train') is None
  _assert_same(_labels(data_dir), right)


def test_a_stale_file_is_not_used(data_dir):
  """The labels of other records, of which there are as many."""
  (path,) = _files(data_dir, label_file.NAME)
  train, test, shared = (
    _files(data_dir, f'*-{split}.array_record-*')[0]
    for split in ('train', 'test', 'test_shared_events')
  )
  assert test.stat().st_size == shared.stat().st_size
  test.write_bytes(shared.read_bytes())
  builder = open_builder(NAME, str(data_dir))
  assert label_file.read(builder.data_path, builder.info, 'test') is None
  assert label_file.read(builder.data_path, builder.info, 'train+test') is None
  assert label_file.read(builder.data_path, builder.info, 'train')
  _assert_same(
    _labels(data_dir, 'test'), _labels(data_dir, 'test_shared_events')
  )
  assert path.exists() and train.exists()


def test_it_is_written_with_the_dataset(tmp_path):
  """Byte for byte the same, and nothing else is left."""
  for name in ('a', 'b'):
    prepare.prepare(NAME, data_dir=str(tmp_path / name))
  one, other = (_files(tmp_path / name, label_file.NAME)[0] for name in 'ab')
  assert one.read_bytes() == other.read_bytes()
  assert not _files(tmp_path, '*.part')
