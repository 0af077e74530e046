"""How often which scores are among the training's."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Points.
_BIN_WIDTH = 5.0


def score_counts(scores: ArrayLike) -> dict[str, Any]:
  """Counts scores in bins of 5 points, of which the first begins at 0.

  Args:
    scores: float [dives], points, 0 or more, of at least one dive.

  Returns:
    bin_width, points; and counts, how many dives each bin has, the last at
    least one. A score on a border is in the upper bin.
  """
  places = np.asarray(scores, np.float64) // _BIN_WIDTH
  counts = np.bincount(np.maximum(places, 0).astype(int))
  return {'bin_width': _BIN_WIDTH, 'counts': counts.tolist()}
