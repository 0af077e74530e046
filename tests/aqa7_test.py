"""AQA-7 as a dataset: made-up lists, and the real ones where they are."""

import os
import pathlib
import subprocess
import sys

import fake_mtl_aqa
import numpy as np
import pytest
import scipy.io

from aqa_jax.data.schema import schema_of
from tfds_mtl_aqa import input_error, prepare
from tfds_mtl_aqa.aqa7 import annotations
from tfds_mtl_aqa.mtl_aqa import unlv_dive

ROOT = pathlib.Path(__file__).parents[1]
SHARED = fake_mtl_aqa.SHARED


def _rows(split):
  """Returns a made-up list: ids to test on follow those to train on."""
  rows = []
  for number, (train, test) in enumerate(annotations.ACTIONS.values(), 1):
    ids = (
      range(1, train + 1)
      if split == 'train'
      else range(train + 1, train + test + 1)
    )
    rows += [(number, k, 1000 * number + k) for k in ids]
  order = np.random.default_rng(0).permutation(len(rows))
  return np.array(rows, np.float64)[order]


def _write(path, split, rows, name=None):
  path.parent.mkdir(parents=True, exist_ok=True)
  scipy.io.savemat(path, {name or f'consolidated_{split}_list': rows})


@pytest.fixture(name='manual_dir')
def fixture_manual_dir(tmp_path):
  folder = tmp_path / 'manual'
  for split in ('train', 'test'):
    path = folder / f'Split_4/split_4_{split}_list.mat'
    _write(path, split, _rows(split))
  return folder


def _open(manual_dir, config='annotations', **options):
  builder = prepare.prepare(
    f'aqa7/{config}',
    data_dir=str(manual_dir.parent / 'data'),
    manual_dir=str(manual_dir),
    **options,
  )
  return builder, builder.as_data_source()


def test_labels(manual_dir):
  builder, splits = _open(manual_dir)
  for split, source in splits.items():
    rows = _rows(split)
    found = [(d['event'], d['sample'], d['final_score']) for d in source]
    np.testing.assert_allclose(found, rows / [1, 1, 100])
    for clip in source:
      assert clip['action'] == clip['event'] - 1
      key = clip['mtl_aqa_event'], clip['mtl_aqa_sample']
      is_dive = clip['event'] == 1
      assert key == (unlv_dive.key_of_id(clip['sample']) if is_dive else (0, 0))
  assert schema_of(builder.info).class_names == {
    'action': tuple(annotations.ACTIONS)
  }


def test_one_action(manual_dir):
  builder, splits = _open(manual_dir, 'annotations_gym_vault')
  assert {split: len(source) for split, source in splits.items()} == {
    'train': 120, 'test': 56,
  }  # fmt: skip
  assert {clip['event'] for source in splits.values() for clip in source} == {2}
  assert schema_of(builder.info).classes == ()
  assert prepare.summary(builder).startswith(
    'aqa7/annotations_gym_vault/1.0.0: train 120, test 56 clips, '
  )


def test_clips(manual_dir):
  shown = list(range(1, 104))
  frames = manual_dir / 'gym_vault-out/001'
  fake_mtl_aqa.write_frames(frames, shown, 'img_%05d.jpg')
  video = manual_dir / 'Actions/gym_vault/125.avi'
  fake_mtl_aqa.write_video(video, shown, 'mjpeg')
  config = 'clips_171x128_gym_vault'
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir, config)
  lines = str(caught.value).split('\n')
  assert lines[0] == f'{manual_dir}: 174 of 176 clips have no frames:'
  assert lines[1] == (
    '  clip gym_vault_002 of gym_vault: no gym_vault-out/002/, no '
    'gym_vault/002.avi, nor any other layout'
  )
  builder, splits = _open(manual_dir, config, allow_missing=True)
  assert builder.coverage == (2, 176)
  for source, number in zip(splits.values(), (1, 125), strict=True):
    (clip,) = source
    assert clip['sample'] == number
    assert list(map(fake_mtl_aqa.number, clip['video'])) == (
      [1] * 3 + shown + [103] * 3
    )
    assert clip['padded_frames'].tolist() == [3, 3]


def test_the_command(manual_dir):
  command = [
    sys.executable, '-m', 'tfds_mtl_aqa.prepare', 'aqa7/annotations',
    f'--data_dir={manual_dir.parent / "data"}', f'--manual_dir={manual_dir}',
  ]  # fmt: skip
  path = manual_dir / 'Split_4/split_4_test_list.mat'
  rows = path.read_bytes()
  path.write_bytes(rows[:300])
  for code in (2, 0):
    done = subprocess.run(
      command,
      capture_output=True,
      text=True,
      env=os.environ | {'PYTHONPATH': str(ROOT)},
      check=False,
    )
    assert done.returncode == code, done.stderr
    if code == 2:
      (line,) = done.stderr.strip().split('\n')
      assert line.startswith(f'prepare: {path}: holds no consolidated_test')
    path.write_bytes(rows)
  assert 'aqa7/annotations/1.0.0: train 803, test 303 clips, ' in done.stdout


