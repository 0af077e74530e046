"""The output layers of a task on one vector."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.captioner import Captioner
from aqa_jax.layers.initializers import dense
from aqa_jax.task import Task


class OutputLayers(nn.Module):
  """A linear layer for each output of a task.

  Attributes:
    units: (name, number of outputs) of each layer.
    initial: first value of the biases; 0 for PyTorch's initialisation.
    dtype: dtype of the computation.
    hidden: units of the hidden layers, with ReLU, in front of each output.
  """

  units: tuple[tuple[str, int], ...]
  initial: float = 0.0
  dtype: DTypeLike = jnp.float32
  hidden: tuple[int, ...] = ()

  @nn.compact
  def __call__(self, features: jax.Array) -> dict[str, jax.Array]:
    """Returns the outputs of each layer.

    Args:
      features: float [batch, features].

    Returns:
      By layer, `dtype` [batch, units].
    """
    features = features.astype(self.dtype)
    bias_init = nn.initializers.constant(self.initial) if self.initial else None
    outputs = {}
    for name, units in self.units:
      inputs = features
      for number, size in enumerate(self.hidden, start=1):
        layer = dense(
          size, inputs.shape[-1], self.dtype, name=f'{name}_hidden{number}'
        )
        inputs = nn.relu(layer(inputs))
      outputs[name] = dense(
        units, inputs.shape[-1], self.dtype, bias_init, name
      )(inputs)
    return outputs


def task_output(
  task: Task,
  features: jax.Array,
  dtype: DTypeLike,
  labels: Mapping[str, jax.Array] | None = None,
  train: bool = False,
) -> Any:
  """Returns the output of a task, of its head on the features.

  It is called within the network, which gets the head as the module
  `task.head`.

  Args:
    task: a task of output layers.
    features: float [batch, features].
    dtype: dtype of the computation.
    labels: see `Task.head_module`.
    train: likewise.
  """
  if task.has_own_head:
    head = task.head_module(dtype)
    return task.output(head(features, labels, train))
  layers = OutputLayers(
    tuple(task.layers.items()),
    task.initial,
    dtype,
    task.hidden,
    name=task.head,
  )
  return task.output(layers(features))


def output_paths(tasks: Sequence[Task]) -> set[tuple[str, ...]]:
  """Returns (head, layer) of the output layers of tasks, and of captioners."""
  return {
    (task.head, layer)
    for task in tasks
    for layer in task.layers or Captioner.OUTER_LAYERS
  }
