"""Products of 3D convolutions as primitives of oneDNN, channels last."""

import ctypes
import functools
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from aqa_jax.layers import onednn_library

_Sizes = tuple[int, int, int]

# Of the enumerations of dnnl_types.h.
_CPU, _IN_ORDER = 1, 1
_FLOAT32 = 3
_ANY, _NDHWC, _DHWIO = 1, 33, 38
_FORWARD = 64
_DIRECT = 1
_SCRATCHPAD_OF_USER = 1
_WEIGHTS_MD, _DIFF_WEIGHTS_MD, _SCRATCHPAD_MD = 131, 132, 136
_SRC, _DST, _WEIGHTS, _SCRATCHPAD = 1, 17, 33, 80
_DIFF_SRC, _DIFF_DST, _DIFF_WEIGHTS = 129, 145, 161

_ALIGNMENT = 64

KINDS = ('forward', 'input_gradient', 'kernel_gradient')


class Convolution(NamedTuple):
  """A convolution; sizes of time, height and width come in this order.

  Attributes:
    batch: number of examples.
    size: of the input.
    channels: of the input.
    features: channels of the result.
    kernel: size of the kernel.
    strides: of the kernel.
    before: zeros before the input.
    after: zeros after it.
    dilation: of the kernel; 1 is none.
  """

  batch: int
  size: _Sizes
  channels: int
  features: int
  kernel: _Sizes
  strides: _Sizes
  before: _Sizes
  after: _Sizes
  dilation: _Sizes

  @property
  def result_size(self) -> _Sizes:
    """Size of the result in time, height and width."""
    axes = zip(
      *(self.size, self.before, self.after, self.kernel),
      *(self.dilation, self.strides),
      strict=True,
    )
    time, height, width = (
      (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
      for size, before, after, kernel, dilation, stride in axes
    )
    return time, height, width

  def numbers(self) -> list[int]:
    """Returns the fields as a list of numbers, of which `of` makes them."""
    numbers: list[int] = []
    for field in self:
      numbers += field if isinstance(field, tuple) else (field,)
    return numbers

  @classmethod
  def of(cls, numbers: Sequence[int]) -> Self:
    """Returns the convolution whose fields are a list of numbers."""
    rest = iter(numbers)

    def sizes() -> _Sizes:
      return next(rest), next(rest), next(rest)

    return cls(
      *(next(rest), sizes(), next(rest), next(rest)),
      *(sizes(), sizes(), sizes(), sizes(), sizes()),
    )


class Product:
  """One of the products of a convolution, for one thread.

  The kernel is laid out as oneDNN asks for it beforehand, or its gradient as
  JAX asks for it afterwards; activations stay as they are.

  Args:
    kind: 'forward': input and kernel to the result; 'input_gradient': the
      gradient by the result, and the kernel, to that by the input;
      'kernel_gradient': input and gradient by the result to that by the kernel.
    convolution: the convolution.

  Raises:
    OneDNNError: oneDNN is not installed, or has no such convolution.
  """

  def __init__(self, kind: str, convolution: Convolution):
    library = onednn_library.library()
    if library is None:
      raise onednn_library.OneDNNError(
        "oneDNN is missing; give pip install 'aqa_jax[onednn]'"
      )
    c, dims = convolution, onednn_library.dims
    window = (
      dims(c.strides),
      dims([step - 1 for step in c.dilation]),
      dims(c.before),
      dims(c.after),
    )
    source = _memory_desc((c.batch, c.channels, *c.size), _NDHWC)
    result = _memory_desc((c.batch, c.features, *c.result_size), _NDHWC)
    kernel_dims = (c.features, c.channels, *c.kernel)
    attributes = library.create('primitive_attr_create')
    library.call(
      'primitive_attr_set_scratchpad_mode', attributes, _SCRATCHPAD_OF_USER
    )
    arrays = (source, _memory_desc(kernel_dims, _ANY), None, result)
    desc = forward = library.create(
      'convolution_forward_primitive_desc_create',
      *(_engine(), _FORWARD, _DIRECT, *arrays, *window, attributes),
    )
    if kind == 'input_gradient':
      desc = library.create(
        'convolution_backward_data_primitive_desc_create',
        *(_engine(), _DIRECT, source, arrays[1], result),
        *(*window, forward, attributes),
      )
    elif kind == 'kernel_gradient':
      desc = library.create(
        'convolution_backward_weights_primitive_desc_create',
        *(_engine(), _DIRECT, *arrays, *window, forward, attributes),
      )
    self._makes_kernel = kind == 'kernel_gradient'
    query = _DIFF_WEIGHTS_MD if self._makes_kernel else _WEIGHTS_MD
    kernel = library.query_memory_desc(desc, query)
    scratchpad = library.query_memory_desc(desc, _SCRATCHPAD_MD)
    arguments = {
      'forward': [(_SRC, source), (_WEIGHTS, kernel), (_DST, result)],
      'input_gradient': [
        (_DIFF_DST, result),
        (_WEIGHTS, kernel),
        (_DIFF_SRC, source),
      ],
      'kernel_gradient': [
        (_SRC, source),
        (_DIFF_DST, result),
        (_DIFF_WEIGHTS, kernel),
      ],
    }[kind]
    self._primitive = _Primitive(desc, [*arguments, (_SCRATCHPAD, scratchpad)])
    # Where the kernel comes among the arguments.
    self._place = 2 if self._makes_kernel else 1
    order = [_memory_desc(kernel_dims, _DHWIO), kernel]
    if self._makes_kernel:
      order.reverse()
    reorder = library.create(
      'reorder_primitive_desc_create',
      *(order[0], _engine(), order[1], _engine(), None),
    )
    self._reorder = _Primitive(
      reorder, list(zip((_SRC, _DST), order, strict=True))
    )
    self._kernel_bytes = _aligned(library.size(kernel))
    self._workspace_bytes = self._kernel_bytes + library.size(scratchpad)

  def run(self, addresses: Sequence[int]) -> None:
    """Computes the product.

    Args:
      addresses: of the two factors, then of the product, as `kind` names them:
        float32, channels last; the kernel [time, height, width, channels,
        features].

    Raises:
      OneDNNError: oneDNN fails.
    """
    kernel = _workspace(self._workspace_bytes)
    arguments = [*addresses, kernel + self._kernel_bytes]
    arguments[self._place] = kernel
    if self._makes_kernel:
      self._primitive.run(arguments)
      self._reorder.run((kernel, addresses[self._place]))
    else:
      self._reorder.run((addresses[self._place], kernel))
      self._primitive.run(arguments)


class _Primitive:
  """A primitive of oneDNN and its arguments."""

  def __init__(
    self,
    desc: ctypes.c_void_p,
    arguments: Sequence[tuple[int, ctypes.c_void_p]],
  ):
    library = onednn_library.library()
    assert library is not None
    self._library = library
    self._primitive = library.create('primitive_create', desc)
    self._memories = [
      library.create('memory_create', memory_desc, _engine(), None)
      for _, memory_desc in arguments
    ]
    self._arguments = (_ExecArg * len(arguments))()
    for place, (argument, _), memory in zip(
      self._arguments, arguments, self._memories, strict=True
    ):
      place.arg, place.memory = argument, memory.value

  def run(self, addresses: Sequence[int]) -> None:
    """Runs it on arrays, of which oneDNN is given the addresses."""
    for memory, address in zip(self._memories, addresses, strict=True):
      self._library.call(
        'memory_set_data_handle', memory, ctypes.c_void_p(address)
      )
    self._library.call(
      'primitive_execute',
      *(self._primitive, _stream(), len(self._arguments), self._arguments),
      is_long=True,
    )
    self._library.call('stream_wait', _stream(), is_long=True)


class _ExecArg(ctypes.Structure):
  _fields_ = [('arg', ctypes.c_int), ('memory', ctypes.c_void_p)]


def _memory_desc(sizes: Sequence[int], layout: int) -> ctypes.c_void_p:
  library = onednn_library.library()
  assert library is not None
  return library.create(
    'memory_desc_create_with_tag',
    *(len(sizes), onednn_library.dims(sizes), _FLOAT32, layout),
  )


@functools.cache
def _engine() -> ctypes.c_void_p:
  library = onednn_library.library()
  assert library is not None
  return library.create('engine_create', _CPU, ctypes.c_size_t(0))


@functools.cache
def _stream() -> ctypes.c_void_p:
  library = onednn_library.library()
  assert library is not None
  return library.create('stream_create', _engine(), _IN_ORDER)


def _aligned(size: int) -> int:
  return -(-size // _ALIGNMENT) * _ALIGNMENT


# What products need while they run, one after the other.
_WORKSPACE = np.empty(0, np.uint8)


def _workspace(size: int) -> int:
  """Returns the address of so many bytes, the same memory for all."""
  global _WORKSPACE
  if _WORKSPACE.size < size + _ALIGNMENT:
    _WORKSPACE = np.empty(size + _ALIGNMENT, np.uint8)
  return _aligned(_WORKSPACE.ctypes.data)
