"""The real annotations and the real dive, where they are at hand.

They belong to their authors and are not part of this repository.
"""

import collections
import os
import pathlib
import subprocess
import sys

import fake_mtl_aqa
import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa
from aqa_jax.data import dive_selection
from aqa_jax.evaluation import caption_metrics, ceilings
from tfds_mtl_aqa import labels, restricted_pickle
from tfds_mtl_aqa.mtl_aqa import annotations, unlv_dive

ROOT = pathlib.Path(__file__).parents[1]
SHARED = fake_mtl_aqa.SHARED

pytestmark = pytest.mark.skipif(
  not (SHARED / 'mtl_aqa').is_dir(),
  reason='needs the MTL-AQA release in ../shared/mtl_aqa',
)

# Dives whose score is not the median three of the judges' scores times the
# difficulty, by the spreadsheets from which the release was made.
SCORE_EXCEPTIONS = {
  (1, 70), (2, 1), (4, 8), (4, 116), (5, 20), (5, 23), (5, 25), (5, 29),
  (5, 33), (5, 42), (5, 59), (5, 63), (5, 85), (7, 53), (7, 57), (9, 45),
  (9, 58), (9, 60), (10, 23), (13, 4), (14, 34), (17, 98), (18, 17), (18, 43),
  (18, 69), (22, 11), (26, 39),
}  # fmt: skip


@pytest.fixture(name='manual_dir', scope='module')
def fixture_manual_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('manual')
  (folder / 'Ready_2_Use').symlink_to(SHARED / 'mtl_aqa/release')
  (folder / 'info').symlink_to(SHARED / 'mtl_aqa/judges')
  video = SHARED / 'media/mtl_aqa_03_55.avi'
  (folder / video.name).symlink_to(video)
  return folder


@pytest.fixture(name='data_dir', scope='module')
def fixture_data_dir(tmp_path_factory, manual_dir):
  folder = tmp_path_factory.mktemp('data')
  builder = tfds_mtl_aqa.MtlAqa(data_dir=folder, config='annotations')
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
  )
  return folder


@pytest.fixture(name='splits', scope='module')
def fixture_splits(data_dir):
  return {
    split: list(source)
    for split, source in tfds.data_source(
      'mtl_aqa/annotations', data_dir=data_dir
    ).items()
  }


@pytest.fixture(name='dives', scope='module')
def fixture_dives(splits):
  dives = splits['train'] + splits['test']
  return {(dive['event'], dive['sample']): dive for dive in dives}


@pytest.fixture(name='info', scope='module')
def fixture_info(data_dir):
  return tfds.builder('mtl_aqa/annotations', data_dir=data_dir).info


def _released(name):
  return restricted_pickle.load(SHARED / 'mtl_aqa/release' / name)


def test_sizes_and_official_order(splits, dives):
  assert [len(splits['train']), len(splits['test'])] == [1059, 353]
  assert len(dives) == 1412
  for split in splits:
    keys = [(dive['event'], dive['sample']) for dive in splits[split]]
    assert keys == _released(f'MTL-AQA_split_0_data/{split}_split_0.pkl')


def test_events(splits, dives):
  assert collections.Counter(event for event, _ in dives) == {
    1: 191, 2: 108, 3: 73, 4: 129, 5: 90, 6: 60, 7: 99, 9: 88, 10: 44, 13: 30,
    14: 87, 17: 169, 18: 72, 22: 48, 26: 124,
  }  # fmt: skip
  for split in splits.values():
    assert len({dive['event'] for dive in split}) == 15


@pytest.mark.parametrize(
  'name, train, test',
  [
    ('position', [119, 530, 410], [33, 172, 148]),
    ('armstand', [931, 128], [315, 38]),
    ('rotation_type', [420, 275, 203, 161], [143, 84, 63, 63]),
    (
      'somersaults',
      [22, 1, 5, 52, 83, 371, 40, 434, 0, 51],
      [5, 0, 1, 18, 25, 121, 12, 156, 0, 15],
    ),
    ('twists', [750, 13, 35, 154, 30, 63, 9, 5], [259, 7, 7, 46, 8, 24, 2, 0]),
  ],
)
def test_class_counts(splits, name, train, test):
  for split, expected in [('train', train), ('test', test)]:
    codes = [dive[name] for dive in splits[split]]
    assert np.bincount(codes, minlength=len(expected)).tolist() == expected


def test_class_combinations(splits):
  def combinations(dives):
    return {tuple(dive[name] for name in labels.CLASS_NAMES) for dive in dives}

  assert len(combinations(splits['train'] + splits['test'])) == 58
  assert combinations(splits['test']) <= combinations(splits['train'])


