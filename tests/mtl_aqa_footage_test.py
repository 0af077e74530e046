"""Footage of MTL-AQA's events: made-up videos, and the real annotations."""

import collections
import itertools
import json
import pathlib
import re

import fake_finediving
import fake_mtl_aqa
import forked_main
import numpy as np
import pytest
import tensorflow_datasets as tfds
from train_finder_test import _config

from aqa_jax import train_finder
from aqa_jax.data.footage import open_footage
from tfds_mtl_aqa import MtlAqaFootage, input_error, prepare
from tfds_mtl_aqa.finediving import annotations as finediving
from tfds_mtl_aqa.mtl_aqa import annotations, release
from tfds_mtl_aqa.mtl_aqa_footage import moments, pieces

SHARED = fake_mtl_aqa.SHARED

# First and last frame of each dive, counted from 1.
_SPANS = {
  (2, 1): (200, 300),
  (2, 2): (1100, 1200),
  (2, 3): (1300, 1400),
  (7, 1): (100, 200),
  (26, 60): (200, 300),
  (26, 61): (1150, 1250),
}
_EVENT_FRAMES = {2: 1410, 7: 200, 26: 1250}
# Five seconds before a dive to 25 s after it, or to five seconds before the
# next; between two that are near to each other, to the middle.
_PIECES = {
  (2, 1): (75, 925),
  (2, 2): (975, 1250),
  (2, 3): (1251, 1400),
  (7, 1): (1, 200),
  (26, 60): (75, 925),
  (26, 61): (1025, 1250),
}
# FineDiving's, that has no step of (2, 3): its first frame, and the number of
# frames of each step.
_STEPS = {
  ('02', 1): (201, {4: 10, 25: 30, 36: 60}),
  ('02', 2): (1101, {4: 20, 25: 80}),
  ('07', 1): (91, {4: 30, 25: 40, 36: 40}),
  ('26', 60): (201, {4: 30, 25: 36, 36: 34}),
  ('26', 61): (1151, {4: 40, 25: 8, 36: 52}),
}


def _write_release(folder):
  label = {
    'position': 0, 'armstand': 0, 'rotation_type': 0, 'ss_no': 5, 'tw_no': 1,
    'difficulty': 3.2, 'final_score': 60.0,
  }  # fmt: skip
  return fake_mtl_aqa.write_release(
    folder,
    annotations={
      key: {**label, 'start_frame': first, 'end_frame': last}
      for key, (first, last) in _SPANS.items()
    },
    train=list(_SPANS)[:4],
    test=list(_SPANS)[4:],
  )


@pytest.fixture(name='manual_dir', scope='module')
def fixture_manual_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('manual')
  content = fake_finediving.content(
    {
      key: (first, np.repeat(list(steps), list(steps.values())).tolist())
      for key, (first, steps) in _STEPS.items()
    }
  )
  for role, part in content.items():
    fake_finediving.write(folder, role, part)
  for event, count in _EVENT_FRAMES.items():
    fake_mtl_aqa.write_video(
      folder / f'{event:02d}.mp4', list(range(1, count + 1))
    )
  with fake_mtl_aqa.expected_release(_write_release(folder)):
    yield folder


@pytest.fixture(name='data_dir', scope='module')
def fixture_data_dir(tmp_path_factory, manual_dir):
  folder = tmp_path_factory.mktemp('data')
  for config in ('steps', 'estimated'):
    _prepare(folder, manual_dir, config)
  return folder


def _prepare(data_dir, manual_dir, config='steps', **options):
  return prepare.prepare(
    f'mtl_aqa_footage/{config}',
    data_dir=str(data_dir),
    manual_dir=str(manual_dir),
    **options,
  )


def _open(data_dir, config):
  return tfds.data_source(f'mtl_aqa_footage/{config}', data_dir=data_dir)


def _shown(video):
  """Returns the numbers of a piece's frames, without their 256s."""
  return [fake_mtl_aqa.number(frame) for frame in video]


def test_the_features_are_those_of_simulated_footage():
  ours, theirs = (
    tfds.builder(name).info
    for name in ('mtl_aqa_footage', 'simulated_footage/small')
  )
  assert repr(ours.features) == repr(theirs.features)
  key = 'frames_per_second'
  assert ours.metadata[key] == theirs.metadata[key]


