import numpy as np
import pytest

from aqa_jax.data import vocabulary
from tfds_mtl_aqa.input_error import InputError

WORDS = ['<eos>', '<sos>', 'a', 'Good', 'good', 'dive']


def test_encode_and_decode():
  words = vocabulary.Vocabulary(WORDS)
  assert len(words) == 6
  assert words.words == tuple(WORDS)
  ids = words.encode(['<sos>', 'a', 'Good', 'dive', '<eos>'])
  assert ids == [1, 2, 3, 5, 0]
  assert words.decode(ids) == ['a', 'Good', 'dive']
  assert words.encode([]) == []


def test_decode_stops_at_the_first_eos():
  words = vocabulary.Vocabulary(WORDS)
  assert words.decode(np.array([4, 5, 0, 2, 2], np.int32)) == ['good', 'dive']
  assert words.decode([4, 5]) == ['good', 'dive']
  assert words.decode([0]) == []
  assert words.decode([]) == []
  assert words.decode([1, 2, 1, 0]) == ['a', '<sos>']


@pytest.mark.parametrize(
  'words',
  [[], ['<eos>'], ['<sos>', '<eos>', 'a'], ['a', '<eos>', '<sos>']],
)
def test_specials_must_come_first(words):
  with pytest.raises(InputError, match='must start with'):
    vocabulary.Vocabulary(words)


def test_words_must_be_unique():
  with pytest.raises(InputError, match="holds 'a' more than once"):
    vocabulary.Vocabulary([*WORDS, 'a'])


def test_unknown_words_are_named():
  words = vocabulary.Vocabulary(WORDS)
  with pytest.raises(InputError) as error:
    words.encode(['a', 'bad', 'dive', 'bad', 'Dive'], where='dive (1, 2)')
  for expected in ("'bad', 'Dive'", 'dive (1, 2)', 'vocab.json', '6 words'):
    assert expected in str(error.value)
  with pytest.raises(InputError, match="'w4' and 3 more"):
    words.encode([f'w{i}' for i in range(8)])
  with pytest.raises(ValueError, match='list of words'):
    words.encode('a dive')


@pytest.mark.parametrize('bad', [6, -1])
def test_ids_out_of_range_are_named(bad):
  words = vocabulary.Vocabulary(WORDS)
  with pytest.raises(InputError, match=rf'\[{bad}\] of dive.*0 to 5'):
    words.decode([2, bad, 0], where='dive (1, 2)')
  with pytest.raises(InputError, match='outside the vocabulary'):
    words.decode([2, 0, bad])
  words.check_ids([0, 5])


def test_ids_must_be_integers():
  with pytest.raises(ValueError, match='integers'):
    vocabulary.Vocabulary(WORDS).decode([1.0, 2.0])
  with pytest.raises(ValueError, match='integers'):
    vocabulary.pad_caption([[1, 0]], 4)


def official_padding(ids, max_length):
  """ParitoshParmar/MTL-AQA, dataloader_C3DAVG.py: 126 to 132, in words."""
  ids = list(ids)
  if len(ids) > max_length:
    ids = ids[:max_length]
    ids[-1] = 0
  padded = [0] * max_length
  mask = [0.0] * max_length
  for position, index in enumerate(ids):
    padded[position] = index
  for position in range(padded.index(0) + 1):
    mask[position] = 1.0
  return padded, mask


@pytest.mark.parametrize(
  ('ids', 'expected_ids', 'expected_mask'),
  [
    ([1, 5, 0], [1, 5, 0, 0, 0], [1, 1, 1, 0, 0]),
    ([1, 5, 6, 7, 0], [1, 5, 6, 7, 0], [1, 1, 1, 1, 1]),
    ([1, 5, 6, 7, 8, 0], [1, 5, 6, 7, 0], [1, 1, 1, 1, 1]),
    ([1, 5, 6, 7, 8, 9, 0], [1, 5, 6, 7, 0], [1, 1, 1, 1, 1]),
    ([0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]),
  ],
)
def test_pad_caption(ids, expected_ids, expected_mask):
  padded, mask = vocabulary.pad_caption(ids, 5)
  assert padded.dtype == np.int32
  assert mask.dtype == np.float32
  assert padded.tolist() == expected_ids
  assert mask.tolist() == expected_mask


def test_pad_caption_against_the_official_steps():
  rng = np.random.default_rng(0)
  for length in [0, 1, 96, 97, 98, 99, 100, 101, 483]:
    ids = [1, *rng.integers(2, 5781, length).tolist(), 0]
    padded, mask = vocabulary.pad_caption(np.array(ids), 100)
    expected_ids, expected_mask = official_padding(ids, 100)
    assert padded.tolist() == expected_ids
    assert mask.tolist() == expected_mask


def test_pad_caption_leaves_its_input_alone():
  ids = np.array([1, 5, 6, 0], np.int32)
  vocabulary.pad_caption(ids, 2)
  assert ids.tolist() == [1, 5, 6, 0]


def test_pad_caption_refuses_what_has_no_end():
  with pytest.raises(ValueError, match='must end with <eos>'):
    vocabulary.pad_caption([1, 5, 6], 5)
  with pytest.raises(ValueError, match='must end with <eos>'):
    vocabulary.pad_caption([], 5)
  with pytest.raises(ValueError, match='max_length'):
    vocabulary.pad_caption([1, 0], 0)