def test_class_names_agree_with_dive_numbers(dives, info):
  """A dive number says the same as the labels, in FINA's own code."""
  directions = {'1': 'forward', '2': 'backward', '3': 'reverse', '4': 'inward'}
  positions = {'D': 'free', 'C': 'tuck', 'B': 'pike', 'A': 'straight'}
  plain = collections.Counter()
  for dive in dives.values():
    number = dive['dive_number'].decode()
    names = {
      name: info.features[name].int2str(dive[name])
      for name in labels.CLASS_NAMES
    }
    digits, position = number[:-1], number[-1]
    # Twisting dives start with 5, armstand dives with 6; the direction follows.
    group = digits[0]
    direction = digits[1] if group in '56' else group
    assert names['rotation_type'] == directions[direction], number
    assert names['armstand'] == ('yes' if group == '6' else 'no'), number
    assert names['position'] == positions[position], number
    half_somersaults = int(digits[2])
    half_twists = int(digits[3]) if len(digits) == 4 else 0
    assert float(names['twists']) * 2 == half_twists, number
    if half_somersaults == 0:
      plain[number] += 1
    assert float(names['somersaults']) * 2 == half_somersaults, number
  # FINA counts half a somersault in a plain dive (301D). The release codes all
  # of them but one (201B) as none, and its dive numbers follow the code.
  assert plain == {'300D': 11, '300B': 8, '200D': 5, '200B': 2, '100B': 1}
  halves = [d['dive_number'] for d in dives.values() if d['somersaults'] == 1]
  assert halves == [b'201B']
  assert len({dive['dive_number'] for dive in dives.values()}) == 58


@pytest.mark.parametrize(
  'split, mean, std, low, high',
  [
    ('all', 67.004, 16.924, 0, 104.5),
    ('train', 67.405, 16.498, 0, 102.6),
    ('test', 65.802, 18.090, 0, 104.5),
  ],
)
def test_scores(splits, dives, split, mean, std, low, high):
  chosen = dives.values() if split == 'all' else splits[split]
  scores = np.array([dive['final_score'] for dive in chosen])
  assert [scores.mean(), scores.std()] == pytest.approx([mean, std], abs=6e-4)
  assert [scores.min(), scores.max()] == pytest.approx([low, high])


def test_zeros_and_difficulty_and_execution(splits, dives):
  zeros = {
    split: [
      (dive['event'], dive['sample'])
      for dive in splits[split]
      if dive['final_score'] == 0
    ]
    for split in splits
  }
  assert zeros == {'train': [(17, 164)], 'test': [(17, 35)]}
  assert dives[14, 45]['final_score'] == pytest.approx(8.1)
  difficulty = np.array([dive['difficulty'] for dive in dives.values()])
  score = np.array([dive['final_score'] for dive in dives.values()])
  execution = score / difficulty
  assert len(np.unique(difficulty)) == 23
  assert [difficulty.min(), difficulty.max()] == pytest.approx([1.5, 4.1])
  assert [difficulty.mean(), difficulty.std()] == pytest.approx(
    [3.1295, 0.4219], abs=1e-4
  )
  assert [execution.mean(), execution.std()] == pytest.approx(
    [21.352, 4.195], abs=6e-4
  )
  assert [execution.min(), execution.max()] == pytest.approx([0, 29])
  doubled = 2 * execution
  assert (np.abs(doubled - doubled.round()) > 0.01).sum() == 11


def test_judges(dives):
  exceptions = {}
  for key, dive in dives.items():
    judged = np.sort(dive['judge_scores'])[2:5].sum() * dive['difficulty']
    if abs(judged - dive['final_score']) > 0.06:
      exceptions[key] = judged
  # The others agree: 1385, or 1384 without (4, 100), which the spreadsheets
  # have a slip in.
  assert set(exceptions) == SCORE_EXCEPTIONS
  assert len(dives) - len(SCORE_EXCEPTIONS) == 1385
  assert exceptions[1, 70] == pytest.approx(37.95, abs=0.01)
  assert dives[1, 70]['final_score'] == pytest.approx(18.15)
  # Two slips of the spreadsheets: '7..5' and 45.
  assert dives[4, 100]['judge_scores'].tolist() == [7.5, 8, 8, 8, 8, 8, 8]
  assert dives[4, 49]['judge_scores'].tolist() == [2.5, 4, 4, 4.5, 3.5, 5, 4]
  scores = np.concatenate([dive['judge_scores'] for dive in dives.values()])
  assert scores.min() == 0
  assert scores.max() == 10
  assert (scores % 0.5 == 0).all()


