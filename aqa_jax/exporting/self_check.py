"""Compares an exported program with the network that it was made of."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from aqa_jax.exporting.exported_function import exported_function
from aqa_jax.judging.model import Model

# Of the largest value of an output. Programs of one network differ by the order
# of their sums: a few millionths.
TOLERANCE = 1e-4
_CAPTIONS = 'captions'
# An output of zeros has no scale.
_TINY = 1e-30


@dataclasses.dataclass(frozen=True)
class Difference:
  """How the outputs of a program differ from the network's.

  Attributes:
    largest: the largest difference of numbers, relative to the largest value of
      the output.
    where: name of that output.
    unequal: names of the outputs of whole numbers that are not equal.
    has_captions: whether there are captions.
  """

  largest: float
  where: str
  unequal: tuple[str, ...]
  has_captions: bool

  @property
  def is_small(self) -> bool:
    """Whether the program does what the network does."""
    return self.largest <= TOLERANCE and not self.unequal

  def __str__(self) -> str:
    """Returns it as a part of a sentence."""
    text = f'the largest difference is {self.largest:.1e} ({self.where})'
    if self.has_captions:
      are = 'differ' if _CAPTIONS in self.unequal else 'are equal'
      text += f', the captions {are}'
    if others := [name for name in self.unequal if name != _CAPTIONS]:
      text += f', {", ".join(others)} differ'
    return text


def difference(
  wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]
) -> Difference:
  """Returns how outputs differ.

  Args:
    wanted: outputs of the network.
    found: outputs of the program.

  Raises:
    ValueError: names, shapes or dtypes are others.
  """
  specs = [
    {name: (array.shape, array.dtype) for name, array in outputs.items()}
    for outputs in (wanted, found)
  ]
  if specs[0] != specs[1]:
    raise ValueError(f'outputs {specs[1]} instead of {specs[0]}')
  relative = {}
  unequal = []
  for name, array in wanted.items():
    if not np.issubdtype(array.dtype, np.floating):
      if not np.array_equal(array, found[name]):
        unequal.append(name)
      continue
    scale = max(float(np.abs(array).max()), _TINY)
    worst = float(np.abs(array - found[name]).max()) / scale
    # NaN is no small difference.
    relative[name] = worst if np.isfinite(worst) else np.inf
  # Scores or probabilities are there.
  where = max(relative, key=lambda name: relative[name])
  return Difference(relative[where], where, tuple(unequal), _CAPTIONS in wanted)


def network_outputs(model: Model, video: np.ndarray) -> dict[str, np.ndarray]:
  """Returns what the network predicts, by the names of the export.

  Args:
    model: model that was exported.
    video: uint8 [batch, time, height, width, 3], RGB.
  """
  function = jax.jit(exported_function(model, jax.default_backend()))
  return dict(jax.device_get(function(dict(model.variables), video)))


def random_video(model: Model, batch: int) -> np.ndarray:
  """Returns random videos, the same every time.

  Args:
    model: model that was exported.
    batch: how many.

  Returns:
    uint8 [batch, time, height, width, 3].
  """
  shape = batch, *model.video_input.shape
  return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
