import fcntl
import json
import pathlib
import shutil
import subprocess
import sys

import fake_mtl_aqa
import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa
from tfds_mtl_aqa import input_error

NAME = 'mtl_aqa/annotations'
FOLDER = 'mtl_aqa/annotations/1.0.0'


def _builder(data_dir, **kwargs):
  return tfds_mtl_aqa.MtlAqa(data_dir=data_dir, config='annotations', **kwargs)


def _prepare(data_dir, manual_dir):
  builder = _builder(data_dir)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
  )
  return builder


@pytest.fixture(name='manual_dir', scope='module')
def fixture_manual_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('manual')
  paths = fake_mtl_aqa.write_release(folder)
  with fake_mtl_aqa.expected_release(paths):
    yield folder


@pytest.fixture(name='prepared', scope='module')
def fixture_prepared(tmp_path_factory, manual_dir):
  """A data_dir whose splits are spread over several files."""
  folder = tmp_path_factory.mktemp('data')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(tfds_mtl_aqa.MtlAqa, 'SHARD_BYTES', 1500)
    _prepare(folder, manual_dir)
  return folder


@pytest.fixture(name='copied')
def fixture_copied(tmp_path, prepared):
  """A copy of the prepared data_dir, to be damaged."""
  shutil.copytree(prepared, tmp_path / 'data')
  return tmp_path / 'data'


def test_splits_fill_several_files(prepared):
  lengths = _builder(prepared).info.splits['train'].shard_lengths
  assert len(lengths) > 1
  assert sum(lengths) == 4
  names = {path.name for path in (prepared / FOLDER).glob('*train*')}
  assert names == {
    f'mtl_aqa-train.array_record-{k:05d}-of-{len(lengths):05d}'
    for k in range(len(lengths))
  }


def test_preparing_again_changes_nothing(prepared, manual_dir):
  before = {p: p.stat().st_mtime_ns for p in (prepared / FOLDER).iterdir()}
  _prepare(prepared, manual_dir)
  assert before == {
    p: p.stat().st_mtime_ns for p in (prepared / FOLDER).iterdir()
  }


def test_split_slices(prepared):
  whole = tfds.data_source(NAME, split='train', data_dir=prepared)
  part = tfds.data_source(NAME, split='train[1:3]', data_dir=prepared)
  assert [d['sample'] for d in part] == [d['sample'] for d in whole][1:3]


