"""UNLV-Dive as a dataset: made-up files, and the real ones where they are."""

import collections

import fake_mtl_aqa
import numpy as np
import pytest

from tfds_mtl_aqa import input_error, prepare
from tfds_mtl_aqa.clips import clip
from tfds_mtl_aqa.mtl_aqa import unlv_dive

SHARED = fake_mtl_aqa.SHARED


@pytest.fixture(name='manual_dir')
def fixture_manual_dir(tmp_path):
  folder = tmp_path / 'manual'
  with fake_mtl_aqa.expected_release(fake_mtl_aqa.write_release(folder)):
    yield folder


def _open(manual_dir, config='annotations', **options):
  builder = prepare.prepare(
    f'unlv_dive/{config}',
    data_dir=str(manual_dir.parent / 'data'),
    manual_dir=str(manual_dir),
    **options,
  )
  return builder, builder.as_data_source()


def test_labels(manual_dir):
  rows = [f'{k},{k + 20},{k + 40},{k + 60}' for k in range(1, 371)]
  (manual_dir / 'jump_drop_water_label.txt').write_text('\n'.join(rows))
  builder, splits = _open(manual_dir)
  dives = {
    split: {dive['dive_id']: dive for dive in source}
    for split, source in splits.items()
  }
  # The released keys are AQA-7's ids in another form.
  assert {split: list(ids) for split, ids in dives.items()} == {
    'train': [1, 74],
    'test': [3],
  }
  dive = dives['train'][74]
  assert (dive['event'], dive['sample']) == unlv_dive.key_of_id(74) == (2, 2)
  assert dive['stage_ends'].tolist() == [74, 94, 114, 134]
  assert dive['final_score'] == 62
  split = builder.info.features['mtl_aqa_split']
  assert split.int2str(dive['mtl_aqa_split']) == 'test'
  assert split.int2str(dives['train'][1]['mtl_aqa_split']) == 'train'
  assert {'subsets', 'unlv_dive'}.isdisjoint(dive)
  assert builder.metadata['vocabulary'] == fake_mtl_aqa.WORDS


def test_stages_may_be_absent(manual_dir):
  _, splits = _open(manual_dir)
  for source in splits.values():
    for dive in source:
      assert dive['stage_ends'].tolist() == [-1] * 4


@pytest.mark.parametrize(
  'text, reason',
  [
    ('1,2,3,4\n', 'has 1 lines, not 370'),
    ('1,2,3,4\n' * 369 + '1,2,3\n', 'line 370 is not 4 numbers'),
    ('1,2,3,4\n' * 369 + '1,2,x,4\n', 'line 370 is not 4 numbers'),
    ('\x00\xff' * 9, 'has 1 lines'),
  ],
)
def test_other_content_in_the_file_of_stages(manual_dir, text, reason):
  path = manual_dir / 'data_files' / 'jump_drop_water_label.txt'
  path.parent.mkdir()
  path.write_text(text, 'latin1')
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir)
  line = str(caught.value)
  assert line.startswith(f'{path}: {reason}')
  assert 'get jump_drop_water_label.txt again from' in line
  assert '\n' not in line


def test_a_changed_release_is_refused(manual_dir):
  path = manual_dir / 'MTL-AQA_split_0_data/train_split_0.pkl'
  path.write_bytes(path.read_bytes() + b' ')
  with pytest.raises(input_error.InputError, match='not the released file'):
    _open(manual_dir)


def test_clips_of_151_frames(manual_dir):
  folder = manual_dir / 'diving_samples_len_151_lstm'
  fake_mtl_aqa.write_video(folder / '001.avi', list(range(1, 153)), 'mjpeg')
  fake_mtl_aqa.write_frames(folder / '003', list(range(1, 152)), '%d.jpg')
  fake_mtl_aqa.write_video(folder / '074.avi', list(range(1, 104)), 'mjpeg')
  with pytest.raises(input_error.InputError, match='frames, 151 are needed'):
    _open(manual_dir, 'clips_151_171x128')
  builder, splits = _open(manual_dir, 'clips_151_171x128', allow_missing=True)
  assert builder.metadata['missing'] == ['074']
  for source in splits.values():
    (dive,) = source
    shown = list(map(fake_mtl_aqa.number, dive['video']))
    assert shown == list(range(1, 152))
    assert dive['padded_frames'].tolist() == [0, 0]


