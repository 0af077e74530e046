"""The difficulty of a dive from the probabilities of its classes."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from aqa_jax.data.difficulty import HEIGHTS, difficulty
from aqa_jax.data.dive_number import CLASSIFICATIONS, dive_number

# A class that was ruled out has no logarithm.
_TINY = 1e-30


class ClassDifficulty:
  """The difficulties of all dives that the rules have, by their classes."""

  def __init__(
    self, class_names: Mapping[str, Sequence[str]], height: str = ''
  ):
    """Goes through all combinations of classes.

    Args:
      class_names: classification -> names of its classes, with those of
        CLASSIFICATIONS.
      height: '10m' or '3m'; '' where it is not known: then a difficulty is the
        mean of those from the heights that a dive can be done from.

    Raises:
      KeyError: a classification is missing, or there is no such height.
    """
    heights = [height] if height else HEIGHTS
    names = [class_names[name] for name in CLASSIFICATIONS]
    found = {}
    for ids in itertools.product(*(range(len(each)) for each in names)):
      classes = {
        name: each[i]
        for name, each, i in zip(CLASSIFICATIONS, names, ids, strict=True)
      }
      number = dive_number(classes)
      if number is None:
        continue
      values = [difficulty(number, each) for each in heights]
      known = [value for value in values if value is not None]
      if known:
        found[ids] = float(np.mean(known))
    # [dives of the rules, classifications] and [dives of the rules].
    self._ids = np.array(list(found))
    self._difficulties = np.array(list(found.values()))

  def __len__(self) -> int:
    return len(self._difficulties)

  def likeliest(self, probabilities: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the difficulties of the likeliest dives that the rules have.

    The probability of a dive is the product of those of its classes. So
    classes that no dive has together give the difficulty of one that exists.

    Args:
      probabilities: classification -> float [dives, classes], 0 to 1.

    Returns:
      float64 [dives].
    """
    likelihood = sum(
      np.log(np.maximum(probabilities[name], _TINY))[:, self._ids[:, place]]
      for place, name in enumerate(CLASSIFICATIONS)
    )
    return self._difficulties[np.argmax(likelihood, axis=1)]