def test_every_piece_of_an_event_once(data_dir):
  """Every second frame of each piece, and no frame twice."""
  splits = _open(data_dir, 'estimated')
  assert {
    split: [row['event'] for row in rows] for split, rows in splits.items()
  } == {'train': [2, 2, 2], 'validation': [26, 26], 'test': [7]}
  shown = [
    _shown(row['video'])
    for split in ('train', 'test', 'validation')
    for row in splits[split]
  ]
  assert shown == [
    [number % 256 for number in range(first, last + 1, 2)]
    for first, last in _PIECES.values()
  ]
  frames = collections.Counter(
    (event, number)
    for (event, _), (first, last) in _PIECES.items()
    for number in range(first, last + 1)
  )
  assert set(frames.values()) == {1}


def _times(rows):
  return [
    (*row['take_off_seconds'].tolist(), *row['entry_seconds'].tolist())
    for row in rows
  ]


def test_labels_by_steps(data_dir):
  splits = _open(data_dir, 'steps')
  # The second step begins at frame 211, the last at frame 241; the piece at 75.
  assert _times(splits['train']) == [pytest.approx((136 / 25, 166 / 25))]
  # 231 and 267, of a piece from 75 on.
  assert _times(splits['validation']) == [pytest.approx((156 / 25, 192 / 25))]
  # 121 and 161; FineDiving's dive begins at 91 instead of 100.
  assert _times(splits['test']) == [pytest.approx((120 / 25, 160 / 25))]
  metadata = MtlAqaFootage(config='steps', data_dir=data_dir).metadata
  # Without an entry, without steps, with too short a flight.
  assert metadata['unknown'] == ['02_02', '02_03', '26_61']
  assert metadata['num_dives'] == metadata['num_dives_of_release'] == 3


def test_a_piece_without_known_moments_is_in_no_other(data_dir):
  (row,) = _open(data_dir, 'steps')['train']
  assert _shown(row['video']) == [n % 256 for n in range(75, 926, 2)]


def test_labels_by_medians(data_dir):
  splits = _open(data_dir, 'estimated')
  # Event 2: entry 39 frames before the end, take-off 39 before that.
  assert _times(splits['train']) == [
    pytest.approx((147 / 25, 186 / 25)),
    pytest.approx(((1122 - 975) / 25, (1161 - 975) / 25)),
    pytest.approx(((1322 - 1251) / 25, (1361 - 1251) / 25)),
  ]
  # Event 26 has two parts: 31 and 33, then 37 and 40 frames.
  assert _times(splits['validation']) == [
    pytest.approx(((236 - 75) / 25, (269 - 75) / 25)),
    pytest.approx(((1173 - 1025) / 25, (1213 - 1025) / 25)),
  ]
  assert _times(splits['test']) == [pytest.approx((127 / 25, 165 / 25))]
  metadata = MtlAqaFootage(config='estimated', data_dir=data_dir).metadata
  assert metadata['unknown'] == []


def test_missing_videos(manual_dir, tmp_path):
  folder = tmp_path / 'manual'
  folder.mkdir()
  for path in manual_dir.iterdir():
    if path.name != '26.mp4':
      (folder / path.name).symlink_to(path)
  data_dir = tmp_path / 'data'
  with pytest.raises(input_error.InputError) as caught:
    _prepare(data_dir, folder)
  lines = str(caught.value).split('\n')
  assert lines[0] == f'{folder}: 1 of 3 dives have no frames:'
  assert lines[1].startswith('  event 26: all 1 dives, frames 75 to 925: no ')
  with pytest.raises(input_error.InputError, match='is not prepared; run'):
    open_footage('mtl_aqa_footage/steps', str(data_dir), 'train')
  builder = _prepare(data_dir, folder, allow_missing=True)
  assert builder.coverage == (2, 3)
  assert builder.metadata['missing'] == ['26_60']
  with pytest.raises(input_error.InputError, match="no split 'validation'"):
    open_footage('mtl_aqa_footage/steps', str(data_dir), 'validation')
  # A video that ends within a piece.
  fake_mtl_aqa.write_video(folder / '26.mp4', list(range(1, 300)))
  with pytest.raises(input_error.InputError, match=r'26.mp4: has 299 frames'):
    _prepare(tmp_path / 'other', folder)
  (folder / 'Annotations').unlink()
  with pytest.raises(input_error.InputError, match='coarse_annotation.pkl: is'):
    _prepare(tmp_path / 'other', folder)