def test_frames(dives):
  start = np.array([dive['start_frame'] for dive in dives.values()])
  end = np.array([dive['end_frame'] for dive in dives.values()])
  length = end - start
  assert [length.min(), length.max()] == [54, 273]
  assert length.mean() == pytest.approx(106.2, abs=0.05)
  assert np.median(length) == 100
  assert (length > 103).sum() == 637
  assert (length > 97).sum() == 798
  assert (length > 96).sum() == 812  # Their heads are outside 96 frames.
  assert end.min() == 1210
  assert start.max() < 1_000_000
  for event in {event for event, _ in dives}:
    spans = sorted(
      (dive['start_frame'], dive['end_frame'])
      for dive in dives.values()
      if dive['event'] == event
    )
    assert all(
      one[1] < other[0] for one, other in zip(spans, spans[1:], strict=False)
    )


def test_captions_and_vocabulary(splits, dives, info):
  vocabulary = info.metadata['vocabulary']
  assert len(vocabulary) == 5781
  assert vocabulary[:2] == ['<eos>', '<sos>']
  released = {
    (int(event), int(sample)): words
    for (event, sample), words in _released(
      'MTL-AQA_split_0_data/final_captions_dict.pkl'
    ).items()
  }
  assert len(released) == 1416
  assert set(released) - set(dives) == {(1, 64), (17, 72), (17, 149), (26, 92)}
  lengths = []
  used = {'train': set(), 'test': set()}
  for split, chosen in splits.items():
    for dive in chosen:
      words = [vocabulary[index] for index in dive['caption_ids']]
      assert words == released[dive['event'], dive['sample']]
      assert ' '.join(words[1:-1]) == dive['caption'].decode()
      lengths.append(len(words))
      used[split].update(words)
  lengths = np.array(lengths)
  assert [lengths.min(), lengths.max(), np.median(lengths)] == [4, 485, 78]
  assert lengths.mean() == pytest.approx(76.9, abs=0.05)
  assert [(lengths[:1059] > 100).sum(), (lengths[1059:] > 100).sum()] == [
    187,
    63,
  ]
  assert len(used['train'] | used['test']) == 5779
  assert len(used['train']) == 5053
  assert len(used['test'] - used['train']) == 726
  unused = set(vocabulary) - used['train'] - used['test']
  assert unused == {'diabolical', 'restart'}
  # The two ids that the official size of 5779 leaves out.
  assert vocabulary[5779:] == ['lien', 'questions']
  late = [key for key, d in dives.items() if d['caption_ids'].max() >= 5779]
  assert late == [(26, 125)]


def test_smaller_training_sets(splits):
  counts = {
    split: collections.Counter(
      name
      for dive in splits[split]
      for name, value in dive['subsets'].items()
      if value
    )
    for split in splits
  }
  assert counts['train'] == {
    'released_443': 328, 'clean_443': 328, 'released_279': 199,
    'clean_279': 199, 'released_143': 107, 'clean_143': 107,
  }  # fmt: skip
  # The leak: dives of the released lists that are tested on.
  assert counts['test'] == {
    'released_443': 115, 'released_279': 80, 'released_143': 36
  }  # fmt: skip
  events = collections.defaultdict(set)
  for dive in splits['train'] + splits['test']:
    for name in annotations.SUBSETS:
      if dive['subsets'][f'released_{name}']:
        events[name].add(dive['event'])
  assert events == {'443': {1, 2, 3, 4, 5}, '279': {1, 2, 3}, '143': {1}}


def test_unlv_dive(splits, dives):
  with np.load(SHARED / 'unlv_dive/s3d_p3d_features.npz') as features:
    ids = {split: features[f'{split}_id'].tolist() for split in splits}
    scores = features['all_scores']
    difficulty = features['all_difficulty']
  names = annotations.UNLV_SPLITS
  for split in splits:
    flagged = {k for k, d in dives.items() if names[d['unlv_dive']] == split}
    assert flagged == {unlv_dive.key_of_id(i) for i in ids[split]}
  assert [len(ids['train']), len(ids['test'])] == [300, 70]
  differing = {}
  for dive_id in range(1, 371):
    key = unlv_dive.key_of_id(dive_id)
    if abs(dives[key]['final_score'] - scores[dive_id - 1]) > 0.01:
      differing[key] = scores[dive_id - 1]
  assert differing == pytest.approx({(2, 1): 88.2, (1, 167): 67.3})
  assert np.mean(
    [
      abs(dives[key]['difficulty'] - difficulty[dive_id - 1]) < 0.01
      for key, dive_id in unlv_dive.ids_by_key().items()
    ]
  ) > 0.98  # fmt: skip
  # The release's own keys for the same dives are often a neighbour's.
  naive = _released('UNLV_Dive_split_4/test_split_370_4.pkl')
  wrong = set(naive) ^ {unlv_dive.key_of_id(i) for i in ids['test']}
  assert len(wrong & set(naive)) == 23
  in_mtl_train = {(dive['event'], dive['sample']) for dive in splits['train']}
  true_keys = {unlv_dive.key_of_id(i) for i in ids['test']}
  assert len(set(naive) & in_mtl_train) == 49
  assert len(true_keys & in_mtl_train) == 51


