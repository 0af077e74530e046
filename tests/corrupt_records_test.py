"""A prepared dataset whose file is damaged in the middle."""

import shutil

import pytest
from dive_tasks import dive_tasks

from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.dive_split import load_split, open_builder
from aqa_jax.data.encoded_frames import DecodeError
from aqa_jax.data.input_pipeline import evaluation_batches, training_batches
from aqa_jax.data.video_input import VideoInput
from tfds_mtl_aqa import label_file
from tfds_mtl_aqa.input_error import InputError

_VIDEO_INPUT = VideoInput(
  window_frames=20,
  frames=18,
  stride=1,
  anchor='end',
  max_shift=2,
  crop=16,
  flip=True,
)


@pytest.fixture(name='builder')
def fixture_builder(tiny_dives, tmp_path):
  shutil.copytree(tiny_dives, tmp_path, dirs_exist_ok=True)
  (path,) = tmp_path.rglob('*-train.array_record*')
  content = bytearray(path.read_bytes())
  place = len(content) // 2
  content[place : place + 50] = bytes(50)
  path.write_bytes(content)
  return open_builder('simulated_dives/tiny', tmp_path)


@pytest.fixture(name='older')
def fixture_older(builder):
  """One that was prepared before labels were stored apart."""
  (builder.data_path / label_file.NAME).unlink()
  return builder


def _train(dives, max_fraction, steps=8):
  corrupt = CorruptRecords(len(dives), max_fraction)
  batches = training_batches(
    dives, _VIDEO_INPUT, dive_tasks(length=24), 8, (0, 1), 0, 0, corrupt
  )
  return [next(batches) for _ in range(steps)]


def _damaged(dives):
  """Returns the places of the dives that can't be read."""
  places = []
  for index in range(len(dives)):
    try:
      assert len(dives[index]['video']) == 24
    except DecodeError:
      places.append(index)
  return places


def test_training_meets_a_damaged_record_and_names_it(builder):
  dives = load_split(builder, 'train')
  assert len(dives) == 16
  with pytest.raises(InputError) as error:
    _train(dives, 0.0)
  message = str(error.value)
  assert len(message.splitlines()) == 1
  assert 'train, record ' in message and 'is damaged' in message
  assert 'config.max_corrupt_fraction=0' in message
  # The other files are whole.
  test = load_split(builder, 'test')
  assert _damaged(test) == []
  assert len(_train(test, 0.0)) == 8


def test_training_leaves_damaged_records_out_up_to_a_share(builder, capsys):
  dives = load_split(builder, 'train')
  damaged = _damaged(dives)
  assert damaged
  batches = _train(dives, 0.2)
  said = capsys.readouterr().err
  assert said.count('Left out') == len(damaged)
  # Another dive takes the place of each.
  keys = {
    (dives.labels['event'][place], dives.labels['sample'][place])
    for place in damaged
  }
  for batch in batches:
    assert len(batch['dive_id']) == 8
    assert not keys & {tuple(key) for key in batch['dive_id'].tolist()}
  with pytest.raises(InputError, match='record'):
    _train(dives, 0.01)


def test_evaluation_leaves_nothing_out(builder):
  dives = load_split(builder, 'train', max_corrupt_fraction=0.2)
  with pytest.raises(InputError, match=r'train, record \d+: is damaged'):
    list(
      evaluation_batches(dives, _VIDEO_INPUT, dive_tasks(length=24), 8, (0, 1))
    )


def test_labels_are_read_from_damaged_records_no_more(builder, tiny_dives):
  whole = load_split(
    open_builder('simulated_dives/tiny', str(tiny_dives)), 'train'
  )
  dives = load_split(builder, 'train')
  assert (
    dives.labels['final_score'].tolist() == whole.labels['final_score'].tolist()
  )
  place = _damaged(dives)[0]
  part = dives.select([place])
  assert part[0]['sample'] == part.labels['sample'][0]


def test_an_older_dataset_is_read_whole_when_it_is_opened(older):
  with pytest.raises(InputError) as error:
    load_split(older, 'train')
  message = str(error.value)
  assert len(message.splitlines()) == 1
  assert 'train, record ' in message and 'is damaged' in message
  assert 'config.max_corrupt_fraction=0' in message
  assert len(load_split(older, 'test')) == 8


def test_an_older_dataset_without_its_damaged_records(older, capsys):
  dives = load_split(older, 'train', max_corrupt_fraction=0.2)
  said = capsys.readouterr().err
  missing = 16 - len(dives)
  assert missing > 0 and said.count('Left out') == missing
  assert _damaged(dives) == []
  with pytest.raises(InputError, match='record'):
    load_split(older, 'train', max_corrupt_fraction=0.01)
