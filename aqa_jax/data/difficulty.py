"""Difficulty of a dive by the formula of World Aquatics' diving rules.

It is the sum of five components: somersaults (A), flight position (B), twists
(C), approach (D), and an entry before which the diver does not see the water
(E). The tables are those of the FINA Diving Rules 2017-2021, appendix 1 for
the springboard and 3 for the platform; World Aquatics' Competition Regulations
of June 2025 have them as appendices 8 and 10. Earlier editions differ: in 2012
a 307C from 10 m had 3.3 instead of 3.4.

The springboard's components were read in two public copies of its appendix;
they give all difficulties of the list of appendix 2. Of the platform only the
list of difficulties was at hand, appendix 4, in three copies. Its components
are what differs from the springboard's as far as that list determines them:
each sum is right, but the rules may split it in another way between B, D and
E. What no listed dive determines is missing here.

The copies differ in a few difficulties that no competition at hand has: from
10 m in 108B, 5257, 6261, 6263B and 6265B, where two of the three are followed;
from 3 m two lists have 0.1 more for 209 than the components give.
"""

import math
import re
from collections.abc import Mapping

HEIGHTS = ('10m', '3m')
# Of a score / difficulty: three judges' awards of 10 count.
MAX_EXECUTION = 30.0

# Components are in tenths. Directions are as in a number: forward 1, backward
# 2, reverse 3, inward 4; of armstand dives 61, 62, 63.
_Table = Mapping[str, tuple[int | None, ...]]

# By half somersaults, from 1 to 9.
_SOMERSAULTS = {
  '1m': (11, 12, 16, 20, 24, 27, 30, 33, 38),
  '3m': (13, 13, 15, 18, 22, 23, 28, 29, 35),
  '10m': (13, 14, 15, 19, 21, 25, 27, 35, 35),
}
# The last numbers of half somersaults of the groups but the last.
_LAST_OF_GROUPS = (2, 4, 5, 7)
# By position, direction and group of somersaults.
_FLIGHT: Mapping[str, _Table] = {
  'A': {
    '1': (3, 4, 6),
    '2': (3, 5, 7),
    '3': (3, 6, 6),
    '4': (1, 8),
    '61': (4, 5),
    '62': (4, 5),
    '63': (4, 5),
  },
  'B': {
    '1': (2, 1, 2, 3, 4),
    '2': (2, 3, 3, 3, 4),
    '3': (2, 3, 2, 3, 5),
    '4': (-2, 3, 5, 6, 8),
    '61': (3, 3, None, 4),
    '62': (3, 3, None, 4, 4),
    '63': (3, 3, None, 4, 4),
  },
  'C': {
    '1': (1, 0, 0, 0, 0),
    '2': (1, 0, 1, 0, 1),
    '3': (1, 0, 0, 0, 2),
    '4': (-3, 1, 2, 3, 4),
    '61': (1, 0, None, 2),
    '62': (1, 0, None, 2, 2),
    '63': (1, 0, None, 2, 2),
  },
  'D': {
    '1': (1, 0),
    '2': (1, -1),
    '3': (1, -1),
    '4': (-1, 2),
    '61': (0, 0),
    '62': (0, 0),
  },
}
# Where the platform differs from it.
_PLATFORM_FLIGHT = {('B', '4', 4): 7}
# By half somersaults, from 1 to 9.
_APPROACH: Mapping[str, _Table] = {
  '1m': {
    '1': (0, 0, 0, 0, 0, 0, 0, 5, 5),
    '2': (2, 2, 2, 2, 2, 2, 6, 6, 6),
    '3': (3, 3, 3, 3, 3, 3, 5, 5, 5),
    '4': (6, 6, 5, 5, 5, 5, 5, 5, 5),
  },
  '3m': {
    '1': (0, 0, 0, 0, 0, 0, 0, 3, 3),
    '2': (2, 2, 2, 2, 2, 2, 4, 4, 4),
    '3': (3, 3, 3, 3, 3, 3, 3, 3, 3),
    '4': (3, 3, 3, 3, 3, 3, 3, 3, 3),
  },
  '10m': {
    '1': (0, 0, 0, 0, 0, 0, 0, 2, 2),
    '2': (2, 2, 2, 2, 2, 2, 2, 2, 2),
    '3': (3, 3, 3, 3, 4, 4, 3, 4, 4),
    '4': (3, 3, 2, 2, 2, 2, 2, 2, 2),
    '61': (2, 2, 2, 2, 2, 2, 2, 2, 2),
    '62': (2, 2, 2, 2, 2, 2, 2, 2, 2),
    '63': (3, 3, 3, 3, 3, 3, 3, 3, 3),
  },
}
# Of dives without twists, by half somersaults, from 1 to 9.
_ENTRY: Mapping[str, _Table] = {
  'springboard': {
    '1': (0, 1, 0, 2, 0, 2, 0, 2, 0),
    '2': (1, 0, 2, 0, 3, 0, 4, 0, 4),
    '3': (1, 0, 2, 0, 3, 0, 4, 0, 4),
    '4': (0, 1, 0, 2, 0, 2, 0, 2, 0),
  },
  'platform': {
    '1': (0, 1, 0, 2, 0, 2, 0, 0, 0),
    '2': (1, 0, 2, 0, 3, 0, 4, 0, 4),
    '3': (1, 0, 2, 0, 3, 0, 4, 0, 4),
    '4': (0, 1, 0, 2, 0, 2, 0, 0, 0),
    '61': (1, 0, None, 0, None, 2),
    '62': (0, 3, 2, 4, None, 4, None, 6),
    '63': (0, 3, 2, 4, None, 4, None, 6),
  },
}
# By direction, group of somersaults and half twists, from 1.
_TWISTS: Mapping[str, Mapping[str, tuple[tuple[int | None, ...], ...]]] = {
  'springboard': {
    '1': ((4, 6, 8, 10, 12, 15, 16, 19, 20),) * 4,
    '2': (
      (2, 4, 8, 8, 12, 14, 17, 18, 21),
      (4, 4, 8, 8, 12, 14, 17, 18, 21),
      (0, 4, 7, 8, 11, 14, 17, 18, 21),
      (0, 4, 7, 8, 11, 14, 17, 18, 21),
    ),
    '3': (
      (2, 4, 8, 8, 12, 14, 18, 18, 21),
      (4, 4, 8, 8, 12, 14, 18, 18, 21),
      (0, 4, 6, 8, 10, 14, 18, 18, 21),
      (0, 4, 6, 8, 10, 14, 18, 18, 21),
    ),
    '4': (
      (2, 4, 8, 8, 12, 15, 16, 19, 20),
      (4, 4, 8, 8, 12, 15, 16, 19, 20),
      (2, 4, 8, 8, 12, 15, 16, 19, 20),
      (4, 4, 8, 8, 12, 15, 16, 19, 20),
    ),
  },
  'platform': {
    '1': (
      (4, 6, None, 10, None, 15, None, 19),
      (4, 6, None, 10, None, 15, None, 19),
      (None, 6, None, 10, None, 15),
      (None, 6, None, 10, None, 15),
    ),
    '2': (
      (2, 4, 8, None, 12),
      (4, None, 8, None, 12, None, 17, None, 21),
      (0, None, 6, None, 10, None, 15),
      (0, None, 6, None, 10, None, 15),
    ),
    '3': (
      (2, 4, 8, None, 12),
      (4, None, 8, None, 12, None, 17, None, 21),
      (0, None, 6, None, 10),
      (0, None, 6, None, 10),
    ),
    '4': (
      (2, 4),
      (None, 4, None, 8, None, 15),
      (),
      (),
    ),
    '61': ((None, 10, None, 13),) * 2 + ((), (None, 10)),
    '62': (
      (2,),
      (3, None, 11, None, 15, None, 19),
      (),
      (3, None, 11, None, 15),
    ),
  },
}
_NUMBER = re.compile(
  r'(?:([1-4])0([1-9])|5([1-4])([1-9])([1-9])|(6[1-3])([1-9])([1-9])?)([A-D])'
)


