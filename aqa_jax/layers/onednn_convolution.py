"""3D convolution in float32 on CPU, by oneDNN."""

import concurrent.futures
import functools
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp

from aqa_jax.layers import onednn_call, onednn_library
from aqa_jax.layers.onednn_primitives import KINDS, Convolution, Product


def is_available() -> bool:
  """Returns whether oneDNN is installed and can be loaded."""
  return onednn_library.library() is not None


def described(
  inputs: jax.Array,
  kernel: jax.Array,
  window_strides: Sequence[int],
  padding: Sequence[tuple[int, int]],
  lhs_dilation: Sequence[int] | None = None,
  rhs_dilation: Sequence[int] | None = None,
  feature_group_count: int = 1,
) -> Convolution | None:
  """Returns the convolution of these arrays, or None where oneDNN has none.

  It computes in float32, and needs to know all sizes. The arguments are those
  of `lax.conv_general_dilated`, channels last.
  """
  ones = (1, 1, 1)
  if (
    not inputs.dtype == kernel.dtype == jnp.float32
    or inputs.ndim != 5
    or not all(isinstance(size, int) and size for size in inputs.shape)
    or tuple(lhs_dilation or ones) != ones
    or feature_group_count != 1
    or any(pad < 0 for sides in padding for pad in sides)
    or not is_available()
  ):
    return None
  batch, time, height, width, channels = inputs.shape
  *kernel_size, _, features = kernel.shape
  befores, afters = zip(*padding, strict=True)
  convolution = Convolution(
    batch,
    (time, height, width),
    channels,
    features,
    *map(
      _sizes,
      (kernel_size, window_strides, befores, afters, rhs_dilation or ones),
    ),
  )
  return convolution if min(convolution.result_size) > 0 else None


def _sizes(sizes: Iterable[int]) -> tuple[int, int, int]:
  time, height, width = sizes
  return time, height, width


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def onednn_convolve(
  inputs: jax.Array, kernel: jax.Array, convolution: Convolution
) -> jax.Array:
  """Computes a convolution on one CPU device.

  XLA does not spread it over several devices: it gathers the arrays.

  Args:
    inputs: float32 [batch, time, height, width, channels].
    kernel: float32 [time, height, width, channels, features].
    convolution: shapes and window.

  Returns:
    float32 [batch, time', height', width', features], of
    `convolution.result_size`.
  """
  return _forward(inputs, kernel, convolution)[0]


def _forward(
  inputs: jax.Array, kernel: jax.Array, convolution: Convolution
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  shape = convolution.batch, *convolution.result_size, convolution.features
  outputs = _product('forward', convolution, (inputs, kernel), shape)
  return outputs, (inputs, kernel)


def _backward(
  convolution: Convolution,
  residuals: tuple[jax.Array, jax.Array],
  gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  inputs, kernel = residuals
  return (
    # XLA drops what nothing needs: of a video, the gradient is not computed.
    _product('input_gradient', convolution, (gradient, kernel), inputs.shape),
    _product('kernel_gradient', convolution, (inputs, gradient), kernel.shape),
  )


onednn_convolve.defvjp(_forward, _backward)


def _product(
  kind: str,
  convolution: Convolution,
  factors: Sequence[jax.Array],
  shape: tuple[int, ...],
) -> jax.Array:
  return onednn_call.call(
    'aqa_jax_onednn_product',
    _compute,
    [KINDS.index(kind), *convolution.numbers()],
    factors,
    jax.ShapeDtypeStruct(shape, jnp.float32),
  )


def _compute(numbers: tuple[int, ...], addresses: Sequence[int]) -> None:
  """Computes a product, in the one thread in which oneDNN runs."""
  computed = _thread().submit(_compute_here, numbers, addresses)
  try:
    computed.result()
  finally:
    # On Ctrl-C too: XLA frees the arrays after this.
    concurrent.futures.wait([computed])


@functools.cache
def _thread() -> concurrent.futures.Executor:
  # OpenMP starts as many threads as there are cores for each thread that calls
  # it, and XLA calls from as many threads as there are cores.
  return concurrent.futures.ThreadPoolExecutor(1, 'onednn')


def _compute_here(numbers: tuple[int, ...], addresses: Sequence[int]) -> None:
  _product_of(numbers).run(addresses)


@functools.cache
def _product_of(numbers: tuple[int, ...]) -> Product:
  kind, *of_convolution = numbers
  return Product(KINDS[kind], Convolution.of(of_convolution))
