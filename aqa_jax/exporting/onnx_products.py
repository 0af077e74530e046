"""The ONNX operators of products and convolutions; see `onnx_operators`."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

from aqa_jax.exporting.onnx_graph import Graph, Value, unsupported


def product(graph: Graph, eqn: Any, left: Value, right: Value) -> Value:
  """Adds a product, of any axes, as one of matrices."""
  summed, batched = eqn.params['dimension_numbers']
  shapes = [variable.aval.shape for variable in eqn.invars]
  free = [
    [axis for axis in range(len(shape)) if axis not in (*sums, *batches)]
    for shape, sums, batches in zip(shapes, summed, batched, strict=True)
  ]

  def size(side: int, axes: Sequence[int]) -> Any:
    return functools.reduce(
      operator.mul, (shapes[side][axis] for axis in axes), 1
    )

  batch = [shapes[0][axis] for axis in batched[0]]
  # [batch..., free, summed] times [batch..., summed, free]
  left = graph.reshaped(
    graph.transposed(left, (*batched[0], *free[0], *summed[0])),
    [*batch, size(0, free[0]), size(0, summed[0])],
  )
  right = graph.reshaped(
    graph.transposed(right, (*batched[1], *summed[1], *free[1])),
    [*batch, size(1, summed[1]), size(1, free[1])],
  )
  product = graph.add('MatMul', left, right)
  return graph.reshaped(product, eqn.outvars[0].aval.shape)


def convolution(graph: Graph, eqn: Any, operand: Value, kernel: Value) -> Value:
  """Adds a convolution, of any number of dimensions."""
  params = eqn.params
  numbers = params['dimension_numbers']
  if params['batch_group_count'] != 1 or any(
    step != 1 for step in params['lhs_dilation']
  ):
    raise unsupported('a transposed convolution')
  # ONNX has channels first.
  outputs = graph.add(
    'Conv',
    graph.transposed(operand, numbers.lhs_spec),
    graph.transposed(kernel, numbers.rhs_spec),
    strides=params['window_strides'],
    dilations=params['rhs_dilation'],
    pads=[sides[end] for end in (0, 1) for sides in params['padding']],
    group=params['feature_group_count'],
  )
  inverse = [
    numbers.out_spec.index(axis) for axis in range(len(numbers.out_spec))
  ]
  return graph.transposed(outputs, inverse)
