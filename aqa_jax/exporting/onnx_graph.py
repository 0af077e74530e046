"""An ONNX graph that grows node by node."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from onnx import helper, numpy_helper

from tfds_mtl_aqa.input_error import InputError

# Of September 2022: onnxruntime reads it from 1.14 on.
OPSET, IR_VERSION = 18, 8

# A constant, or the name of a tensor.
Value = np.ndarray | str


def unsupported(what: str) -> InputError:
  """Returns the error for a computation that has no form in ONNX here.

  Args:
    what: the computation, such as 'the operation cumsum'.
  """
  return InputError(
    f'--format=onnx: the network has {what}, for which this program knows no '
    'ONNX operator; give --format=stablehlo.'
  )


def element_type(dtype: np.dtype[Any]) -> int:
  """Returns ONNX's number for a dtype."""
  return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class Graph:
  """An ONNX graph whose tensors may have a batch size as their dimension.

  Bodies of loops are graphs within it: `body` opens one.
  """

  def __init__(self, batch: Any, video: str) -> None:
    """Begins a graph.

    Args:
      batch: the symbol of `jax.export.symbolic_shape` for the batch size.
      video: name of the tensor whose first dimension is the batch size.
    """
    self._batch = batch
    self._constants: dict[tuple[Any, ...], str] = {}
    self._initializers: list[onnx.TensorProto] = []
    self._bodies: list[list[onnx.NodeProto]] = [[]]
    self._multiples: dict[int, str] = {}
    self._count = 0
    self._multiples[1] = self.add('Shape', video, start=0, end=1)

  def add(self, operator: str, *inputs: Value, **attributes: Any) -> str:
    """Adds a node; returns the name of its output."""
    return self.add_node(operator, inputs, 1, **attributes)[0]

  def add_node(
    self,
    operator: str,
    inputs: Sequence[Value],
    num_outputs: int,
    **attributes: Any,
  ) -> list[str]:
    """Adds a node; returns the names of its outputs."""
    outputs = [self._new_name() for _ in range(num_outputs)]
    names = [self.name(value) for value in inputs]
    # ONNX Runtime 1.19 needs the names.
    node = helper.make_node(
      operator, names, outputs, f'{operator}_{outputs[0]}', **attributes
    )
    self._bodies[-1].append(node)
    return outputs

  def rename(self, value: Value, name: str) -> None:
    """Gives a value a name of its own, as an output of the graph needs it."""
    node = helper.make_node('Identity', [self.name(value)], [name], name)
    self._bodies[-1].append(node)

  def name(self, value: Value) -> str:
    """Returns the name of a value; a constant is stored, each once."""
    if isinstance(value, str):
      return value
    array = np.ascontiguousarray(value).reshape(value.shape)
    digest = hashlib.sha256(array.tobytes()).digest()
    key = array.dtype.str, array.shape, digest
    if key not in self._constants:
      name = f'constant_{len(self._constants)}'
      self._constants[key] = name
      self._initializers.append(numpy_helper.from_array(array, name))
    return self._constants[key]

  def is_symbolic(self, dimension: Any) -> bool:
    """Returns whether a dimension depends on the batch size."""
    return bool(jax.export.is_symbolic_dim(dimension))

  def shape(self, dimensions: Sequence[Any]) -> Value:
    """Returns a shape as a tensor, int64 [rank].

    Args:
      dimensions: numbers, and multiples of the batch size.
    """
    if not any(map(self.is_symbolic, dimensions)):
      return np.array(dimensions, np.int64)
    parts = [
      self._multiple(size)
      if self.is_symbolic(size)
      else np.array([size], np.int64)
      for size in dimensions
    ]
    return self.add('Concat', *parts, axis=0) if len(parts) > 1 else parts[0]

  def _multiple(self, dimension: Any) -> str:
    """Returns a multiple of the batch size as a tensor, int64 [1]."""
    factor = dimension // self._batch
    if self.is_symbolic(factor) or factor * self._batch != dimension:
      raise unsupported(f'an array of size {dimension}')
    if factor not in self._multiples:
      # In the outer graph, which the bodies of loops see.
      with self._in_outer_graph():
        self._multiples[factor] = self.add(
          'Mul', self._multiples[1], np.array([factor], np.int64)
        )
    return self._multiples[factor]

  def transposed(self, value: Value, permutation: Sequence[int]) -> Value:
    """Returns a value with its axes in another order."""
    order = [int(axis) for axis in permutation]
    if order == sorted(order):
      return value
    if isinstance(value, np.ndarray):
      return value.transpose(order)
    return self.add('Transpose', value, perm=order)

  def reshaped(self, value: Value, dimensions: Sequence[Any]) -> Value:
    """Returns a value in another shape of as many elements."""
    symbolic = [self.is_symbolic(size) for size in dimensions]
    if isinstance(value, np.ndarray):
      return value.reshape([int(size) for size in dimensions])
    if sum(symbolic) == 1:
      # Of a constant shape more is known before it runs.
      sizes = [
        -1 if is_symbolic else size
        for is_symbolic, size in zip(symbolic, dimensions, strict=True)
      ]
      return self.add('Reshape', value, np.array(sizes, np.int64))
    return self.add('Reshape', value, self.shape(dimensions))

  @contextlib.contextmanager
  def _in_outer_graph(self) -> Iterator[None]:
    inner, self._bodies = self._bodies, self._bodies[:1]
    try:
      yield
    finally:
      self._bodies = inner

  @contextlib.contextmanager
  def body(self) -> Iterator[list[onnx.NodeProto]]:
    """Lets `add` add to the body of a loop; gives the list of its nodes."""
    nodes: list[onnx.NodeProto] = []
    self._bodies.append(nodes)
    try:
      yield nodes
    finally:
      self._bodies.pop()

  def new_names(self, count: int) -> list[str]:
    """Returns names that no tensor has."""
    return [self._new_name() for _ in range(count)]

  def _new_name(self) -> str:
    self._count += 1
    return f't{self._count}'

  def info(self, name: str, aval: Any) -> onnx.ValueInfoProto:
    """Returns dtype and shape of a tensor.

    Args:
      name: name of the tensor.
      aval: has shape and dtype.
    """
    sizes = [
      str(size) if self.is_symbolic(size) else int(size) for size in aval.shape
    ]
    return helper.make_tensor_value_info(name, element_type(aval.dtype), sizes)

  def to_graph_proto(
    self,
    name: str,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
  ) -> onnx.GraphProto:
    """Returns the whole graph."""
    (nodes,) = self._bodies
    return helper.make_graph(
      nodes, name, inputs, outputs, initializer=self._initializers
    )