def difficulty(number: str, height: str) -> float | None:
  """Returns the difficulty of a dive by the rules.

  The 2.0 of the first two rounds of synchronised diving is not regarded.

  Args:
    number: number of the dive, such as '5253B'. Flying dives, 600A and 1011C
      are unknown here.
    height: '10m', '3m' or '1m'.

  Returns:
    The difficulty; None where the rules do not have the dive from this height:
    an armstand dive from the springboard, a position that is not allowed.

  Raises:
    KeyError: the height is another one.
  """
  kind = 'platform' if height == '10m' else 'springboard'
  approach = _APPROACH[height]
  match = _NUMBER.fullmatch(number)
  if match is None:
    return None
  direction, halves, *twisted, position = filter(None, match.groups())
  somersaults = int(halves)
  twists = int(twisted[0]) if twisted else 0
  if direction not in approach or position not in _positions(
    direction, somersaults, twists
  ):
    return None
  group = sum(somersaults > last for last in _LAST_OF_GROUPS)
  try:
    flight = _FLIGHT[position][direction][group]
    if kind == 'platform':
      flight = _PLATFORM_FLIGHT.get((position, direction, group), flight)
    components = (
      _SOMERSAULTS[height][somersaults - 1],
      flight,
      approach[direction][somersaults - 1],
      _TWISTS[kind][direction][group][twists - 1]
      if twists
      else _ENTRY[kind][direction][somersaults - 1],
    )
  except LookupError:  # The tables have no such dive.
    return None
  known = [component for component in components if component is not None]
  return sum(known) / 10 if len(known) == len(components) else None


def parse_difficulty(text: str) -> float:
  """Returns the difficulty that a user gives.

  Args:
    text: such as '3.2', or number and height of the dive, '5253B/10m'.

  Raises:
    ValueError: it is neither, or the rules have no such dive.
  """
  number, slash, height = text.partition('/')
  if not slash:
    try:
      value = float(text)
    except ValueError:
      value = math.nan
    if not math.isfinite(value) or value <= 0:
      raise ValueError(
        f'{text!r}: give a number above 0, such as 3.2, or number and height '
        'of the dive, such as 5253B/10m'
      )
    return value
  if height not in _APPROACH:
    raise ValueError(
      f'{text!r}: give the height after the slash, {", ".join(_APPROACH)}'
    )
  found = difficulty(number.upper(), height)
  if found is None:
    raise ValueError(
      f'{text!r}: the rules have no dive {number} from {height}; give the '
      'difficulty as a number'
    )
  return found


def _positions(direction: str, somersaults: int, twists: int) -> str:
  """Returns the letters of the positions that the rules allow.

  Args:
    direction: of a dive, as in the tables.
    somersaults: number of half somersaults.
    twists: number of half twists.
  """
  is_armstand = len(direction) == 2
  if not twists or (somersaults == 1 and not is_armstand):
    return 'ABC'
  if somersaults < 4 or (is_armstand and somersaults == 4 and twists > 1):
    return 'D'
  return 'BC'
