"""Which classes of a dive the words of a commentary say."""

from collections.abc import Mapping, Sequence

from tfds_mtl_aqa.labels import CLASS_NAMES

# Classification -> class -> single words that say it.
SAID_BY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
  'position': {
    'free': ('free',),
    'pike': ('pike', 'piked'),
    'tuck': ('tuck', 'tucked'),
  },
  'armstand': {'yes': ('armstand',)},
  'rotation_type': {
    'backward': ('back', 'backward'),
    'forward': ('forward',),
    'inward': ('inward',),
    'reverse': ('reverse',),
  },
}
# Only in front of a count or of DIVE: 'back to the leader' is no dive.
ONLY_BEFORE_COUNT = ('back', 'forward')
# Classification -> what it counts.
NOUNS = {
  'somersaults': ('somersault', 'somersaults'),
  'twists': ('twist', 'twists'),
}
# Behind the word of a rotation: no somersault.
DIVE = 'dive'
_ROTATIONS = {w for own in SAID_BY['rotation_type'].values() for w in own}
_WHOLE = ('one', 'two', 'three', 'four')
_AND_A_HALF = ('and', 'a', 'half')
# The words of a count -> the name of its class, such as '1.5'.
COUNTS: Mapping[tuple[str, ...], str] = {
  ('half',): '0.5',
  **{(word,): f'{n}' for n, word in enumerate(_WHOLE, 1)},
  **{(word, *_AND_A_HALF): f'{n}.5' for n, word in enumerate(_WHOLE, 1)},
}
# All words that a count may begin with.
FIRST_OF_COUNT = frozenset(words[0] for words in COUNTS)


def spoken_classes(words: Sequence[str]) -> dict[str, set[str]]:
  """Returns what a caption says of the classes of a dive.

  Args:
    words: words of the caption.

  Returns:
    Classification -> the names of the classes that are said. A classification
    of which nothing is said is left out.
  """
  said: dict[str, set[str]] = {}

  def note(classification: str, name: str) -> None:
    if name in CLASS_NAMES[classification]:
      said.setdefault(classification, set()).add(name)

  for place, word in enumerate(words):
    following = words[place + 1] if place + 1 < len(words) else ''
    begins_dive = following in FIRST_OF_COUNT or following == DIVE
    for classification, by_name in SAID_BY.items():
      for name, own in by_name.items():
        if word in own and (begins_dive or word not in ONLY_BEFORE_COUNT):
          note(classification, name)
    if word in _ROTATIONS and following == DIVE:
      note('somersaults', '0')
    for classification, nouns in NOUNS.items():
      count = _count_before(words, place)
      if word in nouns and count:
        note(classification, count)
  return said


def _count_before(words: Sequence[str], place: int) -> str:
  """Returns the count whose last word is before a place; '' for none."""
  for length in (4, 1):
    count = tuple(words[max(place - length, 0) : place])
    if count in COUNTS:
      return COUNTS[count]
  return ''


def contradicted(words: Sequence[str], classes: Mapping[str, str]) -> list[str]:
  """Returns the classifications of which a caption says something else.

  Args:
    words: words of the caption.
    classes: classification -> name of its class; others are ignored.
  """
  return [
    name
    for name, said in spoken_classes(words).items()
    if name in classes and said != {classes[name]}
  ]
