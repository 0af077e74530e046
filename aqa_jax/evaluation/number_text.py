"""Numbers as short as they were written."""

from typing import Any

import numpy as np


def shortest(number: Any) -> float:
  """Returns a float whose text is as short as the number's own type allows.

  Args:
    number: of any numeric type.
  """
  # float(float32(3.2)) would print as 3.200000047683716.
  number = np.asarray(number)
  if number.dtype.kind != 'f':
    return float(number)
  # TFDS reads a float32 as a Python float: it is as short as it was.
  short = float(str(number.astype(np.float32)))
  return short if np.float32(short) == number else float(str(number))
