"""Pretraining on a small folder of videos that the test makes."""

import json
import shutil

import av
import cv2
import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from dive_tasks import dive_tasks
from flax import traverse_util

from aqa_jax import pretrain
from aqa_jax.configs import pretrain_ucf101
from aqa_jax.data import action_videos
from aqa_jax.data.action_videos import ClipInput
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.systems.c3davg.official_names import OFFICIAL_NAMES
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.weights import pretrained
from tfds_mtl_aqa.input_error import InputError

_WIDTH, _HEIGHT, _FRAMES = 48, 40, 20
# How a white square moves: what tells the classes apart.
_ACTIONS = {'falls': (1, 0), 'slides': (0, 1)}


def _write_video(path, motion, start):
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('mpeg4', rate=25)
    stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, 'yuv420p'
    for time in range(_FRAMES):
      frame = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
      top, left = (s + m * time for s, m in zip(start, motion, strict=True))
      frame[top : top + 12, left : left + 12] = 255
      packets = stream.encode(av.VideoFrame.from_ndarray(frame, 'rgb24'))
      container.mux(packets)
    container.mux(stream.encode())


@pytest.fixture(name='folder', scope='module')
def fixture_folder(tmp_path_factory):
  """Two actions, four recordings each, two videos of each recording."""
  folder = tmp_path_factory.mktemp('actions')
  for action, motion in _ACTIONS.items():
    (folder / action).mkdir()
    for group in range(4):
      for clip in range(2):
        _write_video(
          folder / action / f'v_{action}_g{group:02}_c{clip:02}.avi',
          motion,
          (2 * group, 3 * group + clip),
        )
  return folder


def _config(folder, **changes):
  config = pretrain_ucf101.get_config()
  config.update_from_flattened_dict(
    {
      'duration': '6 epochs',
      'batch_size': 4,
      'eval_batch_size': 4,
      'mesh.data': 1,
      'dataset.name': str(folder),
      'validation.fraction': 0.25,
      'input.frames': 12,
      'input.height': 32,
      'input.width': 32,
      'input.crop': 24,
      'input.flip': False,
      'model.width': 2,
      'model.fc6': 16,
      'model.dropout': 0.0,
      'optimizer.learning_rate': 3e-3,
      'log_steps': 1,
    }
    | changes
  )
  return config


def test_classes_and_recordings_of_a_folder(folder):
  videos = action_videos.open_videos(str(folder), '', 'train', 'test')
  assert videos.class_names == ('falls', 'slides')
  assert len(videos) == 16 and len(set(videos.groups)) == 8
  train, validation = action_videos.hold_out(videos, 0.25, seed=0)
  assert sorted([*train, *validation]) == list(range(16))
  assert len(validation) == 4
  assert not set(videos.groups[train]) & set(videos.groups[validation])
  again = action_videos.hold_out(videos, 0.25, seed=0)
  np.testing.assert_array_equal(again[1], validation)


def test_pixels_of_a_clip(folder):
  videos = action_videos.open_videos(str(folder), '', 'train', 'test')
  whole = ClipInput(6, 2, _HEIGHT, _WIDTH, _HEIGHT, False)
  row = action_videos.make_row(videos, 0, whole, rng=None)
  assert row['video'].shape == (6, _HEIGHT, _HEIGHT, 3)
  assert row['action'] == 0 and not row['flip']
  # (20 - 11) // 2 = 4 is the first frame; the square has fallen 4 pixels, and
  # 2 more from frame to frame. The crop begins at column 4.
  for time, frame in enumerate(row['video']):
    rows = np.flatnonzero(frame.mean(axis=(1, 2)) > 20)
    assert abs(rows[0] - (4 + 2 * time)) <= 1
  # A short video stands still at its end.
  long = ClipInput(16, 2, _HEIGHT, _WIDTH, _HEIGHT, False)
  video = action_videos.make_row(videos, 0, long, rng=None)['video']
  np.testing.assert_array_equal(video[-1], video[-6])
  assert np.any(video[0] != video[-1])


