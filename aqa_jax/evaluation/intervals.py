"""Confidence intervals of the measures, by a bootstrap over dives."""

import numpy as np

from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.predictions import Predictions

_RESAMPLES = 1000
_LEVEL = 95  # Percent.


class Intervals(Evaluator):
  """95 % percentile intervals over dives drawn with repetition.

  They do not contain the change of a measure with the seed of training.
  """

  def evaluate(
    self, predictions: Predictions, seed: int = 0
  ) -> dict[str, dict[str, list[float]]]:
    """Returns intervals: measure -> [low, high].

    The measures are those of `Task.resampled`. NaN where more than half of the
    resamples leave a measure undefined.

    Args:
      predictions: predictions for at least one dive.
      seed: seed of the draw of 1000 resamples.
    """
    rng = np.random.default_rng(seed)
    count = len(predictions)
    drawn: dict[str, list[float]] = {}
    for _ in range(_RESAMPLES):
      dives = rng.integers(count, size=count)
      for task in self.tasks:
        for name, value in task.resampled(predictions, dives).items():
          drawn.setdefault(name, []).append(value)
    ends = [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2]
    return {
      'intervals': {
        name: np.nanpercentile(values, ends).tolist()
        if np.isfinite(values).mean() > 0.5
        else [float('nan')] * 2
        for name, values in drawn.items()
      }
    }
