"""The ONNX operators of JAX's primitives.

A rule adds the operators of one primitive to a graph. It gets an equation of a
jaxpr and the values of its inputs, and returns those of its outputs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax

from aqa_jax.exporting.onnx_graph import (
  Graph,
  Value,
  element_type,
  unsupported,
)
from aqa_jax.exporting.onnx_products import convolution, product

# Of a primitive with several outputs it returns a list.
Rule = Callable[..., Any]

# Elementwise: they take operands of the same rank, or scalars, as ONNX does.
_ELEMENTWISE = {
  'abs': 'Abs',
  'add': 'Add',
  'add_any': 'Add',
  'div': 'Div',
  'eq': 'Equal',
  'exp': 'Exp',
  'ge': 'GreaterOrEqual',
  'gt': 'Greater',
  'le': 'LessOrEqual',
  'log': 'Log',
  'logistic': 'Sigmoid',
  'lt': 'Less',
  'max': 'Max',
  'min': 'Min',
  'mul': 'Mul',
  'neg': 'Neg',
  'sqrt': 'Sqrt',
  'sub': 'Sub',
  'tanh': 'Tanh',
}
_LOGICAL = {'and': 'And', 'not': 'Not', 'or': 'Or'}
_REDUCTIONS = {
  'reduce_max': 'ReduceMax',
  'reduce_min': 'ReduceMin',
  'reduce_sum': 'ReduceSum',
}
_MOST = np.iinfo(np.int64).max


def _int64(values: Sequence[int]) -> np.ndarray:
  return np.array(values, np.int64)


def _elementwise(name: str) -> Rule:
  def rule(graph: Graph, eqn: Any, *inputs: Value) -> Value:
    del eqn
    return graph.add(name, *inputs)

  return rule


def _logical(name: str) -> Rule:
  def rule(graph: Graph, eqn: Any, *inputs: Value) -> Value:
    if eqn.invars[0].aval.dtype != bool:
      raise unsupported(f'the bitwise operation {eqn.primitive.name}')
    return graph.add(name, *inputs)

  return rule


def _reduction(name: str) -> Rule:
  def rule(graph: Graph, eqn: Any, operand: Value) -> Value:
    axes = _int64(eqn.params['axes'])
    return graph.add(name, operand, axes, keepdims=0)

  return rule


def _same(graph: Graph, eqn: Any, operand: Value) -> Value:
  del graph, eqn
  return operand


def _rsqrt(graph: Graph, eqn: Any, operand: Value) -> Value:
  del eqn
  return graph.add('Reciprocal', graph.add('Sqrt', operand))


def _square(graph: Graph, eqn: Any, operand: Value) -> Value:
  del eqn
  return graph.add('Mul', operand, operand)


def _integer_power(graph: Graph, eqn: Any, operand: Value) -> Value:
  exponent = np.array(eqn.params['y'], eqn.invars[0].aval.dtype)
  return graph.add('Pow', operand, exponent)


def _convert(graph: Graph, eqn: Any, operand: Value) -> Value:
  return graph.add('Cast', operand, to=element_type(eqn.params['new_dtype']))


def _select(graph: Graph, eqn: Any, which: Value, *cases: Value) -> Value:
  if len(cases) != 2 or eqn.invars[0].aval.dtype != bool:
    raise unsupported(f'a choice of {len(cases)} arrays')
  return graph.add('Where', which, cases[1], cases[0])


def _reshape(graph: Graph, eqn: Any, operand: Value) -> Value:
  return graph.reshaped(operand, eqn.outvars[0].aval.shape)


def _transpose(graph: Graph, eqn: Any, operand: Value) -> Value:
  return graph.transposed(operand, eqn.params['permutation'])


def _batch_size(graph: Graph, eqn: Any) -> Value:
  size = graph.reshaped(graph.shape([eqn.params['dim']]), ())
  return graph.add('Cast', size, to=element_type(eqn.outvars[0].aval.dtype))


def _broadcast(graph: Graph, eqn: Any, operand: Value) -> Value:
  shape = eqn.outvars[0].aval.shape
  own = eqn.invars[0].aval.shape
  aligned: list[Any] = [1] * len(shape)
  for size, axis in zip(own, eqn.params['broadcast_dimensions'], strict=True):
    aligned[axis] = size
  operand = graph.reshaped(operand, aligned)
  if tuple(aligned) == tuple(shape):
    return operand
  return graph.add('Expand', operand, graph.shape(shape))


def _sliced(
  graph: Graph,
  operand: Value,
  shape: Sequence[Any],
  starts: Sequence[Any],
  ends: Sequence[Any],
  steps: Sequence[int],
) -> Value:
  """Returns a part of an array; axes that are whole are left out."""
  axes = [
    axis
    for axis, bounds in enumerate(zip(starts, ends, steps, strict=True))
    if bounds != (0, shape[axis], 1)
  ]
  if not axes:
    return operand
  if any(graph.is_symbolic(ends[axis]) for axis in axes):
    raise unsupported('a part of an array that depends on the batch size')
  return graph.add(
    'Slice',
    operand,
    _int64([starts[axis] for axis in axes]),
    _int64([ends[axis] for axis in axes]),
    _int64(axes),
    _int64([steps[axis] for axis in axes]),
  )


def _slice(graph: Graph, eqn: Any, operand: Value) -> Value:
  params, shape = eqn.params, eqn.invars[0].aval.shape
  return _sliced(
    graph,
    operand,
    shape,
    params['start_indices'],
    params['limit_indices'],
    params['strides'] or [1] * len(shape),
  )


def _reverse(graph: Graph, eqn: Any, operand: Value) -> Value:
  axes = _int64(eqn.params['dimensions'])
  last, before, back = (np.full_like(axes, n) for n in (-1, -_MOST, -1))
  return graph.add('Slice', operand, last, before, axes, back)


def _concatenate(graph: Graph, eqn: Any, *operands: Value) -> Value:
  parts = [
    operand
    for operand, variable in zip(operands, eqn.invars, strict=True)
    if 0 not in variable.aval.shape
  ]
  if len(parts) == 1:
    return parts[0]
  return graph.add('Concat', *parts, axis=eqn.params['dimension'])


def _stack(graph: Graph, eqn: Any, *operands: Value) -> Value:
  axis, shape = eqn.params['axis'], eqn.outvars[0].aval.shape
  shape = (*shape[:axis], 1, *shape[axis + 1 :])
  parts = [graph.reshaped(operand, shape) for operand in operands]
  return graph.add('Concat', *parts, axis=axis)


def _pad(graph: Graph, eqn: Any, operand: Value, padding: Value) -> Value:
  if 0 in eqn.invars[0].aval.shape:
    return graph.add('Expand', padding, graph.shape(eqn.outvars[0].aval.shape))
  shape = eqn.invars[0].aval.shape
  config = [tuple(map(int, sides)) for sides in eqn.params['padding_config']]
  if any(between for _, _, between in config):
    raise unsupported('padding between the elements')
  # A negative one cuts off.
  operand = _sliced(
    graph,
    operand,
    shape,
    [max(-before, 0) for before, _, _ in config],
    [
      size + min(after, 0)
      for size, (_, after, _) in zip(shape, config, strict=True)
    ],
    [1] * len(shape),
  )
  pads = [max(sides[end], 0) for end in (0, 1) for sides in config]
  if not any(pads):
    return operand
  return graph.add('Pad', operand, _int64(pads), padding)


def _gather(graph: Graph, eqn: Any, operand: Value, indices: Value) -> Value:
  params = eqn.params
  numbers, sizes = params['dimension_numbers'], params['slice_sizes']
  shape = eqn.invars[0].aval.shape
  if params['mode'] == lax.GatherScatterMode.CLIP:
    raise unsupported('an indexing with clipping')
  # Of an index that is out of bounds ONNX Runtime makes an error.
  if isinstance(indices, np.ndarray) and indices.ndim == 1:
    # One slice, whose place is known.
    starts = [0] * len(shape)
    for axis, start in zip(numbers.start_index_map, indices, strict=True):
      starts[axis] = int(start)
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    sliced = _sliced(graph, operand, shape, starts, ends, [1] * len(shape))
    return graph.reshaped(sliced, eqn.outvars[0].aval.shape)
  # As many slices as there are indices, of one axis.
  rank = len(eqn.outvars[0].aval.shape)
  axis = numbers.start_index_map[0]
  num_batch = len(eqn.invars[1].aval.shape) - 1
  around = (*range(axis), *range(axis + num_batch, rank))
  if (
    numbers.start_index_map != (axis,)
    or numbers.collapsed_slice_dims != (axis,)
    or numbers.operand_batching_dims
    or numbers.offset_dims != around
    or any(
      size != whole
      for i, (size, whole) in enumerate(zip(sizes, shape, strict=True))
      if i != axis
    )
  ):
    raise unsupported('an indexing of several axes')
  indices = graph.reshaped(indices, eqn.invars[1].aval.shape[:-1])
  return graph.add('Gather', operand, indices, axis=axis)


def _unstack(graph: Graph, eqn: Any, operand: Value) -> list[Value]:
  axis = eqn.params['axis']
  return [
    graph.add('Gather', operand, np.array(index), axis=axis)
    for index in range(len(eqn.outvars))
  ]


def _arg(name: str) -> Rule:
  def rule(graph: Graph, eqn: Any, operand: Value) -> Value:
    (axis,) = eqn.params['axes']
    index = graph.add(name, operand, axis=axis, keepdims=0)
    return graph.add('Cast', index, to=element_type(eqn.params['index_dtype']))

  return rule


RULES: dict[str, Rule] = {
  **{name: _elementwise(op) for name, op in _ELEMENTWISE.items()},
  **{name: _logical(op) for name, op in _LOGICAL.items()},
  **{name: _reduction(op) for name, op in _REDUCTIONS.items()},
  'argmax': _arg('ArgMax'),
  'argmin': _arg('ArgMin'),
  'broadcast_in_dim': _broadcast,
  'concatenate': _concatenate,
  'conv_general_dilated': convolution,
  'convert_element_type': _convert,
  'copy': _same,
  'dim_as_value': _batch_size,
  'dot_general': product,
  'expand_dims': _reshape,
  'gather': _gather,
  'integer_pow': _integer_power,
  'pad': _pad,
  'reshape': _reshape,
  'rev': _reverse,
  'rsqrt': _rsqrt,
  'select_n': _select,
  'slice': _slice,
  'square': _square,
  'squeeze': _reshape,
  'stack': _stack,
  'stop_gradient': _same,
  'transpose': _transpose,
  'unstack': _unstack,
}
