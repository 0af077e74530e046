"""How PyTorch initialises its layers, which the official code relies on."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from aqa_jax.layers.precision import precision_of


def pytorch_uniform(fan_in: int) -> nn.initializers.Initializer:
  """Returns the initializer of a layer's kernel and of its bias.

  Uniform from -bound to bound, bound = fan_in ** -0.5.

  Args:
    fan_in: inputs of one unit; for a GRU, PyTorch takes its number of units.
  """
  bound = fan_in**-0.5

  def initialize(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return initialize


def dense(
  features: int, fan_in: int, dtype: object = jnp.float32, **kwargs: object
) -> nn.Dense:
  """Returns a fully connected layer that begins as PyTorch's.

  Args:
    features: outputs.
    fan_in: inputs.
    dtype: of the computation; parameters are float32.
    **kwargs: of `nn.Dense`, such as its name.
  """
  uniform = pytorch_uniform(fan_in)
  options = {'kernel_init': uniform, 'bias_init': uniform} | kwargs
  return nn.Dense(
    features, dtype=dtype, precision=precision_of(dtype), **options
  )
