"""MIT-Dive as a dataset: made-up files, and the real ones where they are."""

import collections

import fake_mtl_aqa
import numpy as np
import pytest

from aqa_jax.data.schema import label_columns, label_row, schema_of
from aqa_jax.evaluation.baselines import compute_baselines
from tfds_mtl_aqa import input_error, prepare
from tfds_mtl_aqa.mit_dive import annotations

SHARED = fake_mtl_aqa.SHARED


def _line(number):
  """Returns a made-up dive: a score that no other has."""
  return (
    f'{1000 * number} {1000 * number + 140} A\n'
    f'{1000 * number + 400} Score {40 + number / 4:.2f} 3.{number % 5} \n'
  )


@pytest.fixture(name='manual_dir')
def fixture_manual_dir(tmp_path):
  """MIT-Dive's 159, and MTL-AQA's event 1 with dives 2 to 21 of them."""
  folder = tmp_path / 'manual'
  dives = {}
  for number in range(2, 22):
    dives[1, 3 * number] = {
      'start_frame': 100 * number, 'end_frame': 100 * number + 90,
      'position': 1, 'armstand': 0, 'rotation_type': 1, 'ss_no': 5, 'tw_no': 0,
      'difficulty': 3 + (number % 5) / 10, 'final_score': 40 + number / 4,
    }  # fmt: skip
  # A dive between the others that MIT-Dive lacks.
  dives[1, 7] = dives[1, 6] | {'final_score': 12.0}
  keys = sorted(dives)
  paths = fake_mtl_aqa.write_release(
    folder, annotations=dives, train=keys[:15], test=keys[15:]
  )
  text = '# a comment\n\n' + ''.join(map(_line, range(1, 160)))
  (folder / 'Diving.txt').write_text(text)
  with fake_mtl_aqa.expected_release(paths):
    yield folder


def _open(manual_dir, config='annotations', **options):
  builder = prepare.prepare(
    f'mit_dive/{config}',
    data_dir=str(manual_dir.parent / 'data'),
    manual_dir=str(manual_dir),
    **options,
  )
  return builder, builder.as_data_source()


def _by_number(splits):
  return {dive['sample']: dive for source in splits.values() for dive in source}


def test_labels(manual_dir):
  builder, splits = _open(manual_dir)
  train, test = annotations.random_split(0)
  assert [dive['sample'] for dive in splits['train']] == train
  assert [dive['sample'] for dive in splits['test']] == test
  dives = _by_number(splits)
  assert sorted(dives) == list(range(1, 160))
  names = builder.info.features['mtl_aqa_split'].names
  for number, dive in dives.items():
    assert dive['final_score'] == pytest.approx(40 + number / 4)
    assert dive['difficulty'] == pytest.approx(3 + (number % 5) / 10)
    assert dive['start_frame'] == 1000 * number
    assert dive['end_frame'] == 1000 * number + 140
    assert dive['score_frame'] == 1000 * number + 400
    known = 2 <= number <= 21
    assert dive['mtl_aqa_sample'] == (3 * number if known else 0)
    part = 'none' if not known else 'train' if number <= 15 else 'test'
    assert names[dive['mtl_aqa_split']] == part
  # What a training reads: a score, and no classes.
  schema = schema_of(builder.info)
  assert schema.classes == ()
  assert {'final_score', 'difficulty', 'sample'} <= set(schema.features)


def test_trials_differ_and_repeat():
  trials = [annotations.random_split(seed) for seed in range(3)]
  for train, test in trials:
    assert (len(train), len(test)) == (100, 59)
    assert sorted(train + test) == list(range(1, 160))
  assert trials[0] != trials[1] != trials[2]
  assert annotations.random_split(1) == trials[1]


def test_alignment_of_two_lists():
  rng = np.random.default_rng(0)
  dives = [(float(s), 3.0) for s in rng.integers(0, 6, 40)]
  kept = np.flatnonzero(rng.random(40) < 0.7)
  places = annotations.align([dives[k] for k in kept], dives)
  assert None not in places
  assert all(a < b for a, b in zip(places, places[1:], strict=False))
  assert [dives[p] for p in places] == [dives[k] for k in kept]
  # The other way round, as many as there are.
  back = annotations.align(dives, [dives[k] for k in kept])
  assert sum(place is not None for place in back) == len(kept)
  assert annotations.align([(1, 2)], [(1, 2.1)]) == [None]
  assert annotations.align([(1, 2)], []) == [None]


