"""Writes the commentary on a simulated dive from phrases about its events."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from tfds_mtl_aqa.simulated_dives import phrases
from tfds_mtl_aqa.simulated_dives.dive_numbers import DiveNumber
from tfds_mtl_aqa.simulated_dives.faults import NAMES, Faults

EOS, SOS = 0, 1
SPECIAL_TOKENS = ('<eos>', '<sos>')
# A fault is mentioned from this severity on, called bad from this one on, and
# its absence is praised up to this one.
MENTIONED, BAD, ABSENT = 0.3, 0.6, 0.1
_MAX_FAULTS = 2
_MAX_WORDS = 45

# Faults whose absence is praised under another name.
PRAISED_AS = {
  'over': 'rotation',
  'short': 'rotation',
  'far': 'distance',
  'close': 'distance',
}
_DIRECTIONS = ('back', 'forward', 'inward', 'reverse')
_POSITIONS = (
  ('in the free position', 'free'),
  ('in the pike position', 'piked', 'with pike'),
  ('in the tuck position', 'tucked', 'with tuck'),
)
_COUNTS = (
  'no',
  'half',
  'one',
  'one and a half',
  'two',
  'two and a half',
  'three',
  'three and a half',
  'four',
  'four and a half',
)


def dive_name(number: DiveNumber) -> str:
  """Returns a dive in words, without its position.

  Args:
    number: the dive.

  Returns:
    For 5253B 'back two and a half somersaults one and a half twists'.
  """
  words = ['armstand'] if number.armstand else []
  words.append(_DIRECTIONS[number.rotation_type])
  if number.somersaults:
    words.append(_plural(number.somersaults, 'somersault'))
  else:
    words.append('dive')
  if number.twists:
    words.append(_plural(number.twists, 'twist'))
  return ' '.join(words)


def _plural(halves: int, noun: str) -> str:
  return f'{_COUNTS[halves]} {noun}{"s" if halves > 2 else ""}'


def happened(faults: Faults) -> dict[str, float]:
  """Returns the severity of each fault, by its name in `phrases.FAULTS`.

  Args:
    faults: of the dive.

  Returns:
    Severities from 0 to 1. The error of rotation is named 'over' or 'short',
    and the distance 'far' or 'close'; the other name of each is left out.
  """
  severities = dict(zip(NAMES, faults.severities(), strict=True))
  rotation = severities.pop('rotation_error')
  distance = severities.pop('distance')
  severities['over' if faults.rotation_error > 0 else 'short'] = rotation
  severities['far' if faults.distance > 0 else 'close'] = distance
  return {name: float(value) for name, value in severities.items()}


def comment(
  number: DiveNumber,
  faults: Faults,
  award: float,
  springboard: bool,
  rng: np.random.Generator,
) -> str:
  """Returns the commentary, which never tells the score.

  Args:
    number: the announced dive.
    faults: what went wrong.
    award: that the dive deserves, from 0 to 10; decides the verdict.
    springboard: whether from the 3 m springboard, else the 10 m platform.
    rng: source of random numbers.

  Returns:
    15 to 45 words between single spaces.
  """
  severities = happened(faults)
  worst = sorted(severities, key=severities.__getitem__, reverse=True)
  seen = [name for name in worst if severities[name] >= MENTIONED]
  remarks = [
    _choose(phrases.FAULTS[name][severities[name] >= BAD], rng)
    for name in seen[:_MAX_FAULTS]
  ]
  if len(remarks) < _MAX_FAULTS:
    absent = [name for name in worst if severities[name] <= ABSENT]
    if absent:
      name = absent[rng.integers(len(absent))]
      praise = phrases.PRAISE[PRAISED_AS.get(name, name)]
      remarks.append(_choose(praise, rng))
  tone = int(np.searchsorted(phrases.VERDICT_AWARDS, award))
  announced = [
    _choose(phrases.OPENINGS, rng),
    dive_name(number),
    _choose(_POSITIONS[number.position], rng),
    _choose(phrases.HEIGHTS[springboard], rng),
  ]
  verdict = _choose(phrases.VERDICTS[tone], rng)
  flight = _choose(phrases.FLIGHTS[number.position], rng)
  parts = [*announced, *remarks, verdict]
  clean_in_the_air = (
    max(severities['legs_apart'], severities['knee_bend']) <= ABSENT
  )
  if clean_in_the_air and _count_words([*parts, flight]) <= _MAX_WORDS:
    parts.insert(len(announced), flight)
  if _count_words(parts) > _MAX_WORDS:
    del parts[0]  # The opening.
  if _count_words(parts) > _MAX_WORDS:
    del parts[-2]  # The lesser remark.
  return ' '.join(parts)


def _count_words(parts: Sequence[str]) -> int:
  return len(' '.join(parts).split())


def _choose(options: Sequence[str], rng: np.random.Generator) -> str:
  return options[int(rng.integers(len(options)))]


def _all_phrases() -> Iterator[str]:
  """Yields every phrase that a comment can contain."""
  yield from phrases.OPENINGS
  for table in (phrases.HEIGHTS, phrases.FLIGHTS, phrases.PRAISE):
    for options in table.values():
      yield from options
  for mild, bad in phrases.FAULTS.values():
    yield from mild + bad
  for options in phrases.VERDICTS + _POSITIONS:
    yield from options
  yield from _DIRECTIONS + _COUNTS[1:]
  yield 'armstand dive somersault somersaults twist twists'


@functools.cache
def _token_ids() -> dict[str, int]:
  words = {word for phrase in _all_phrases() for word in phrase.split()}
  tokens = (*SPECIAL_TOKENS, *sorted(words))
  return {token: i for i, token in enumerate(tokens)}


def vocabulary() -> list[str]:
  """Returns all tokens: <eos>, <sos>, then the words in alphabetical order."""
  return list(_token_ids())


def caption_ids(caption: str) -> np.ndarray:
  """Returns the tokens of a caption as indices into `vocabulary`.

  Args:
    caption: words between single spaces.

  Returns:
    int32 [tokens], with <sos> first and <eos> last.

  Raises:
    KeyError: a word is not in the vocabulary.
  """
  ids = _token_ids()
  words = [ids[word] for word in caption.split()]
  return np.array([SOS, *words, EOS], np.int32)