def test_chance_moves_the_clip(folder):
  videos = action_videos.open_videos(str(folder), '', 'train', 'test')
  clip_input = ClipInput(4, 1, _HEIGHT, _WIDTH, 24, True)
  rows = [
    action_videos.make_row(videos, 0, clip_input, np.random.default_rng(seed))
    for seed in range(12)
  ]
  assert len({row['video'].tobytes() for row in rows}) > 6
  assert {bool(row['flip']) for row in rows} == {False, True}


@pytest.mark.parametrize('trunk', ['c3d', 'dilated_c3d'])
def test_a_trunk_learns_and_is_taken_over(trunk, folder, tmp_path):
  config = _config(folder, **{'model.trunk': trunk})
  accuracy = pretrain.train_and_evaluate(config, tmp_path)
  lines = [
    json.loads(line)
    for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()
  ]
  losses = [line['train/loss'] for line in lines if 'train/loss' in line]
  assert np.mean(losses[-3:]) < np.mean(losses[:3])
  figures = [v for li in lines for k, v in li.items() if 'accuracy' in k]
  assert accuracy == max(figures)
  pretrain.evaluate_best(pretrain.set_up(config, tmp_path))

  network = {'c3d': C3DAVG, 'dilated_c3d': MSCADC}[trunk]
  shapes = {'batch_stats': {}} | jax.eval_shape(
    network(dive_tasks(('score',)), width=2).init,
    jax.random.key(0),
    np.zeros((1, 96 if trunk == 'c3d' else 16, 32, 32, 3), np.float32),
  )
  loaded, table = pretrained.initialize(
    shapes, str(tmp_path), 'backbone', OFFICIAL_NAMES
  )
  trunk_row = next(row for row in table.splitlines() if row.startswith('c3d'))
  assert str(tmp_path) in trunk_row and 'new' not in trunk_row
  for leaf in traverse_util.flatten_dict(loaded['params']['c3d']).values():
    assert isinstance(leaf, np.ndarray)


@pytest.fixture(name='ucf101', scope='module')
def fixture_ucf101(tmp_path_factory):
  """A data_dir with TFDS's own ucf101, made of four videos of ours."""
  pytest.importorskip('tensorflow', reason='TFDS reads videos with TensorFlow')
  videos = tmp_path_factory.mktemp('ucf101')
  lists = videos / 'ucfTrainTestlist'
  lists.mkdir()
  (videos / 'UCF101').mkdir()
  names = {'train': (1, 2, 3), 'test': (4,)}
  for split, groups in names.items():
    lines = []
    for group in groups:
      action = ('Diving', 'TaiChi')[group % 2]
      name = f'v_{action}_g{group:02}_c01.avi'
      motion = _ACTIONS['falls' if action == 'Diving' else 'slides']
      _write_video(videos / 'UCF101' / name, motion, (group, group))
      lines.append(f'{action}/{name} 1\n')
    (lists / f'{split}list01.txt').write_text(''.join(lines))

  def frames(self, path):  # In place of the program ffmpeg.
    with av.open(path) as container:
      images = [f.to_ndarray(format='bgr24') for f in container.decode(video=0)]
    return [cv2.imencode('.jpg', image)[1].tobytes() for image in images]

  data_dir = tmp_path_factory.mktemp('ucf101_data')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(tfds.features.Video, '_ffmpeg_decode', frames)
    patch.setattr(
      tfds.download.DownloadManager,
      'download_and_extract',
      lambda self, urls: dict.fromkeys(urls, str(videos)),
    )
    tfds.builder(
      'ucf101/ucf101_1', data_dir=data_dir, file_format='array_record'
    ).download_and_prepare()
  return data_dir


