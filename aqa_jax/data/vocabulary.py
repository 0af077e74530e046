"""The words of the captions and their ids."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tfds_mtl_aqa.input_error import InputError

EOS = '<eos>'
SOS = '<sos>'
# MTL-AQA has no word for padding: captions are padded with the id of <eos>.
EOS_ID = 0
SOS_ID = 1


class Vocabulary:
  """An immutable list of words, the id of a word being its place in it.

  Words are case-sensitive, as in MTL-AQA's vocab.json. There is no id for
  unknown words.

  Attributes:
    words: the words, by id; <eos> is 0 and <sos> is 1.
  """

  def __init__(self, words: Sequence[str]):
    """Takes the words in the order of their ids.

    Args:
      words: the vocabulary of the dataset's metadata.

    Raises:
      InputError: the first two words are not <eos> and <sos>, or a word is
        there twice.
    """
    self.words = tuple(words)
    if self.words[:2] != (EOS, SOS):
      raise InputError(
        f"A vocabulary must start with '{EOS}', '{SOS}' (ids 0 and 1), got "
        f'{list(self.words[:2])}: prepare the dataset again from its '
        'vocab.json.'
      )
    self._ids = {word: index for index, word in enumerate(self.words)}
    if len(self._ids) != len(self.words):
      twice = [w for i, w in enumerate(self.words) if self._ids[w] != i]
      raise InputError(
        f'The vocabulary holds {_listed(twice)} more than once: give every '
        'word one id.'
      )

  def __len__(self) -> int:
    return len(self.words)

  def encode(
    self, words: Sequence[str], where: str = 'the caption'
  ) -> list[int]:
    """Returns the ids of words; <sos> and <eos> are not added.

    Args:
      words: the words of one caption.
      where: what the words come from, for the error message.

    Raises:
      InputError: words that the vocabulary lacks.
      ValueError: `words` is one string instead of a list of words.
    """
    if isinstance(words, str):
      raise ValueError(f'Expected a list of words, got the string {words!r}.')
    unknown = list(dict.fromkeys(w for w in words if w not in self._ids))
    if unknown:
      raise InputError(
        f'The vocabulary of {len(self)} words lacks {_listed(unknown)} of '
        f'{where}: use the vocab.json that belongs to these captions.'
      )
    return [self._ids[word] for word in words]

  def decode(self, ids: ArrayLike, where: str = 'the caption') -> list[str]:
    """Returns the words of a caption, up to but without <eos>.

    Args:
      ids: int [tokens]. A leading <sos> is left out; a later one, which only a
        model can produce, counts as a word.
      where: what the ids come from, for the error message.

    Raises:
      InputError: an id that the vocabulary lacks, before or after <eos>.
      ValueError: `ids` is not a list of integers.
    """
    ids = _id_array(ids)
    self.check_ids(ids, where)
    ends = np.flatnonzero(ids == EOS_ID)
    if ends.size:
      ids = ids[: ends[0]]
    if ids.size and ids[0] == SOS_ID:
      ids = ids[1:]
    return [self.words[index] for index in ids]

  def check_ids(self, ids: ArrayLike, where: str = 'the caption') -> None:
    """Raises an InputError where an id is none of this vocabulary's.

    Args:
      ids: int [tokens].
      where: what the ids come from, for the error message.

    Raises:
      InputError: an id below 0 or not below the number of words.
      ValueError: `ids` is not a list of integers.
    """
    ids = _id_array(ids)
    bad = np.unique(ids[(ids < 0) | (ids >= len(self))])
    if bad.size:
      raise InputError(
        f'Word ids {bad[:5].tolist()} of {where} are outside the vocabulary '
        f'(0 to {len(self) - 1}): the captions and the vocabulary are of '
        'different datasets; prepare the dataset again.'
      )


def pad_caption(
  ids: ArrayLike, max_length: int
) -> tuple[np.ndarray, np.ndarray]:
  """Brings a caption to a fixed length, as the official code does.

  A caption of more than `max_length` tokens is cut there and its last word
  replaced by <eos>; a shorter one is padded with 0, which is <eos> too
  (ParitoshParmar/MTL-AQA, dataloader_C3DAVG.py: 126 to 132).

  Args:
    ids: int [tokens], with <sos> first and <eos> last.
    max_length: tokens, at least 1; 100 in the paper's code.

  Returns:
    ids: int32 [max_length].
    mask: float32 [max_length], 1 through the first <eos>, 0 after it.

  Raises:
    ValueError: `ids` is empty, does not end with <eos> or is not a list of
      integers, or `max_length` is below 1.
  """
  ids = _id_array(ids)
  if max_length < 1:
    raise ValueError(f'max_length must be at least 1, got {max_length}.')
  if not ids.size or ids[-1] != EOS_ID:
    raise ValueError(
      f'A caption must end with {EOS} (id {EOS_ID}), got {ids[-5:].tolist()}.'
    )
  padded = np.full(max_length, EOS_ID, np.int32)
  kept = min(len(ids), max_length)
  padded[:kept] = ids[:kept]
  padded[kept - 1] = EOS_ID
  mask = np.zeros(max_length, np.float32)
  mask[: np.flatnonzero(padded == EOS_ID)[0] + 1] = 1
  return padded, mask


def _id_array(ids: ArrayLike) -> np.ndarray:
  """Returns word ids as int64 [tokens]."""
  array = np.asarray(ids)
  if array.ndim != 1 or (array.size and array.dtype.kind not in 'iu'):
    raise ValueError(
      f'Word ids must be integers [tokens], got {array.dtype} {array.shape}.'
    )
  return array.astype(np.int64)


def _listed(words: Sequence[str], most: int = 5) -> str:
  """Returns words for an error message, the first few by name."""
  named = ', '.join(repr(word) for word in words[:most])
  left = len(words) - most
  return f'{named} and {left} more' if left > 0 else named
