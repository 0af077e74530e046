"""FineDiving as a dataset: made-up files, and the real ones if there."""

import collections

import fake_finediving
import fake_mtl_aqa
import numpy as np
import pytest

from aqa_jax.data.schema import schema_of
from tfds_mtl_aqa import input_error, prepare
from tfds_mtl_aqa import labels as mtl_aqa_labels
from tfds_mtl_aqa.finediving import annotations
from tfds_mtl_aqa.mtl_aqa import annotations as mtl_aqa_annotations
from tfds_mtl_aqa.mtl_aqa import release

SHARED = fake_mtl_aqa.SHARED


@pytest.fixture(name='content', scope='module')
def fixture_content():
  return fake_finediving.content()


@pytest.fixture(name='manual_dir')
def fixture_manual_dir(tmp_path, content):
  folder = tmp_path / 'manual'
  for role, part in content.items():
    fake_finediving.write(folder, role, part)
  with fake_mtl_aqa.expected_release(fake_mtl_aqa.write_release(folder)):
    yield folder


def _open(manual_dir, config='annotations', **options):
  builder = prepare.prepare(
    f'finediving/{config}',
    data_dir=str(manual_dir.parent / 'data'),
    manual_dir=str(manual_dir),
    **options,
  )
  return builder, builder.as_data_source()


def test_labels(manual_dir, content):
  builder, splits = _open(manual_dir)
  names = builder.info.features['mtl_aqa_split'].names
  for split, source in splits.items():
    assert len(source) == annotations.NUM_DIVES[split]
    for k in (0, 1, len(source) - 1):
      dive, key = source[k], content[split][k]
      assert (dive['event_name'].decode(), dive['sample']) == key
      assert builder.metadata['events'][dive['event']] == key[0]
      coarse = content['coarse'][key]
      for ours, theirs in (
        ('final_score', 'dive_score'), ('difficulty', 'difficulty'),
        ('start_frame', 'start_frame'), ('end_frame', 'end_frame'),
      ):  # fmt: skip
        assert dive[ours] == pytest.approx(coarse[theirs])
      number = coarse['action_type'].upper()
      assert dive['dive_number'].decode() == number
      assert annotations.DIVE_TYPES[dive['dive_type']] == number
      assert dive['steps'].tolist() == [4, 25, 36]
      assert dive['step_starts'].tolist() == [0, 10, 40]
      length = dive['end_frame'] - dive['start_frame'] + 1
      assert collections.Counter(dive['frame_steps'].tolist()) == {
        4: 10, 25: 30, 36: length - 40,
      }  # fmt: skip
  parts = {
    split: [names[source[k]['mtl_aqa_split']] for k in range(3)]
    for split, source in splits.items()
  }
  assert parts == {
    'train': ['test', 'none', 'none'], 'test': ['train', 'test', 'none'],
  }  # fmt: skip
  judges = (
    splits['train'][0]['judge_scores'],
    splits['train'][1]['judge_scores'],
  )
  np.testing.assert_array_equal(judges[0], [7, 7.5] + [np.nan] * 5)
  np.testing.assert_array_equal(judges[1], [7, 7.5, 8] + [np.nan] * 4)
  assert builder.metadata['sub_actions'][25] == '3.5 Soms.Tuck'
  assert dict(schema_of(builder.info).classes).keys() == {
    'position', 'armstand', 'rotation_type', 'somersaults', 'twists',
  }  # fmt: skip


def test_clips(manual_dir):
  # The video of the event, frames of one dive, and MTL-AQA's event 3.
  fake_mtl_aqa.write_video(
    manual_dir / 'Untrimmed_Videos/02.mp4', list(range(1, 151))
  )
  fake_mtl_aqa.write_frames(
    manual_dir / 'FINADiving_MTL_256s/Final_r1/5',
    list(range(81, 151)),
    '%05d.jpg',
    first=81,
  )
  fake_mtl_aqa.write_frames(manual_dir / '03', list(range(1, 201)), '%06d.jpg')
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir, 'clips_171x128')
  lines = str(caught.value).split('\n')
  assert lines[0] == f'{manual_dir}: 2996 of 3000 dives have no frames:'
  assert 'dive Final_r1_00: frames 31 to 150 of Final_r1: no FINA' in lines[1]
  builder, splits = _open(manual_dir, 'clips_171x128', allow_missing=True)
  assert builder.coverage == (4, 3000)
  shown = {
    (dive['event_name'].decode(), dive['sample']): [
      fake_mtl_aqa.number(frame) for frame in dive['video']
    ]
    for source in splits.values()
    for dive in source
  }
  assert shown == {
    ('03', 3): _evenly(81, 200),
    ('03', 2): _evenly(31, 150),
    ('02', 2): _evenly(31, 150),
    ('Final_r1', 5): _evenly(81, 150),
  }


