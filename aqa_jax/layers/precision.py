"""How exact numbers and products are."""

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike


def at_least_float32(dtype: DTypeLike) -> jnp.dtype:
  """Returns the dtype of what bfloat16 is too coarse for.

  Args:
    dtype: of the computation around it.

  Returns:
    float64 for float64, which tests of a network's mathematics run in; float32
    for all others.
  """
  return jnp.promote_types(dtype, jnp.float32)


def precision_of(dtype: DTypeLike) -> lax.Precision | None:
  """Returns the precision of products of factors of a dtype.

  By default JAX rounds float32 factors, to bfloat16 on TPU and to TF32's ten
  bits on GPU.

  Args:
    dtype: of the factors.

  Returns:
    For float32, none lost; for others, what the backend does fastest.
  """
  return lax.Precision.HIGHEST if jnp.dtype(dtype) == jnp.float32 else None
