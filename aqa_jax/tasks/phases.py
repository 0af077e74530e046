"""The phases of a dive, for each frame of a video, to find the dives in it."""

import dataclasses
from collections.abc import Mapping

import jax
import ml_collections
import numpy as np
import optax
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.phases import PHASES
from aqa_jax.data.schema import Example, Schema
from aqa_jax.task import Batch, Task

# The two moments are rare: a frame of theirs counts so much more.
_MOMENT_WEIGHT = 6.0


@dataclasses.dataclass(frozen=True)
class PhasesTask(Task):
  """Three probabilities a frame, each on its own.

  Attributes:
    num_frames: frames of a video in training.
  """

  num_frames: int

  name = 'phases'
  head = 'phases'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'PhasesTask':
    """Returns the task of `config.input.frames`."""
    del schema
    return cls(config.input.frames)

  @property
  def layers(self) -> dict[str, int]:
    """Units of the output layer."""
    return {'phases': len(PHASES)}

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns the logits, float [batch, time, 3]."""
    return layers['phases']

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'phases': ((self.num_frames, len(PHASES)), np.float32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the wanted probabilities; see `data.phases.phases_at`."""
    return {'phases': example['phases']}

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns the cross-entropy of [batch, time, 3] logits, weighted."""
    wanted = batch['phases']
    losses = optax.sigmoid_binary_cross_entropy(output, wanted)
    is_moment = np.array([name != 'flight' for name in PHASES])
    weights = 1 + (_MOMENT_WEIGHT - 1) * wanted * is_moment
    return (weights * losses).mean()

  def predict(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns phases, float [batch, time, 3], probabilities."""
    return {'phases': jax.nn.sigmoid(output)}
