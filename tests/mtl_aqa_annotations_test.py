import fake_mtl_aqa
import pytest

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.mtl_aqa import annotations, unlv_dive


@pytest.fixture(name='release')
def fixture_release(tmp_path):
  return annotations.read_release(fake_mtl_aqa.write_release(tmp_path))


def test_reads_a_dive_whole(release):
  assert annotations.example(release.dives[3, 3]) == {
    'event': 3,
    'sample': 3,
    'start_frame': 110,
    'end_frame': 200,
    'final_score': 63.0,
    'difficulty': 3.2,
    'position': 2,
    'armstand': 0,
    'rotation_type': 3,
    'somersaults': 5,
    'twists': 1,
    'judge_scores': [6.5, 7, 7, 7.5, 8, 8, 6],
    'dive_number': '5152B',
    'caption': 'a fine dive',
    'caption_ids': [1, 2, 3, 4, 0],
    'subsets': {
      'released_443': True,
      'clean_443': False,  # It is a test dive.
      'released_279': False,
      'clean_279': False,
      'released_143': False,
      'clean_143': False,
    },
    'unlv_dive': 'test',
  }


def test_keeps_the_order_of_the_splits(release):
  assert list(release.splits['train']) == fake_mtl_aqa.TRAIN
  assert list(release.splits['test']) == fake_mtl_aqa.TEST
  assert set(release.dives) == set(fake_mtl_aqa.END_FRAMES)


def test_leaves_out_captions_without_labels(release):
  assert (1, 64) not in release.dives
  # Their words stay, since ids must not move.
  assert release.vocabulary == tuple(fake_mtl_aqa.WORDS)


@pytest.mark.parametrize(
  'changes, message',
  [
    (
      {
        'captions': {
          k: ['<sos>', 'zebra', '<eos>'] for k in fake_mtl_aqa.END_FRAMES
        }
      },
      r'captions_dict.pkl: .*\(3, 2\).*words.*vocab.json lacks: zebra',
    ),
    (
      {'captions': {k: ['a', '<eos>'] for k in fake_mtl_aqa.END_FRAMES}},
      'does not run from <sos>',
    ),
    ({'captions': {(3, 2): ['<sos>', '<eos>']}}, r'it lacks dive \(2, 1\)'),
    ({'captions': ['<sos>']}, 'holds no dictionary'),
    ({'annotations': {'a': {}}}, 'keys are not pairs'),
    ({'train': [(9, 9)]}, r'train_split_0.pkl: it names dive \(9, 9\)'),
    ({'train': [(3, 2), (3, 2)]}, 'names a dive twice'),
    ({'train': {(3, 2)}}, 'train_split_0.pkl'),
    ({'test': [(3, 2)]}, 'test_split_0.pkl: shares dives with'),
    ({'unlv_test': [(7, 1)]}, 'outside UNLV-Dive'),
    (
      {'vocabulary': {'word_to_ix': {'<eos>': 0, 'a': 1}}},
      'vocab.json: its ids do',
    ),
    ({'vocabulary': []}, 'vocab.json: it holds no vocabulary'),
    (
      {
        'judges': {
          k: {'judge_scores': [75] * 7} for k in fake_mtl_aqa.END_FRAMES
        }
      },
      "judges' scores of dive",
    ),
    ({'judges': {k: {} for k in fake_mtl_aqa.END_FRAMES}}, "no judges' scores"),
  ],
)
def test_names_the_file_that_is_wrong(tmp_path, changes, message):
  paths = fake_mtl_aqa.write_release(tmp_path, **changes)
  with pytest.raises(input_error.InputError, match=message):
    annotations.read_release(paths)


@pytest.mark.parametrize(
  'field, value', [('ss_no', 10), ('position', -1), ('end_frame', 'x')]
)
def test_refuses_labels_out_of_range(tmp_path, field, value):
  import pickle

  paths = fake_mtl_aqa.write_release(tmp_path)
  content = pickle.loads(paths['annotations'].read_bytes())
  content[2, 3][field] = value
  paths['annotations'].write_bytes(pickle.dumps(content, 3))
  with pytest.raises(input_error.InputError, match=r'labels of dive \(2, 3\)'):
    annotations.read_release(paths)


def test_unlv_ids_and_keys_are_one_to_one():
  ids = unlv_dive.ids_by_key()
  assert sorted(ids.values()) == list(range(1, 371))
  assert not {(3, 9), (1, 64), (1, 70)} & set(ids)
  assert {event: sum(k[0] == event for k in ids) for event in (1, 2, 3)} == {
    1: 190,
    2: 108,
    3: 72,
  }
  for outside in (0, 371):
    with pytest.raises(ValueError, match='370'):
      unlv_dive.key_of_id(outside)


def test_released_unlv_keys_are_not_taken_at_their_word():
  # (3, 9) stands for id 9, which is dive (3, 10); (1, 64) for id 244.
  ids = unlv_dive.ids_of_released_list([(3, 8), (3, 9), (2, 1), (1, 64)])
  assert ids == [8, 9, 73, 244]
  assert [unlv_dive.key_of_id(i) for i in ids] == [
    (3, 8),
    (3, 10),
    (2, 1),
    (1, 65),
  ]
