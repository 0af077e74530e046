"""What a network sees of a dive."""

import abc
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Row
from aqa_jax.data.schema import Example


class DiveInput(abc.ABC):
  """What a network sees of a dive: its pixels, or features of it."""

  @property
  @abc.abstractmethod
  def shape(self) -> tuple[int, ...]:
    """The shape of what the network sees of one dive."""

  @abc.abstractmethod
  def specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each array of a row, as `read` gives them."""

  @abc.abstractmethod
  def read(self, example: Example, rng: np.random.Generator | None) -> Row:
    """Returns the arrays of a dive, without its labels.

    Args:
      example: a dive, `video` still JPEG.
      rng: draws the augmentation, once for the whole dive; None for none.

    Raises:
      InputError: what the network sees of the dive can't be read.
    """

  def have_seen_training_dives(self) -> bool:
    """Returns whether what computes it was trained on such dives.

    Then a network on it errs less on dives that are held out of its own
    training than on new ones, and no interval of a score can be made from them.
    """
    return False

  def facts(self) -> Mapping[str, str]:
    """Returns what the report says of it, texts by name."""
    return {}