class TestTfData:
  """tfds.load over ArrayRecord."""

  @pytest.fixture(autouse=True)
  def needs_tensorflow(self):
    pytest.importorskip('tensorflow', reason='tfds.load needs TensorFlow')

  def _keys(self, prepared, split='train', **kwargs):
    loaded = tfds.load(NAME, split=split, data_dir=prepared, **kwargs)
    return [(d['event'], d['sample']) for d in tfds.as_numpy(loaded)]

  def test_order_and_slices(self, prepared):
    assert self._keys(prepared) == fake_mtl_aqa.TRAIN
    assert self._keys(prepared, 'train[1:3]') == fake_mtl_aqa.TRAIN[1:3]
    assert (
      self._keys(prepared, 'train+test')
      == fake_mtl_aqa.TRAIN + fake_mtl_aqa.TEST
    )
    assert len(tfds.load(NAME, split='train[:50%]', data_dir=prepared)) == 2

  def test_batches(self, prepared):
    loaded = tfds.load(NAME, split='train', data_dir=prepared, batch_size=3)
    batches = list(tfds.as_numpy(loaded))
    assert [len(b['event']) for b in batches] == [3, 1]
    assert batches[0]['judge_scores'].shape == (3, 7)
    assert batches[0]['caption_ids'].shape == (3, 5)
    everything = tfds.load(NAME, split='test', data_dir=prepared, batch_size=-1)
    assert everything['final_score'].shape == (2,)

  def test_shuffles_by_seed_and_anew_each_time(self, prepared):
    def orders(seed):
      loaded = tfds.load(
        NAME,
        split='train+test',
        data_dir=prepared,
        shuffle_files=True,
        read_config=tfds.ReadConfig(shuffle_seed=seed),
      )
      return [
        [(d['event'], d['sample']) for d in tfds.as_numpy(loaded)]
        for _ in range(4)
      ]

    first = orders(1)
    assert first == orders(1)
    assert first != orders(2)
    assert len({tuple(order) for order in first}) > 1
    for order in first:
      assert sorted(order) == sorted(fake_mtl_aqa.END_FRAMES)

  def test_ids_and_sharding_and_repetition(self, prepared):
    import tensorflow as tf

    def load(**config):
      loaded = tfds.load(
        NAME,
        split='train',
        data_dir=prepared,
        read_config=tfds.ReadConfig(**config),
      )
      return loaded.as_numpy_iterator()

    ids = [d['tfds_id'] for d in load(add_tfds_id=True)]
    assert len(set(ids)) == 4
    shares = []
    for k in range(2):
      context = tf.distribute.InputContext(2, k)
      shares += [d['sample'] for d in load(input_context=context)]
    assert sorted(shares) == sorted(s for _, s in fake_mtl_aqa.TRAIN)
    endless = load(repeat_filenames=True)
    samples = [next(endless)['sample'] for _ in range(9)]
    assert samples[:4] == samples[4:8]

  def test_partial_decoding(self, prepared):
    loaded = tfds.load(
      NAME,
      split='train',
      data_dir=prepared,
      decoders=tfds.decode.PartialDecoding({'final_score', 'event'}),
    )
    assert set(loaded.element_spec) == {'final_score', 'event'}
    assert [d['event'] for d in tfds.as_numpy(loaded)] == [3, 2, 2, 3]

  def test_as_supervised_is_refused(self, prepared):
    with pytest.raises(ValueError, match='supervised'):
      tfds.load(NAME, split='train', data_dir=prepared, as_supervised=True)

  def test_writes_other_formats_too(self, tmp_path, manual_dir, prepared):
    builder = _builder(tmp_path, file_format='tfrecord')
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
    )
    assert [
      (d['event'], d['sample'])
      for d in tfds.as_numpy(builder.as_dataset(split='train'))
    ] == fake_mtl_aqa.TRAIN


