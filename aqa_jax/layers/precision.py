"""The precision of numbers and of products."""

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike


def at_least_float32(dtype: DTypeLike) -> jnp.dtype:
  """Returns the dtype for computations that need more than bfloat16.

  Args:
    dtype: dtype of the computation around it.

  Returns:
    float64 for float64, in which tests compare networks; float32 for all
    others.
  """
  return jnp.promote_types(dtype, jnp.float32)


def precision_of(dtype: DTypeLike) -> lax.Precision | None:
  """Returns the precision for products of factors of a dtype.

  Without it JAX rounds float32 factors: to bfloat16 on TPU, and to TF32, with a
  mantissa of ten bits, on GPU.

  Args:
    dtype: dtype of the factors.

  Returns:
    HIGHEST for float32; None, the backend's fastest, for others.
  """
  return lax.Precision.HIGHEST if jnp.dtype(dtype) == jnp.float32 else None