def test_windows_are_those_of_mtl_aqa(manual_dir):
  fake_mtl_aqa.write_event_videos(manual_dir)
  folder = manual_dir / 'diving-out/074'
  fake_mtl_aqa.write_frames(folder, list(range(1, 104)), 'img_%05d.jpg')
  (manual_dir / '02.mp4').unlink()
  _, splits = _open(manual_dir, 'clips_171x128')
  shown = {
    dive['dive_id']: list(map(fake_mtl_aqa.number, dive['video']))
    for source in splits.values()
    for dive in source
  }
  assert shown == {
    1: list(range(1, 110)),
    3: [*range(95, 203), 202],
    74: [1] * 3 + list(range(1, 104)) + [103] * 3,
  }


def test_goes_on_after_an_error(manual_dir, monkeypatch):
  for number in (1, 3, 74):
    folder = manual_dir / f'diving-out/{number:03d}'
    fake_mtl_aqa.write_frames(folder, list(range(1, 104)), 'img_%05d.jpg')
  wrong = manual_dir / 'diving-out/003/img_00050.jpg'
  whole = wrong.read_bytes()
  wrong.write_bytes(whole[:100])
  made = []
  encode = clip.ClipEncoder.__call__

  def encode_and_tell(encoder, name):
    made.append(name)
    return encode(encoder, name)

  monkeypatch.setattr(clip.ClipEncoder, '__call__', encode_and_tell)
  with pytest.raises(input_error.InputError, match=f'{wrong}: is not a whole'):
    _open(manual_dir, 'clips_171x128')
  assert made == ['001', '074', '003']
  folder = manual_dir.parent / 'data/unlv_dive/clips_171x128'
  assert not (folder / '1.0.0').exists()
  wrong.write_bytes(whole)
  _, splits = _open(manual_dir, 'clips_171x128')
  # The other two are kept.
  assert made == ['001', '074', '003', '003']
  assert {split: len(source) for split, source in splits.items()} == {
    'train': 2, 'test': 1,
  }  # fmt: skip
  assert [path.name for path in folder.iterdir()] == ['1.0.0']


@pytest.mark.skipif(
  not (SHARED / 's3d').is_dir() or not (SHARED / 'mtl_aqa').is_dir(),
  reason='needs the releases in ../shared/mtl_aqa and ../shared/s3d',
)
def test_the_real_dives(tmp_path):
  manual = tmp_path / 'manual'
  manual.mkdir()
  (manual / 'Ready_2_Use').symlink_to(SHARED / 'mtl_aqa/release')
  (manual / 'info').symlink_to(SHARED / 'mtl_aqa/judges')
  (manual / 'data_files').symlink_to(SHARED / 's3d')
  builder, splits = _open(manual)
  with np.load(SHARED / 'unlv_dive/s3d_p3d_features.npz') as published:
    for split, source in splits.items():
      ids = [dive['dive_id'] for dive in source]
      assert ids == sorted(published[f'{split}_id'].tolist())
    dives = sorted(
      (dive for source in splits.values() for dive in source),
      key=lambda dive: dive['dive_id'],
    )
    np.testing.assert_allclose(
      [dive['final_score'] for dive in dives], published['all_scores'].ravel()
    )
    np.testing.assert_allclose(
      [dive['difficulty'] for dive in dives],
      published['all_difficulty'].ravel(),
      rtol=1e-6,
    )
  assert {s: len(source) for s, source in splits.items()} == {
    'train': 300, 'test': 70,
  }  # fmt: skip
  # Of those to test on, most are in MTL-AQA's training split.
  names = builder.info.features['mtl_aqa_split'].names
  parts = {
    split: collections.Counter(names[d['mtl_aqa_split']] for d in source)
    for split, source in splits.items()
  }
  assert parts == {
    'train': {'train': 220, 'test': 80}, 'test': {'train': 51, 'test': 19},
  }  # fmt: skip
  ends = np.array([dive['stage_ends'] for dive in dives])
  assert ends.shape == (370, 4) and ends.min() == 1 and ends.max() == 119
  falling = (np.diff(ends) <= 0).any(axis=1)
  assert [dives[i]['dive_id'] for i in np.flatnonzero(falling)] == [32, 95]
