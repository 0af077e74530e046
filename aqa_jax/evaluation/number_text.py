"""Rounds numbers so that their text is short."""

from typing import Any

import numpy as np


def shortest(number: Any) -> float:
  """Returns a float whose text is as short as the number's own type allows.

  Args:
    number: a number of any numeric type.
  """
  # float(float32(3.2)) would print as 3.200000047683716.
  number = np.asarray(number)
  if number.dtype.kind != 'f':
    return float(number)
  # TFDS gives a float32 as a Python float: use the text of the float32.
  short = float(str(number.astype(np.float32)))
  return short if np.float32(short) == number else float(str(number))