def test_the_ucf101_of_tfds(ucf101, tmp_path):
  videos = action_videos.open_videos(
    'ucf101/ucf101_1', str(ucf101), 'train', 'test'
  )
  assert len(videos.class_names) == 101
  labels = [videos.class_names[label] for label in videos.labels]
  assert sorted(labels[:3]) == ['Diving', 'TaiChi', 'TaiChi']
  assert labels[3] == 'Diving'
  train, validation = action_videos.hold_out(videos, 0.5, seed=0)
  assert list(train) == [0, 1, 2] and list(validation) == [3]
  whole = ClipInput(6, 2, _HEIGHT, _WIDTH, _HEIGHT, False)
  row = action_videos.make_row(videos, 3, whole, rng=None)
  # The test's video: frame 4 is the first, and its square fell from row 4.
  for time, frame in enumerate(row['video']):
    rows = np.flatnonzero(frame.mean(axis=(1, 2)) > 20)
    assert abs(rows[0] - (8 + 2 * time)) <= 1
  config = _config(
    'ucf101/ucf101_1',
    **{
      'dataset.data_dir': str(ucf101),
      'duration': '2 epochs',
      'batch_size': 3,
    },
  )
  assert 0 <= pretrain.train_and_evaluate(config, tmp_path) <= 100


@pytest.mark.parametrize(
  'change, message',
  [
    ({'dataset.name': 'no_such_folder'}, "dataset.name='no_such_folder'"),
    ({'input.crop': 33}, 'config.input.crop=33'),
    ({'input.stride': 0}, 'stride=0'),
    ({'model.trunk': 'c4d'}, "config.model.trunk='c4d'"),
    ({'validation.fraction': 0.01}, 'validation.fraction=0.01'),
    ({'mesh.clip': 2}, 'config.mesh.clip=2: a video of 1 clip'),
  ],
)
def test_configs_that_do_not_fit(change, message, folder, tmp_path):
  with pytest.raises(InputError) as error:
    pretrain.set_up(_config(folder, **change), tmp_path)
  assert message in str(error.value) and '\n' not in str(error.value)


def test_folders_that_are_no_classes(folder, tmp_path):
  with pytest.raises(InputError, match='holds 0 folders'):
    action_videos.open_videos(str(tmp_path), '', 'train', 'test')
  (tmp_path / 'empty').mkdir()
  with pytest.raises(InputError, match='empty: holds no video'):
    action_videos.open_videos(str(tmp_path), '', 'train', 'test')


def test_a_damaged_video_is_named(tmp_path):
  for action in ('a', 'b'):
    (tmp_path / action).mkdir()
    (tmp_path / action / 'x.avi').write_bytes(b'no video')
  videos = action_videos.open_videos(str(tmp_path), '', 'train', 'test')
  clip_input = ClipInput(4, 1, 32, 32, 24, True)
  with pytest.raises(InputError, match=r'a/x\.avi: cannot be read'):
    action_videos.make_row(videos, 0, clip_input, rng=None)


def test_an_unreadable_video_is_left_out(folder, tmp_path, capsys):
  shutil.copytree(folder, tmp_path / 'actions')
  config = _config(tmp_path / 'actions', duration='20 steps')
  videos = action_videos.open_videos(str(tmp_path / 'actions'), '', '', '')
  train, _ = action_videos.hold_out(videos, 0.25, config.validation.seed)
  names = sorted((tmp_path / 'actions').rglob('*.avi'))
  names[train[0]].write_bytes(names[train[0]].read_bytes()[:3000])
  with pytest.raises(InputError, match='1 of 12 records can not be read'):
    pretrain.train_and_evaluate(config, tmp_path / 'strict')
  config.max_corrupt_fraction = 0.1
  pretrain.train_and_evaluate(config, tmp_path / 'lenient')
  told = capsys.readouterr().err
  assert told.count('Left out (1 of 12') == 1
  assert names[train[0]].name in told