def test_frames_of_an_event_do_too(manual_dir, data_dir, tmp_path):
  """Numbered images in place of a video."""
  folder = tmp_path / 'manual'
  folder.mkdir()
  for path in manual_dir.iterdir():
    if path.name != '07.mp4':
      (folder / path.name).symlink_to(path)
  fake_mtl_aqa.write_frames(
    folder / 'whole_videos_frames/07', list(range(1, 201)), '%06d.jpg'
  )
  _prepare(tmp_path / 'data', folder)
  ours, theirs = (
    _open(folder, 'steps')['test'][0]
    for folder in (tmp_path / 'data', data_dir)
  )
  assert _shown(ours['video']) == _shown(theirs['video'])


def test_a_finder_of_simulated_footage_is_fine_tuned(data_dir, tmp_path):
  """The two trainings of docs/judging.md, in small."""
  prepare.prepare('simulated_footage/tiny', data_dir=str(tmp_path))
  config = _config(tmp_path)
  with config.unlocked():
    config.duration = '2 steps'
  train_finder.train_and_evaluate(config, tmp_path / 'first')
  done = forked_main.run(
    [
      '--config=configs/find_dives.py',
      f'--workdir={tmp_path / "second"}',
      f'--config.init_from={tmp_path / "first"}',
      '--config.dataset.name=mtl_aqa_footage/steps',
      f'--config.dataset.data_dir={data_dir}',
      '--config.duration=2 steps',
      '--config.checkpoint_every=2 steps',
      '--config.optimizer.warmup=1 steps',
      '--config.batch_size=8',
      '--config.eval_batch_size=8',
      '--config.input.frames=24',
      '--config.model.features=16',
      '--config.tensorboard=False',
    ],
    pathlib.Path(__file__).parents[1],
    tmp_path,
  )
  assert done.returncode == 0, done.stderr
  loaded = re.findall(r'^.*frames.*$', done.stdout, re.MULTILINE)
  assert loaded and all(str(tmp_path / 'first') in line for line in loaded)
  found = json.loads((tmp_path / 'second/finder.json').read_text())
  assert found['test']['num_dives'] == 1


@pytest.mark.parametrize('gap', [2, 100, 251, 252, 300, 800, 5000])
def test_pieces_do_not_overlap(gap):
  dives = [(1000 + k * (100 + gap), 1099 + k * (100 + gap)) for k in range(4)]
  cut = pieces.cut(dives)
  for (first, last), (begin, end) in zip(dives, cut, strict=True):
    assert begin <= first <= last <= end
    assert first - begin <= 125 and end - last <= 625
  for (_, end), (begin, _) in itertools.pairwise(cut):
    assert end < begin
  assert cut[0][0] == 875 and cut[-1][1] == dives[-1][1]


@pytest.mark.skipif(
  not (SHARED / 'finediving').is_dir() or not (SHARED / 'mtl_aqa').is_dir(),
  reason='needs the files in ../shared/finediving and ../shared/mtl_aqa',
)
def test_the_statistics_of_the_real_dives():
  released = finediving.read(
    {
      role: SHARED / 'finediving' / file.names[0]
      for role, file in finediving.FILES.items()
    }
  )
  folder = SHARED / 'mtl_aqa/release'
  labels, _ = annotations.read_main(
    {role: folder / release._RELEASE_PATHS[role] for role in release.MAIN_ROLES}
  )
  found = collections.defaultdict(list)
  errors = []
  for dive in released.dives.values():
    key = dive.mtl_aqa_key
    known = key and moments.from_steps(dive, released.sub_actions)
    if not known:
      continue
    end = labels[key]['end_frame']
    found[moments.part_of_event(key)].append(
      (known.entry - end, known.entry - known.take_off)
    )
    estimated = moments.estimate(key, end)
    errors.append(
      (estimated.entry - known.entry, estimated.take_off - known.take_off)
    )
  assert {
    part: tuple(np.median(values, axis=0)) for part, values in found.items()
  } == moments.STATISTICS
  # What the README says of them.
  assert len(errors) == 1353
  entry, take_off = np.abs(errors).T
  assert np.median(entry) == np.median(take_off) == 4
  assert np.mean(entry <= 5) == pytest.approx(0.65, abs=0.005)
  assert np.mean(take_off <= 10) == pytest.approx(0.88, abs=0.005)
