"""The vaults: what they are made of, how difficult and how frequent they are.

The difficulties are about those of the women's code of points of 2012: an
order and a range as in real competitions, not an official list.
"""

import dataclasses

import numpy as np

ENTRIES = ('handspring', 'tsukahara', 'yurchenko', 'yurchenko_half_on')
POSITIONS = ('straight', 'pike', 'tuck')
HANDSPRING, TSUKAHARA, YURCHENKO, YURCHENKO_HALF_ON = range(4)
STRAIGHT, PIKE, TUCK = range(3)


@dataclasses.dataclass(frozen=True)
class Vault:
  """An announced vault.

  Attributes:
    name: such as 'yurchenko straight double twist'.
    entry: index into ENTRIES; how the gymnast gets onto the table.
    position: index into POSITIONS, of the flight after the table.
    somersaults: number of half somersaults after the table, without the half
      turn from the hands to the feet: 2 or 4.
    twists: number of half twists after the table.
    difficulty: points, 4.4 to 7.1.
  """

  name: str
  entry: int
  position: int
  somersaults: int
  twists: int
  difficulty: float

  @property
  def half_turns(self) -> int:
    """Number of half turns from the handstand to the landing."""
    return self.somersaults + 1

  @property
  def is_yurchenko(self) -> bool:
    """Whether a round-off leads onto the springboard."""
    return self.entry in (YURCHENKO, YURCHENKO_HALF_ON)

  @property
  def twists_onto_table(self) -> int:
    """Number of half twists before the hands are on the table."""
    return int(self.entry in (TSUKAHARA, YURCHENKO_HALF_ON))


_TWIST_NAMES = (
  '',
  ' half twist',
  ' full twist',
  ' one and a half twists',
  ' double twist',
  ' two and a half twists',
)
# (entry, position, half somersaults, half twists, difficulty, frequency).
_ROWS = (
  (HANDSPRING, TUCK, 2, 0, 4.6, 3),
  (HANDSPRING, PIKE, 2, 0, 4.9, 4),
  (HANDSPRING, TUCK, 2, 1, 5.0, 4),
  (HANDSPRING, PIKE, 2, 1, 5.3, 7),
  (HANDSPRING, STRAIGHT, 2, 0, 5.4, 3),
  (HANDSPRING, STRAIGHT, 2, 1, 5.6, 5),
  (HANDSPRING, STRAIGHT, 2, 2, 6.0, 4),
  (HANDSPRING, STRAIGHT, 2, 3, 6.3, 6),
  (HANDSPRING, TUCK, 4, 0, 7.1, 2),
  (TSUKAHARA, TUCK, 2, 0, 4.4, 3),
  (TSUKAHARA, PIKE, 2, 0, 4.6, 4),
  (TSUKAHARA, STRAIGHT, 2, 0, 5.0, 5),
  (TSUKAHARA, TUCK, 2, 2, 5.1, 4),
  (TSUKAHARA, STRAIGHT, 2, 2, 5.5, 8),
  (TSUKAHARA, STRAIGHT, 2, 3, 5.8, 4),
  (TSUKAHARA, STRAIGHT, 2, 4, 6.1, 4),
  (YURCHENKO, TUCK, 2, 0, 4.5, 3),
  (YURCHENKO, PIKE, 2, 0, 4.7, 4),
  (YURCHENKO, STRAIGHT, 2, 0, 5.0, 6),
  (YURCHENKO, STRAIGHT, 2, 2, 5.5, 14),
  (YURCHENKO, STRAIGHT, 2, 3, 5.7, 7),
  (YURCHENKO, STRAIGHT, 2, 4, 6.0, 16),
  (YURCHENKO, STRAIGHT, 2, 5, 6.5, 7),
  (YURCHENKO_HALF_ON, PIKE, 2, 0, 5.2, 4),
  (YURCHENKO_HALF_ON, PIKE, 2, 1, 5.5, 6),
  (YURCHENKO_HALF_ON, STRAIGHT, 2, 1, 5.8, 7),
  (YURCHENKO_HALF_ON, STRAIGHT, 2, 2, 6.1, 4),
  (YURCHENKO_HALF_ON, STRAIGHT, 2, 3, 6.5, 4),
)


def _name(entry: int, position: int, somersaults: int, twists: int) -> str:
  double = 'double ' if somersaults == 4 else ''
  return (
    f'{ENTRIES[entry].replace("_", " ")} {double}{POSITIONS[position]}'
    f'{_TWIST_NAMES[twists]}'
  )


VAULTS = tuple(
  Vault(_name(*row[:4]), *row[:4], difficulty=row[4]) for row in _ROWS
)


def shares() -> np.ndarray:
  """Returns how often each of VAULTS comes: float64 [vaults], with sum 1."""
  counts = np.array([row[5] for row in _ROWS], np.float64)
  return counts / counts.sum()