@pytest.mark.parametrize(
  'change, reason',
  [
    (lambda text: text[:-40], 'has 316 lines of dives, not 318'),
    (lambda text: text.replace('A', 'B', 1), 'line 3 and the one after it'),
    (lambda text: text.replace('Score 4', 'Score x', 1), 'line 3 and the one'),
    (lambda text: text.replace('1140', '140', 1), 'the dive of line 3 is imp'),
    (lambda text: '', 'has 0 lines of dives'),
  ],
)
def test_other_content(manual_dir, change, reason):
  path = manual_dir / 'Diving.txt'
  path.write_text(change(path.read_text()))
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir)
  line = str(caught.value)
  assert line.startswith(f'{path}: {reason}')
  assert 'get Diving.txt again from' in line
  assert '\n' not in line


def test_the_name_of_a_copy(manual_dir):
  (manual_dir / 'diving').mkdir()
  (manual_dir / 'Diving.txt').rename(
    manual_dir / 'diving/diving_annotations.txt'
  )
  _, splits = _open(manual_dir)
  assert len(splits['train']) == 100


def test_without_the_file(manual_dir):
  (manual_dir / 'Diving.txt').unlink()
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir)
  line = str(caught.value)
  assert line.startswith(f'Diving.txt: is not in {manual_dir}; get it from')
  assert '--manual_dir' in line and '\n' not in line


def test_clips(manual_dir):
  def frames(folder, pattern, first, last):
    shown = [n % 256 for n in range(first, last + 1)]
    fake_mtl_aqa.write_frames(manual_dir / folder, shown, pattern, first)

  # Of its own competition, of itself, and of MTL-AQA's event 1.
  frames('MIT_Dive/frames', '%d.jpg', 1030, 1150)
  frames('MIT_Dive/002', '%03d.jpg', 1, 120)
  frames('01', '%06d.jpg', 288, 390)
  with pytest.raises(input_error.InputError) as caught:
    _open(manual_dir, 'clips_171x128')
  lines = str(caught.value).split('\n')
  assert lines[0] == f'{manual_dir}: 156 of 159 dives have no frames:'
  places = [line for line in lines if line.startswith('Looked for')]
  assert ['MIT_Dive/frames/' in line for line in places] == [True, False]
  assert ['whole_videos_frames/' in line for line in places] == [False, True]
  builder, splits = _open(manual_dir, 'clips_171x128', allow_missing=True)
  assert builder.coverage == (3, 159)
  shown = {number: _shown(dive) for number, dive in _by_number(splits).items()}
  assert shown == {
    1: [n % 256 for n in range(1035, 1144)],
    2: list(range(12, 121)),
    3: [32] * 3 + [n % 256 for n in range(288, 391)] + [390 % 256] * 3,
  }


def _shown(dive):
  return list(map(fake_mtl_aqa.number, dive['video']))


@pytest.mark.skipif(
  not (SHARED / 'mit_dive').is_dir() or not (SHARED / 'mtl_aqa').is_dir(),
  reason='needs the files in ../shared/mit_dive and ../shared/mtl_aqa',
)
def test_the_real_dives(tmp_path):
  manual = tmp_path / 'manual'
  manual.mkdir()
  (manual / 'Ready_2_Use').symlink_to(SHARED / 'mtl_aqa/release')
  (manual / 'Diving.txt').symlink_to(SHARED / 'mit_dive/Diving.txt')
  builder, splits = _open(manual)
  assert {split: len(source) for split, source in splits.items()} == {
    'train': 100, 'test': 59,
  }  # fmt: skip
  dives = _by_number(splits)
  names = builder.info.features['mtl_aqa_split'].names
  parts = collections.Counter(names[d['mtl_aqa_split']] for d in dives.values())
  assert parts == {'train': 114, 'test': 44, 'none': 1}
  assert names[dives[56]['mtl_aqa_split']] == 'none'
  assert dives[56]['final_score'] == pytest.approx(40.0)
  assert dives[56]['difficulty'] == pytest.approx(3.2)
  samples = [d['mtl_aqa_sample'] for _, d in sorted(dives.items())]
  samples.remove(0)
  assert samples == sorted(set(samples))

  labels = label_columns([label_row(dive) for dive in dives.values()])
  for feature, low, high in (
    ('final_score', 18.15, 100.8), ('difficulty', 2.9, 4.1),
  ):  # fmt: skip
    assert labels[feature].min() == pytest.approx(low)
    assert labels[feature].max() == pytest.approx(high)
  lengths = labels['end_frame'] - labels['start_frame']
  assert (lengths.min(), lengths.max()) == (102, 200)
  # The floor: difficulty alone, by the evaluation of this project.
  floor = compute_baselines(labels, labels, {})['difficulty']['spearman']
  assert floor == pytest.approx(0.331, abs=5e-4)
