"""The dive numbers of MTL-AQA: how frequent and difficult, and what they mean.

Counted in the released annotations with dive numbers. Events 17, 18 and 22 are
3 m springboard, the others 10 m platform. Some dives have several difficulties
in the data, because of rule changes or typing errors: here is the most frequent
one. One of the 1412 dives is left out: it is labelled as a half somersault with
a difficulty of 2.9.
"""

import dataclasses
import functools

import numpy as np

# Positions of the release's codes 0, 1, 2.
_POSITION_LETTERS = 'DBC'
# Release codes of the FINA directions 1 to 4.
_ROTATION_CODES = {'1': 1, '2': 0, '3': 3, '4': 2}

# (dive number, platform count, platform difficulty, springboard count,
# springboard difficulty).
MTL_AQA_DIVES: tuple[tuple[str, int, float | None, int, float | None], ...] = (
  ('101B', 1, 1.5, 0, None),
  ('102B', 1, 1.9, 0, None),
  ('103B', 20, 1.6, 0, None),
  ('105B', 2, 2.3, 5, 2.4),
  ('107B', 136, 3.0, 24, 3.1),
  ('107C', 7, 2.7, 4, 2.8),
  ('109C', 41, 3.7, 19, 3.8),
  ('201B', 2, 1.8, 0, None),
  ('201D', 5, 1.8, 0, None),
  ('205B', 49, 2.9, 36, 3.0),
  ('205C', 2, 2.8, 11, 2.8),
  ('207B', 34, 3.6, 0, None),
  ('207C', 89, 3.3, 6, 3.5),
  ('301B', 8, 1.9, 0, None),
  ('301D', 11, 1.9, 0, None),
  ('305B', 19, 3.0, 9, 3.0),
  ('305C', 25, 2.8, 6, 2.8),
  ('307C', 77, 3.3, 32, 3.5),
  ('403B', 21, 2.0, 0, None),
  ('405B', 33, 2.8, 12, 3.0),
  ('405C', 5, 2.7, 9, 2.7),
  ('407B', 1, 3.5, 0, None),
  ('407C', 145, 3.2, 34, 3.4),
  ('409C', 6, 4.1, 0, None),
  ('5132D', 6, 2.1, 0, None),
  ('5152B', 20, 3.0, 6, 3.0),
  ('5154B', 1, 3.3, 37, 3.4),
  ('5156B', 5, 3.8, 6, 3.9),
  ('5231D', 5, 2.0, 0, None),
  ('5233D', 0, None, 3, 2.4),
  ('5235D', 6, 2.8, 0, None),
  ('5237D', 2, 3.3, 0, None),
  ('5251B', 6, 2.6, 0, None),
  ('5251D', 1, 2.6, 0, None),
  ('5253B', 109, 3.2, 2, 3.3),
  ('5255B', 51, 3.6, 0, None),
  ('5255D', 1, 3.6, 0, None),
  ('5331D', 2, 2.1, 0, None),
  ('5335D', 1, 2.9, 1, 2.9),
  ('5337D', 0, None, 3, 3.4),
  ('5353B', 0, None, 21, 3.3),
  ('5355B', 0, None, 3, 3.7),
  ('612B', 3, 1.9, 0, None),
  ('612D', 2, 1.9, 0, None),
  ('6142D', 10, 3.1, 0, None),
  ('614B', 2, 2.4, 0, None),
  ('614D', 1, 2.4, 0, None),
  ('6241B', 3, 2.7, 0, None),
  ('6241C', 1, 2.7, 0, None),
  ('6241D', 2, 2.7, 0, None),
  ('6243D', 65, 3.2, 0, None),
  ('6245D', 24, 3.6, 0, None),
  ('626B', 13, 3.5, 0, None),
  ('626C', 32, 3.3, 0, None),
  ('626D', 1, 3.3, 0, None),
  ('627C', 1, 3.3, 0, None),
  ('636C', 6, 3.4, 0, None),
)


@dataclasses.dataclass(frozen=True)
class DiveNumber:
  """An announced dive, with the integer codes of the MTL-AQA release.

  Attributes:
    number: the FINA number and position letter, such as '5253B'.
    difficulty: the degree of difficulty from this platform or springboard.
    position: 0 free, 1 pike, 2 tuck.
    armstand: 0 or 1.
    rotation_type: 0 backward, 1 forward, 2 inward, 3 reverse.
    somersaults: number of half somersaults; 0 for a plain dive, as in the
      release.
    twists: number of half twists.
  """

  number: str
  difficulty: float
  position: int
  armstand: int
  rotation_type: int
  somersaults: int
  twists: int

  @property
  def half_turns(self) -> int:
    """Number of half turns from take-off to entry: 1 for a plain dive."""
    return self.somersaults or 1

  @property
  def head_first(self) -> bool:
    """Whether the diver enters the water head first."""
    return bool((self.half_turns + self.armstand) % 2)


def parse_dive_number(number: str, difficulty: float) -> DiveNumber:
  """Returns the dive with a FINA number.

  Args:
    number: such as '107B' or '6243D'.
    difficulty: the degree of difficulty.
  """
  digits, letter = number[:-1], number[-1]
  if digits[0] in '56':
    direction, somersaults = digits[1], int(digits[2])
    twists = int(digits[3]) if len(digits) > 3 else 0
  else:
    direction, somersaults, twists = digits[0], int(digits[2]), 0
  return DiveNumber(
    number=number,
    difficulty=difficulty,
    position=_POSITION_LETTERS.index(letter),
    armstand=int(digits[0] == '6'),
    rotation_type=_ROTATION_CODES[direction],
    somersaults=0 if somersaults == 1 else somersaults,
    twists=twists,
  )


@functools.cache
def dive_table(springboard: bool) -> tuple[tuple[DiveNumber, ...], np.ndarray]:
  """Returns the dives from a platform or springboard, and their frequencies.

  Args:
    springboard: whether from the 3 m springboard, else the 10 m platform.

  Returns:
    The dives, and float64 [num_dives]: their shares in MTL-AQA, with sum 1.
  """
  dives, counts = [], []
  for row in MTL_AQA_DIVES:
    count, difficulty = row[3:] if springboard else row[1:3]
    if count and difficulty is not None:
      dives.append(parse_dive_number(row[0], difficulty))
      counts.append(count)
  shares = np.array(counts, np.float64)
  return tuple(dives), shares / shares.sum()


def springboard_share() -> float:
  """Returns the share of springboard dives in MTL-AQA, from 0 to 1."""
  platform = sum(row[1] for row in MTL_AQA_DIVES)
  springboard = sum(row[3] for row in MTL_AQA_DIVES)
  return springboard / (platform + springboard)
