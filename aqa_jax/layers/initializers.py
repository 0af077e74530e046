"""PyTorch's initialisation of layers, which the official code uses."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike

from aqa_jax.layers.precision import precision_of


def pytorch_uniform(fan_in: int) -> nn.initializers.Initializer:
  """Returns the initializer of a layer's kernel and of its bias.

  Uniform from -bound to bound, bound = fan_in ** -0.5.

  Args:
    fan_in: inputs of one unit; for a GRU, PyTorch takes its number of units.
  """
  bound = fan_in**-0.5

  def initialize(
    key: jax.Array,
    shape: Sequence[int | Any],
    dtype: DTypeLike | None = None,
    out_sharding: NamedSharding | PartitionSpec | None = None,
  ) -> jax.Array:
    del out_sharding  # `train_state.create_train_state` gives the sharding.
    dtype = jnp.float32 if dtype is None else dtype
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return initialize


def dense(
  features: int,
  fan_in: int,
  dtype: DTypeLike = jnp.float32,
  bias_init: nn.initializers.Initializer | None = None,
  name: str | None = None,
) -> nn.Dense:
  """Returns a fully connected layer, initialised as PyTorch does.

  Args:
    features: outputs.
    fan_in: inputs.
    dtype: dtype of the computation; parameters are float32.
    bias_init: initializer of the bias; None for PyTorch's.
    name: name of the module; None where it is set by Flax.
  """
  uniform = pytorch_uniform(fan_in)
  return nn.Dense(
    features,
    dtype=dtype,
    precision=precision_of(dtype),
    kernel_init=uniform,
    bias_init=bias_init or uniform,
    name=name,
  )
