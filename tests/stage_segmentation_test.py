import json
import pathlib

import numpy as np
import pytest

from aqa_jax import stages as command
from aqa_jax.data.dive_split import load_split, open_builder
from aqa_jax.data.stage_labels import check_features, stage_ends
from aqa_jax.evaluation import stage_segmentation
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES
from tfds_mtl_aqa.unlv_dive import stage_ends as published

_SHARED = pathlib.Path(__file__).parents[2] / 'shared'


def test_hand_computed():
  ends = np.array([[2, 3, 5, 6], [0, 1, 4, 4]])
  stages = stage_segmentation.stages_at(ends, 8)
  assert stages.tolist() == [
    [0, 0, 1, 2, 2, 3, 4, 4],
    [1, 2, 2, 2, 4, 4, 4, 4],
  ]
  np.testing.assert_array_equal(stage_segmentation.ends_of(stages, 4), ends)
  predicted = np.array([
    [0, 1, 1, 2, 2, 3, 3, 3],  # It never ends the entry: at frame 8.
    [1, 2, 0, 2, 4, 4, 4, 4],  # An end is the first frame of a later stage.
  ])  # fmt: skip
  assert stage_segmentation.ends_of(predicted, 4).tolist() == [
    [1, 3, 5, 8],
    [0, 1, 4, 4],
  ]
  figures = stage_segmentation.measure(predicted, ends, STAGES)
  assert figures['stage_accuracy'] == 100 * 12 / 16
  assert figures['stage_end_mae'] == {
    'beginning': 0.5, 'jump': 0.0, 'drop': 0.0, 'entry': 1.0,
  }  # fmt: skip


def test_ends_beyond_the_frames():
  stages = stage_segmentation.stages_at(np.array([[1, 2, 3, 9]]), 4)
  assert stages.tolist() == [[0, 1, 2, 3]]
  assert stage_segmentation.ends_of(stages, 4).tolist() == [[1, 2, 3, 4]]


def test_shapes_have_to_fit():
  with pytest.raises(ValueError, match='stages'):
    stage_segmentation.measure(np.zeros((2, 5), int), np.ones((3, 4)), STAGES)


@pytest.mark.skipif(
  not (_SHARED / 's3d').is_dir(), reason='needs the files in ../shared/s3d'
)
def test_published_figures_of_s3d():
  by_dive = published.read(_SHARED / 's3d/jump_drop_water_label.txt')
  ends = np.array([by_dive[number] for number in range(1, 371)])
  outputs = np.load(_SHARED / 's3d/tcn_output.npy')
  stages = outputs.argmax(axis=-1)[:, :151]
  # Dives count from 1.
  test, train = (
    np.load(_SHARED / f's3d/{part}ing_idx.npy').ravel().astype(int) - 1
    for part in ('test', 'train')
  )
  figures = stage_segmentation.measure(stages[test], ends[test], STAGES)
  assert round(figures['stage_accuracy'], 1) == 96.4
  assert {k: round(v, 2) for k, v in figures['stage_end_mae'].items()} == {
    'beginning': 0.71, 'jump': 1.9, 'drop': 2.07, 'entry': 0.77,
  }  # fmt: skip
  figures = stage_segmentation.measure(stages[train], ends[train], STAGES)
  assert round(figures['stage_accuracy'], 1) == 96.4


@pytest.fixture(name='tiny', scope='module')
def fixture_tiny(tiny_dives):
  return open_builder('simulated_dives/tiny', str(tiny_dives))


def _main(tiny_dives, path, *options):
  command.main(
    [
      str(path),
      '--dataset=simulated_dives/tiny',
      f'--data_dir={tiny_dives}',
      *options,
    ]
  )