def test_metadata(info):
  assert info.metadata['num_dives'] == 1412
  assert info.metadata['missing'] == []


def test_the_real_dive(manual_dir, tmp_path):
  command = [
    sys.executable, '-m', 'tfds_mtl_aqa.prepare', 'mtl_aqa',
    f'--manual_dir={manual_dir}', f'--data_dir={tmp_path}',
    '--num_processes=1',
  ]  # fmt: skip
  environment = os.environ | {'PYTHONPATH': str(ROOT)}
  refused = subprocess.run(
    command, capture_output=True, text=True, env=environment, check=False
  )
  assert refused.returncode == 2
  lines = refused.stderr.split('\n')
  assert lines[0].endswith('1411 of 1412 dives have no frames:')
  assert 'event 26: all 124 dives, frames 19520 to 271724: ' in refused.stderr
  assert sum(line.startswith('  event ') for line in lines) == 14
  assert sum(line.startswith('  dive 03_') for line in lines) == 72

  done = subprocess.run(
    [*command, '--allow_missing'],
    capture_output=True,
    text=True,
    env=environment,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert '1 of 1412 dives' in done.stdout
  info = tfds.builder('mtl_aqa', data_dir=tmp_path).info
  assert len(info.metadata['missing']) == 1411
  (dive,) = tfds.data_source('mtl_aqa', split='train', data_dir=tmp_path)
  assert [dive['event'], dive['sample']] == [3, 55]
  assert dive['final_score'] == pytest.approx(84.15)
  assert dive['difficulty'] == pytest.approx(3.3)
  assert dive['dive_number'] == b'207C'
  names = {
    name: info.features[name].int2str(dive[name]) for name in labels.CLASS_NAMES
  }
  assert names == {
    'position': 'tuck',
    'armstand': 'no',
    'rotation_type': 'backward',
    'somersaults': '3.5',
    'twists': '0',
  }
  video = np.stack(dive['video'])
  assert video.shape == (109, 128, 171, 3)
  assert dive['padded_frames'].tolist() == [3, 3]
  assert (video[:3] == video[3]).all()
  assert (video[-3:] == video[-4]).all()
  # A pool is blue: the channels are in the order red, green, blue.
  red, _, blue = video.reshape(-1, 3).mean(0)
  assert blue > red


def test_baselines_of_the_real_captions(splits):
  """A random training caption for each test dive."""
  train, test = (
    [dive['caption'].decode().split() for dive in splits[name]]
    for name in ('train', 'test')
  )
  drawn = caption_metrics.random_captions(train, len(test))
  found = caption_metrics.caption_metrics(drawn, test)
  expected = {'bleu_1': 0.22, 'rouge_l': 0.115, 'cider': 0.025, 'meteor': 0.09}
  assert found['bleu_1'] == pytest.approx(0.22, abs=0.01)
  for name in found.keys() & expected.keys():
    assert found[name] == pytest.approx(expected[name], abs=0.01), name
  central = caption_metrics.central_caption(train)
  assert 50 < len(central) < 150
  baseline = caption_metrics.caption_bleu([central] * len(test), test)
  assert baseline['bleu_1'] > found['bleu_1']


def test_ceilings_of_the_real_judges(splits):
  labels_of_test = {
    name: np.array([dive[name] for dive in splits['test']], np.float64)
    for name in ('final_score', 'difficulty', 'judge_scores')
  }
  found = ceilings.judge_ceilings(labels_of_test)
  assert found['one judge']['spearman'] == pytest.approx(0.9787, abs=5e-4)
  assert found['panel']['spearman'] > 0.9995


def test_splits_of_the_real_release(data_dir):
  builder = tfds.builder('mtl_aqa/annotations', data_dir=data_dir)
  sizes = {
    'released_443': (443, 115), 'released_279': (279, 80),
    'released_143': (143, 36), 'clean_443': (328, 0), 'clean_279': (199, 0),
    'clean_143': (107, 0), 'resampled_450': (450, 0), 'unlv_train': (300, None),
    'unlv_test': (70, None), 'events_7_26': (99 + 124, None),
  }  # fmt: skip
  test = dive_selection.select(builder, 'test')
  for name, (size, leaked) in sizes.items():
    split = dive_selection.select(builder, name)
    assert len(split) == size, name
    if leaked is not None:
      assert dive_selection.are_in(test, split).sum() == leaked, name
  train = dive_selection.select(builder, 'train')
  unlv = dive_selection.select(builder, 'unlv_test')
  assert dive_selection.are_in(unlv, train).sum() == 51
