"""How exact products are."""

import jax.numpy as jnp
from jax import lax


def precision_of(dtype: object) -> lax.Precision | None:
  """Returns the precision of products of factors of a dtype.

  By default JAX rounds float32 factors, to bfloat16 on TPU and to TF32's ten
  bits on GPU.

  Args:
    dtype: of the factors.

  Returns:
    For float32, none lost; for others, what the backend does fastest.
  """
  return lax.Precision.HIGHEST if jnp.dtype(dtype) == jnp.float32 else None