@pytest.mark.parametrize('as_probabilities', [False, True])
def test_measures_a_file(as_probabilities, tiny_dives, tiny, tmp_path, capsys):
  ends = stage_ends(load_split(tiny, 'test').labels, tiny.info)
  stages = stage_segmentation.stages_at(ends, 24)
  stages[0, 23] = 0
  contents = np.eye(5, dtype=np.float32)[stages] if as_probabilities else stages
  np.save(tmp_path / 'stages.npy', contents)
  _main(tiny_dives, tmp_path / 'stages.npy')
  figures = json.loads(capsys.readouterr().out)
  assert figures['stage_accuracy'] == pytest.approx(100 * (1 - 1 / (8 * 24)))
  assert figures['stage_end_mae'] == dict.fromkeys(STAGES, 0.0)
  assert figures['num_dives'] == 8
  _main(tiny_dives, tmp_path / 'stages.npy', '--frames=23')
  assert json.loads(capsys.readouterr().out)['stage_accuracy'] == 100


def test_a_label_is_the_row_in_the_file(tiny_dives, tiny, tmp_path, capsys):
  labels = load_split(tiny, 'train').labels
  ends = stage_ends(labels, tiny.info)
  rows = np.zeros((labels['start_frame'].max(), 24), int)
  rows[labels['start_frame'] - 1] = stage_segmentation.stages_at(ends, 24)
  np.save(tmp_path / 'stages.npy', rows)
  _main(
    tiny_dives, tmp_path / 'stages.npy', '--id=start_frame', '--split=train'
  )
  # Dives that begin together share a row: one of them is not right.
  shared = 16 - len(set(labels['start_frame'].tolist()))
  figures = json.loads(capsys.readouterr().out)
  assert (figures['stage_accuracy'] == 100) == (shared == 0)


@pytest.mark.parametrize(
  ('contents', 'options', 'words'),
  [
    (None, (), 'is not there'),
    (b'no array', (), 'can not be read as .npy'),
    (np.array([{}]), (), 'can not be read as .npy'),
    (np.array(['a']), (), 'holds no numbers'),
    (np.zeros((8, 24)), (), r'float64 \[8, 24\]'),
    (np.full((8, 24, 5), np.nan), (), r'float64 \[8, 24, 5\]'),
    (np.zeros((7, 24), int), (), 'has 7 dives, the split .* 8; give --id'),
    (np.zeros((8, 24), int), ('--frames=25',), '--frames=25: .* has 24'),
    (np.zeros((8, 24), int), ('--id=number',), '--id=number: .* no such'),
    (np.zeros((8, 24), int), ('--id=end_frame',), 'needs? rows'),
    (np.zeros((8, 24), int), ('--split=all',), "no split 'all'"),
  ],
)
def test_what_is_wrong_is_named(contents, options, words, tiny_dives, tmp_path):
  path = tmp_path / 'stages.npy'
  if isinstance(contents, bytes):
    path.write_bytes(contents)
  elif contents is not None:
    np.save(path, contents)
  with pytest.raises(InputError, match=words) as caught:
    _main(tiny_dives, path, *options)
  assert '\n' not in str(caught.value)


def test_a_dataset_without_stages(tiny):
  with pytest.raises(InputError, match='prepare simulated_dives/tiny with the'):
    check_features(('video',), 'simulated_dives/tiny/1.0.0')
  with pytest.raises(InputError, match='give unlv_dive/clips_151_171x128, sim'):
    check_features(('video',), 'mtl_aqa/clips_171x128/1.0.0')
  with pytest.raises(InputError, match='the stage_ends of 1 of 2 dives are'):
    stage_ends({'stage_ends': [[1, 2, 3, 4], [-1] * 4]}, tiny.info)


@pytest.mark.parametrize(
  ('config', 'features', 'is_right'),
  [
    ('clips_151_171x128', ('video', 'stage_ends'), True),
    ('annotations', ('stage_ends',), True),
    ('clips_171x128', ('video', 'stage_ends'), False),
  ],
)
def test_stages_of_unlv_dive_count_in_its_longer_clips(
  config, features, is_right
):
  if is_right:
    check_features(features, f'unlv_dive/{config}/1.0.0')
    return
  with pytest.raises(InputError, match='give unlv_dive/clips_151_171x128'):
    check_features(features, f'unlv_dive/{config}/1.0.0')