def test_without_tensorflow(prepared):
  code = f"""
import no_tensorflow
import tensorflow_datasets as tfds
import tfds_mtl_aqa
source = tfds.data_source({NAME!r}, split='train', data_dir={str(prepared)!r})
assert [d['sample'] for d in source] == [2, 1, 3, 1]
try:
  tfds.load({NAME!r}, split='train', data_dir={str(prepared)!r})
except ImportError as e:
  print(e)
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    capture_output=True,
    text=True,
    check=True,
    cwd=pathlib.Path(__file__).parent,
  )
  last = done.stdout.strip().split('\n')[-1]
  assert 'install aqa_jax[tf]' in last
  assert f"tfds.data_source('{NAME}" in last


def _files(copied):
  return sorted((copied / FOLDER).glob('*.array_record*'))


@pytest.mark.parametrize('index', [0, -1])
def test_names_a_missing_file(copied, index):
  path = _files(copied)[index]
  path.unlink()
  for opened in (tfds.data_source, tfds.load):
    with pytest.raises(
      input_error.InputError, match=f'{path.name}: is missing'
    ):
      opened(NAME, split='train', data_dir=copied)


@pytest.mark.parametrize(
  'damage', [lambda d: d[: len(d) // 2], lambda d: b'', lambda d: b'x' * 99]
)
def test_names_a_damaged_file(copied, damage):
  path = _files(copied)[0]
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(input_error.InputError, match=f'{path.name}: is damaged'):
    tfds.data_source(NAME, split='train', data_dir=copied)


def test_names_a_file_with_too_few_records(copied):
  train, test = _files(copied)[-1], _files(copied)[0]
  info_path = copied / FOLDER / 'dataset_info.json'
  info = json.loads(info_path.read_text())
  lengths = info['splits'][0]['shardLengths']
  lengths[-1] = str(int(lengths[-1]) + 1)
  info_path.write_text(json.dumps(info))
  with pytest.raises(input_error.InputError, match=f'{train.name}: is damaged'):
    _builder(copied).as_data_source('train')
  assert test.exists()


@pytest.mark.parametrize('content', ['', '{"name": "mtl'])
def test_a_damaged_info(copied, content):
  (copied / FOLDER / 'dataset_info.json').write_text(content)
  with pytest.raises(input_error.InputError, match='dataset_info.json is'):
    _builder(copied)


@pytest.mark.parametrize('content', [None, '', '{"vocab'])
def test_metadata_that_is_missing_or_damaged(copied, manual_dir, content):
  path = copied / FOLDER / 'metadata.json'
  path.unlink()
  if content is not None:
    path.write_text(content)
  message = f'{path}: is missing or damaged; remove {copied / FOLDER} and'
  for use in (
    lambda: tfds.data_source(NAME, split='train', data_dir=copied),
    lambda: _prepare(copied, manual_dir),
  ):
    with pytest.raises(input_error.InputError) as caught:
      use()
    assert str(caught.value).startswith(message)
  # The remedy.
  shutil.rmtree(copied / FOLDER)
  assert _prepare(copied, manual_dir).info.metadata['vocabulary']


@pytest.mark.parametrize('name', ['dives [v2]', 'a*b', 'what?', '[!x]'])
def test_patterns_in_the_path(tmp_path, manual_dir, name):
  folder = tmp_path / name
  leftover = (folder / FOLDER).parent / 'incomplete.ABCDEF_1.0.0'
  leftover.mkdir(parents=True)
  _prepare(folder, manual_dir)
  before = {p: p.stat().st_mtime_ns for p in (folder / FOLDER).iterdir()}
  _prepare(folder, manual_dir)
  assert before == {
    p: p.stat().st_mtime_ns for p in (folder / FOLDER).iterdir()
  }
  assert not leftover.exists()
  assert len(tfds.data_source(NAME, split='train', data_dir=folder)) == 4


def test_home_in_the_path(tmp_path, manual_dir, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path / 'home'))
  monkeypatch.chdir(tmp_path)
  _prepare('~/data', manual_dir)
  assert (tmp_path / 'home/data' / FOLDER).is_dir()
  assert [path.name for path in tmp_path.iterdir()] == ['home']
  assert len(tfds.data_source(NAME, split='train', data_dir='~/data')) == 4


def test_a_folder_that_is_no_dataset(copied, manual_dir):
  (copied / FOLDER / 'dataset_info.json').unlink()
  with pytest.raises(input_error.InputError, match='no whole dataset'):
    _prepare(copied, manual_dir)


def test_removes_what_a_killed_run_left(tmp_path, manual_dir):
  parent = (tmp_path / FOLDER).parent
  leftover = parent / 'incomplete.ABCDEF_1.0.0'
  other = parent / 'incomplete.ABCDEF_2.0.0'
  for folder in (leftover, other):
    folder.mkdir(parents=True)
    (folder / 'train.00001.part').write_bytes(b'half')
  builder = _prepare(tmp_path, manual_dir)
  assert not leftover.exists()
  assert other.exists()
  assert len(builder.as_data_source('train')) == 4
  assert {p.name for p in parent.iterdir()} == {'1.0.0', other.name}


def test_two_runs_exclude_one_another(tmp_path, manual_dir):
  lock = (tmp_path / FOLDER).with_name('1.0.0.lock')
  lock.parent.mkdir(parents=True)
  with open(lock, 'w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    with pytest.raises(input_error.InputError, match='another process'):
      _prepare(tmp_path, manual_dir)
  _prepare(tmp_path, manual_dir)
  assert not lock.exists()


def test_reads_without_the_code_that_wrote(prepared):
  builder = tfds.builder_from_directory(prepared / FOLDER)
  source = builder.as_data_source('train')
  assert [d['sample'] for d in source] == [s for _, s in fake_mtl_aqa.TRAIN]
  np.testing.assert_array_equal(source[0]['caption_ids'], [1, 2, 3, 4, 0])


def test_max_examples_per_split(tmp_path, manual_dir):
  builder = _builder(tmp_path)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(
      manual_dir=manual_dir, max_examples_per_split=1
    )
  )
  assert len(builder.as_data_source('train')) == 1
