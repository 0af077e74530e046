"""C3D-LSTM: an LSTM over features of the clips of a dive (Parmar & Morris)."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.initializers import pytorch_uniform
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task


class C3DLSTM(nn.Module):
  """One layer of an LSTM, and a linear layer on each of its outputs.

  Attributes:
    tasks: only the task of the score after each clip.
    hidden: units of the LSTM; 256 in the paper.
    lstm_deviation: standard deviation of the LSTM's first weights, whose biases
      are 0 then; 0.1 in the paper. 0 for PyTorch's initialisation.
    fc1_deviation: the same of the linear layer; 0.005 in the paper.
    conv_impl: ignored; there are no convolutions.
    dtype: dtype of the computation, float32 or float64 at least.
    remat: ignored; its activations are small.
  """

  tasks: Sequence[Task]
  hidden: int = 256
  lstm_deviation: float = 0.1
  fc1_deviation: float = 0.005
  conv_impl: str = 'stacked_2d'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  def setup(self) -> None:
    """Makes the LSTM and the linear layer."""
    kernel, bias = _initializers(self.lstm_deviation, self.hidden)
    cell = nn.OptimizedLSTMCell(
      self.hidden,
      kernel_init=kernel,
      recurrent_kernel_init=kernel,
      bias_init=bias,
      dtype=at_least_float32(self.dtype),
    )
    self.lstm = nn.RNN(cell)
    kernel, bias = _initializers(self.fc1_deviation, self.hidden)
    (task,) = self.tasks
    if task.initial:
      bias = nn.initializers.constant(task.initial)
    (units,) = task.layers.values()
    self.fc1 = nn.Dense(
      units,
      kernel_init=kernel,
      bias_init=bias,
      dtype=at_least_float32(self.dtype),
    )

  def __call__(
    self, features: jax.Array, words: None = None, train: bool = False
  ) -> dict[str, Any]:
    """Returns the scores after each clip.

    Args:
      features: float [batch, clips, features].
      words: ignored.
      train: ignored; there is no dropout.

    Returns:
      score: float32 [batch, clips]; float64 for float64.
    """
    del words, train
    (task,) = self.tasks
    (name,) = task.layers
    with jax.default_matmul_precision('float32'):
      outputs = self.fc1(self.outputs(features))
    return {task.name: task.output({name: outputs})}

  def outputs(self, features: jax.Array) -> jax.Array:
    """Returns the outputs of the LSTM, float32 [batch, clips, hidden].

    Args:
      features: float [batch, clips, features].
    """
    dtype = at_least_float32(self.dtype)
    # Flax's own would be float32, whatever the dtype is.
    zeros = jnp.zeros((len(features), self.hidden), dtype)
    with jax.default_matmul_precision('float32'):
      return jnp.asarray(
        self.lstm(features.astype(dtype), initial_carry=(zeros, zeros))
      )

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return {('fc1',)}


def _initializers(
  deviation: float, fan_in: int
) -> tuple[nn.initializers.Initializer, nn.initializers.Initializer]:
  """Returns the initializers of kernels and biases."""
  if deviation:
    return nn.initializers.normal(deviation), nn.initializers.zeros
  uniform = pytorch_uniform(fan_in)
  return uniform, uniform