def _spoil(kind, path):
  rows = _rows('train')
  if kind == 'no array':
    _write(path, 'train', rows, 'another')
  elif kind == 'two columns':
    _write(path, 'train', rows[:, :2])
  elif kind == 'not a number':
    rows[5, 2] = np.nan
    _write(path, 'train', rows)
  elif kind == 'fewer':
    _write(path, 'train', rows[1:])
  elif kind == 'empty':
    _write(path, 'train', np.zeros((0, 3)))
  elif kind == 'from 0':
    rows[0, 1] = 0
    _write(path, 'train', rows)
  elif kind == 'twice':
    dives = np.flatnonzero(rows[:, 0] == 1)
    rows[dives[0]] = rows[dives[1]]
    _write(path, 'train', rows)
  elif kind == 'the other list':
    _write(path, 'train', _rows('test'))
  elif kind == 'truncated':
    path.write_bytes(path.read_bytes()[:200])
  else:
    path.write_text(kind)


@pytest.mark.parametrize(
  'kind, reason',
  [
    ('no array', 'holds no consolidated_train_list'),
    ('two columns', 'its consolidated_train_list is not three columns'),
    ('not a number', 'its consolidated_train_list is not three columns'),
    ('fewer', 'has 802 clips, by action ['),
    ('empty', 'has 0 clips, by action [0, 0, 0, 0, 0, 0], not [300, 120, '),
    ('from 0', 'has numbers of clips that do not count from 1'),
    ('twice', 'names a clip twice'),
    ('the other list', 'has 303 clips, by action [70, 56'),
    ('truncated', 'holds no consolidated_train_list'),
    ('text', 'holds no consolidated_train_list'),
  ],
)
def test_other_content(manual_dir, kind, reason):
  path = manual_dir / 'Split_4/split_4_train_list.mat'
  _spoil(kind, path)
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir)
  line = str(caught.value)
  assert line.startswith(f'{path}: {reason}')
  assert 'get split_4_train_list.mat again from AQA-7' in line
  assert '\n' not in line


def test_a_clip_in_both_lists(manual_dir):
  rows = _rows('test')
  vaults = np.flatnonzero(rows[:, 0] == 2)
  rows[vaults[0], 1] = 1
  path = manual_dir / 'Split_4/split_4_test_list.mat'
  _write(path, 'test', rows)
  with pytest.raises(input_error.InputError, match='shares 1 clips with'):
    _open(manual_dir)


def test_without_a_list(manual_dir):
  (manual_dir / 'Split_4/split_4_test_list.mat').unlink()
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir)
  line = str(caught.value)
  assert line.startswith(f'split_4_test_list.mat: is not in {manual_dir}; get')


@pytest.mark.skipif(
  not (SHARED / 'aqa7').is_dir(), reason='needs the lists in ../shared/aqa7'
)
def test_the_real_lists(tmp_path):
  manual = tmp_path / 'manual'
  manual.mkdir()
  (manual / 'info').symlink_to(SHARED / 'aqa7')
  _, splits = _open(manual)
  found = {
    split: [(d['event'], d['sample'], d['final_score']) for d in source]
    for split, source in splits.items()
  }
  assert {split: len(part) for split, part in found.items()} == {
    'train': 803, 'test': 303,
  }  # fmt: skip
  ranges = {
    1: (21.6, 102.6, 370), 2: (12.3, 16.87, 176), 3: (8, 50, 175),
    4: (8, 50, 206), 5: (46.2, 104.88, 88), 6: (49.8, 99.36, 91),
  }  # fmt: skip
  clips = np.array(found['train'] + found['test'])
  for action, (low, high, last_id) in ranges.items():
    of_action = clips[clips[:, 0] == action]
    scores = of_action[:, 2]
    assert [scores.min(), scores.max()] == pytest.approx([low, high])
    assert of_action[:, 1].max() == last_id
  counts = {
    split: sum(action == 2 for action, *_ in part)
    for split, part in found.items()
  }
  assert counts == {'train': 120, 'test': 56}
  if not (SHARED / 'unlv_dive').is_dir():
    return
  # Its dives are UNLV-Dive's, with the same ids, split and scores.
  with np.load(SHARED / 'unlv_dive/s3d_p3d_features.npz') as published:
    for split, part in found.items():
      ids = sorted(clip_id for action, clip_id, _ in part if action == 1)
      assert ids == sorted(published[f'{split}_id'].tolist())
    scores = published['all_scores'].ravel()
  for action, clip_id, score in clips[clips[:, 0] == 1]:
    del action
    assert score == pytest.approx(scores[int(clip_id) - 1], abs=0.006)
