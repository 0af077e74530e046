"""Which next words keep a caption in agreement with the classes of a dive.

An automaton over the words that `spoken_classes` knows. All other words are of
one kind, and are never refused.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from aqa_jax.data.spoken_classes import (
  COUNTS,
  DIVE,
  FIRST_OF_COUNT,
  NOUNS,
  ONLY_BEFORE_COUNT,
  SAID_BY,
)

_ROTATION = 'rotation_type'
_ROTATIONS = {
  word: name for name, own in SAID_BY[_ROTATION].items() for word in own
}
# What was said before a count: the word of a rotation, somersaults, or nothing
# of a dive.
_SOMERSAULTS, _OTHER = 'somersaults', ''
_CONTEXTS = (_OTHER, _SOMERSAULTS, *_ROTATIONS)
# What was said before it, and the words of the count up to now.
_State = tuple[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class WordRules:
  """The automaton of a vocabulary.

  Attributes:
    kinds: the kind of each word of the vocabulary; 0 for words without rules.
    classes: (classification, names of its classes), those that have rules.
  """

  kinds: tuple[int, ...]
  classes: tuple[tuple[str, tuple[str, ...]], ...]

  @classmethod
  def create(
    cls,
    words: Sequence[str],
    classes: Sequence[tuple[str, tuple[str, ...]]],
  ) -> 'WordRules':
    """Returns the rules.

    Args:
      words: the vocabulary.
      classes: (classification, names of its classes).
    """
    kind_of = {word: kind for kind, word in enumerate(_known_words(), 1)}
    return cls(
      tuple(kind_of.get(word, 0) for word in words),
      tuple(
        (name, names)
        for name, names in classes
        if name in SAID_BY or name in NOUNS
      ),
    )

  @functools.cached_property
  def following(self) -> np.ndarray:
    """The next state, int32 [states, kinds]; the first state is 0."""
    states = _states()
    place = {state: i for i, state in enumerate(states)}
    return np.array(
      [[place[_next(s, w)] for w in ('', *_known_words())] for s in states],
      np.int32,
    )

  @functools.cached_property
  def refused(self) -> Mapping[str, np.ndarray]:
    """Classification -> bool [classes, states, kinds], what is not said."""
    states, words = _states(), ('', *_known_words())
    return {
      name: np.array(
        [
          [[_refuses(name, own, s, word) for word in words] for s in states]
          for own in names
        ]
      )
      for name, names in self.classes
    }


NO_RULES = WordRules((), ())


@functools.cache
def _known_words() -> tuple[str, ...]:
  """Returns the words that have rules."""
  words = [
    w for by_name in SAID_BY.values() for o in by_name.values() for w in o
  ]
  words += [w for own in NOUNS.values() for w in own]
  words += [w for count in COUNTS for w in count]
  return tuple(dict.fromkeys([*words, DIVE]))


@functools.cache
def _beginnings() -> tuple[tuple[str, ...], ...]:
  """Returns every beginning of a count, the empty one first."""
  found = {count[:n]: 0 for count in COUNTS for n in range(len(count) + 1)}
  return tuple(sorted(found, key=len))


@functools.cache
def _states() -> tuple[_State, ...]:
  return tuple((said, b) for said in _CONTEXTS for b in _beginnings())


def _next(state: _State, word: str) -> _State:
  """Returns the state after a word."""
  said, count = state
  if (*count, word) in _beginnings():
    return said, (*count, word)
  if word in FIRST_OF_COUNT:
    return (_OTHER, (word,))
  if word in _ROTATIONS:
    return word, ()
  if word in NOUNS['somersaults']:
    return _SOMERSAULTS, ()
  return _OTHER, ()


def _refuses(classification: str, name: str, state: _State, word: str) -> bool:
  """Returns whether a word would say another class than the dive's."""
  said, count = state
  if classification in SAID_BY:
    if not count and said in ONLY_BEFORE_COUNT:
      # Only now the word before is one of a dive.
      is_dive = word in FIRST_OF_COUNT or word == DIVE
      if is_dive and _ROTATIONS[said] != name and classification == _ROTATION:
        return True
    return word not in ONLY_BEFORE_COUNT and any(
      word in own
      for other, own in SAID_BY[classification].items()
      if other != name
    )
  if word in NOUNS[classification]:
    # The longest count that ends here is the one that is said.
    return bool(count) and COUNTS.get(count, name) != name
  counted = 'twists' if said == _SOMERSAULTS else 'somersaults'
  if said == _OTHER or counted != classification:
    return False
  if word == DIVE:
    return said in _ROTATIONS and not count and name != '0'
  is_of_count = word in FIRST_OF_COUNT or (*count, word) in _beginnings()
  wanted = next((c for c, own in COUNTS.items() if own == name), ())
  return is_of_count and wanted[: len(count) + 1] != (*count, word)
