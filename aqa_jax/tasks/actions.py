"""The action that a clip shows, to train a trunk on before it sees dives."""

import dataclasses
from collections.abc import Mapping

import jax
import ml_collections
import numpy as np
import optax
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.task import Batch, Task


@dataclasses.dataclass(frozen=True)
class ActionsTask(Task):
  """One class of many.

  Attributes:
    num_classes: number of actions.
  """

  num_classes: int

  name = 'actions'
  head = 'actions'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'ActionsTask':
    """Returns the task for the classification 'action' of a dataset."""
    del config
    return cls(len(schema.class_names['action']))

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return {'actions': self.num_classes}

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns the logits, float [batch, classes]."""
    return layers['actions']

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'action': ((), np.int32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the class id."""
    return {'action': np.int32(example['action'])}

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns the cross-entropy of float [batch, classes] logits."""
    return optax.softmax_cross_entropy_with_integer_labels(
      output, batch['action']
    ).mean()

  def predict(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns actions, int32 [batch]."""
    return {'actions': output.argmax(axis=-1)}
