"""The number of a dive from its classes."""

from collections.abc import Mapping

CLASSIFICATIONS = (
  'position',
  'armstand',
  'rotation_type',
  'somersaults',
  'twists',
)

# Of the rules of World Aquatics: the direction is the first digit, or for
# twists and armstands the second. There are no inward armstand dives.
_DIRECTIONS = {'forward': 1, 'backward': 2, 'reverse': 3, 'inward': 4}
_POSITIONS = {'free': 'D', 'pike': 'B', 'tuck': 'C'}


def dive_number(classes: Mapping[str, str]) -> str | None:
  """Returns the number of a dive, such as '5253B'.

  Args:
    classes: position, armstand, rotation_type, somersaults and twists, each by
      the name of its class.

  Returns:
    The number; None where a class is missing, or no dive has them all.
  """
  try:
    letter = _POSITIONS[classes['position']]
    direction = _DIRECTIONS[classes['rotation_type']]
    # The number counts halves. A plain dive has one, and none as a class.
    somersaults = round(2 * float(classes['somersaults'])) or 1
    twists = round(2 * float(classes['twists']))
    is_armstand = classes['armstand'] == 'yes'
  except (KeyError, ValueError):
    return None
  if is_armstand:
    # Nobody does one inward.
    if direction == _DIRECTIONS['inward']:
      return None
    return f'6{direction}{somersaults}{twists or ""}{letter}'
  if twists:
    return f'5{direction}{somersaults}{twists}{letter}'
  return f'{direction}0{somersaults}{letter}'