def _evenly(first, last):
  """Returns 96 numbers in whole arithmetic."""
  return [first + k * (last - first) // 95 for k in range(96)]


def _spoil(role, content):
  """Returns other contents for a file, with what the error says of each."""
  first, last = ('03', 3), ('Final_r1', 7)
  if role in ('train', 'test'):
    count = annotations.NUM_DIVES[role]
    yield content[role][1:], f'is not a list of {count} dives'
    yield {}, f'is not a list of {count} dives'
    yield [('a/b', 1), *content[role][1:]], "has ('a/b', 1), which is no dive"
    yield [3, *content[role][1:]], 'has 3, which is no dive'
    yield [content['train'][5], *content[role][1:]], None
    return
  yield [], 'holds no dictionary'
  if role == 'sub_actions':
    yield {'x': 'y'}, 'is not a table of sub-actions'
    return
  fewer = {k: v for k, v in content[role].items() if k != first}
  yield fewer, "lacks 1 dives, such as ('03', 3)"
  changes = {
    'coarse': [
      {'action_type': '999z'}, {'end_frame': 40}, {'dive_score': np.nan},
      {'judge_scores': [5.0] * 8}, {'start_frame': 'x'}, {'difficulty': -1.0},
    ],
    'fine': [
      {'frames_labels': np.array([1, 2])}, {'dive_score': 1.0},
      {'frames_labels': np.full(70, 999)}, {'action_type': '101b'},
    ],
  }  # fmt: skip
  for change in changes[role]:
    yield content[role] | {last: content[role][last] | change}, None
  yield content[role] | {last: 3}, None


@pytest.mark.parametrize('role', annotations.FILES)
def test_other_content(tmp_path, content, role):
  folder = tmp_path / 'manual'
  paths = {
    role: fake_finediving.write(folder, role, part)
    for role, part in content.items()
  }
  for spoiled, reason in _spoil(role, content):
    fake_finediving.write(folder, role, spoiled)
    with pytest.raises(input_error.InputError) as caught:
      annotations.read(paths)
    line = str(caught.value)
    named = paths[role] if reason else ''
    assert line.startswith(f'{named}{": " if reason else ""}{reason or ""}')
    assert str(paths[role]) in line
    assert 'again from github.com/xujinglin/FineDiving' in line
    assert '\n' not in line


def test_a_damaged_file(manual_dir):
  path = manual_dir / 'Annotations/train_split.pkl'
  path.write_bytes(path.read_bytes()[:100])
  with pytest.raises(input_error.InputError, match=f'{path}: is not a pickle'):
    _open(manual_dir)
  path.unlink()
  with pytest.raises(input_error.InputError, match='^train_split.pkl: is not'):
    _open(manual_dir)


@pytest.mark.skipif(
  not (SHARED / 'finediving').is_dir() or not (SHARED / 'mtl_aqa').is_dir(),
  reason='needs the files in ../shared/finediving and ../shared/mtl_aqa',
)
def test_the_real_dives(tmp_path):
  manual = tmp_path / 'manual'
  manual.mkdir()
  (manual / 'Ready_2_Use').symlink_to(SHARED / 'mtl_aqa/release')
  (manual / 'Annotations').symlink_to(SHARED / 'finediving')
  builder, splits = _open(manual)
  dives = [dive for source in splits.values() for dive in source]
  assert {split: len(source) for split, source in splits.items()} == {
    'train': 2251, 'test': 749,
  }  # fmt: skip
  assert len({d['dive_type'] for d in dives}) == 52
  assert len({round(d['difficulty'], 2) for d in dives}) == 23
  # The leaks between the two datasets.
  names = builder.info.features['mtl_aqa_split'].names
  leaks = {
    split: collections.Counter(names[d['mtl_aqa_split']] for d in source)
    for split, source in splits.items()
  }
  assert leaks['train']['test'] == 268
  assert leaks['test']['train'] == 249
  assert sum(part['none'] for part in leaks.values()) == 3000 - 1369

  # The same dives in both.
  labels, _ = _mtl_aqa()
  equal = collections.Counter()
  for dive in dives:
    if dive['mtl_aqa_event']:
      other = labels[dive['mtl_aqa_event'], dive['mtl_aqa_sample']]
      equal['all'] += 1
      equal['score'] += abs(dive['final_score'] - other['final_score']) < 0.01
      equal['end'] += dive['end_frame'] == other['end_frame']
      equal['start'] += dive['start_frame'] == other['start_frame'] + 1
      for name in mtl_aqa_labels.CLASS_NAMES:
        equal[name] += dive[name] == other[name]
  assert [equal[k] for k in ('all', 'score', 'end', 'start')] == [
    1369, 1369, 1246, 1016,
  ]  # fmt: skip
  # From the number; in a few dives the datasets have other numbers.
  assert [equal[name] for name in mtl_aqa_labels.CLASS_NAMES] == [
    1343, 1368, 1368, 1367, 1366,
  ]  # fmt: skip

  used = {step for dive in dives for step in dive['frame_steps'].tolist()}
  assert len(used) == 29
  lengths = [len(dive['frame_steps']) for dive in dives]
  assert (min(lengths), max(lengths)) == (63, 273)
  judges = collections.Counter(
    int(np.isfinite(dive['judge_scores']).sum()) for dive in dives
  )
  assert judges == {7: 1369, 3: 1024, 5: 607}


def _mtl_aqa():
  folder = SHARED / 'mtl_aqa/release'
  return mtl_aqa_annotations.read_main(
    {role: folder / release._RELEASE_PATHS[role] for role in release.MAIN_ROLES}
  )
