"""A function of JAX as an ONNX model, equation by equation of its jaxpr."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import onnx
import onnxruntime
from jax.extend import core
from onnx import helper

from aqa_jax.exporting import onnx_graph
from aqa_jax.exporting.exported_function import (
  VIDEO,
  Outputs,
  abstract_video,
  exported_function,
  tracing,
)
from aqa_jax.exporting.onnx_graph import Graph, Value, unsupported
from aqa_jax.exporting.onnx_operators import RULES
from aqa_jax.judging.model import Model
from tfds_mtl_aqa.input_error import InputError

# Primitives that call a jaxpr -> the parameter that holds it.
_CALLS = {
  'checkpoint': 'jaxpr',
  'closed_call': 'call_jaxpr',
  'core_call': 'call_jaxpr',
  'custom_jvp_call': 'call_jaxpr',
  'custom_vjp_call': 'call_jaxpr',
  'jit': 'jaxpr',
  'pjit': 'jaxpr',
  'remat2': 'jaxpr',
}
# Stands for an array without elements, which is not computed.
_NOTHING = np.empty(0)
# A constant that is computed before may be larger by so many bytes than what
# it is computed from: a broadcast is left to the program.
_MOST_GROWTH = 4096


def to_onnx(model: Model, description: str) -> bytes:
  """Returns a model as an ONNX model.

  Args:
    model: model to export.
    description: becomes its metadata 'aqa_jax'.

  Raises:
    InputError: the network has an operation that is not known here.
  """
  onnx_model = function_to_onnx(
    exported_function(model), dict(model.variables), abstract_video(model)
  )
  helper.set_model_props(onnx_model, {'aqa_jax': description})
  return onnx_model.SerializeToString()


def run_onnx(path: pathlib.Path, video: np.ndarray) -> dict[str, np.ndarray]:
  """Returns what an ONNX model in a file predicts, on the CPU.

  Args:
    path: file with what `to_onnx` returned.
    video: uint8 [batch, time, height, width, 3], RGB.

  Raises:
    InputError: ONNX Runtime lacks an operator, for these dtypes or at all.
  """
  try:
    session = onnxruntime.InferenceSession(
      str(path), providers=['CPUExecutionProvider']
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {VIDEO: video}), strict=True))
  # Its errors have no class in common.
  except Exception as e:
    reason = str(e).split('\n', 1)[0][:200]
    raise InputError(
      '--format=onnx: ONNX Runtime does not run the exported network '
      f'({reason}); give --format=stablehlo.'
    ) from e


def function_to_onnx(
  function: Callable[[Any, jax.Array], Outputs],
  constants: Any,
  video: jax.ShapeDtypeStruct,
) -> onnx.ModelProto:
  """Returns a function as an ONNX model with one input, 'video'.

  Args:
    function: takes the constants and the input; returns arrays by name.
    constants: arrays that become part of the model, a pytree.
    video: shape and dtype of the input; its first dimension is a symbol.

  Raises:
    InputError: the function has an operation that is not known here.
  """
  with tracing():
    jaxpr, avals = jax.make_jaxpr(function, return_shape=True)(constants, video)
  graph = Graph(video.shape[0], VIDEO)
  leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(constants)]
  outputs = _converted(graph, jaxpr, [*leaves, VIDEO])
  # JAX sorts the keys of a dict.
  names = sorted(avals)
  for name, output in zip(names, outputs, strict=True):
    graph.rename(output, name)
  onnx_model = helper.make_model(
    graph.to_graph_proto(
      'prediction',
      [graph.info(VIDEO, video)],
      [graph.info(name, avals[name]) for name in names],
    ),
    opset_imports=[helper.make_opsetid('', onnx_graph.OPSET)],
    ir_version=onnx_graph.IR_VERSION,
    producer_name='aqa_jax',
  )
  onnx.checker.check_model(onnx_model, full_check=True)
  return onnx_model


def _converted(
  graph: Graph, called: Any, inputs: Sequence[Value]
) -> list[Value]:
  """Adds the equations of a jaxpr to a graph; returns its outputs."""
  # It may have its constants with it.
  jaxpr = getattr(called, 'jaxpr', called)
  constants = map(np.asarray, getattr(called, 'consts', ()))
  values: dict[Any, Value] = {}
  values |= zip(jaxpr.constvars, constants, strict=True)
  values |= zip(jaxpr.invars, inputs, strict=True)

  def read(variable: Any) -> Value:
    if isinstance(variable, core.Literal):
      dtype: np.dtype[Any] = variable.aval.dtype  # type: ignore[attr-defined]
      return np.asarray(variable.val, dtype)
    return values.get(variable, _NOTHING)

  for eqn in _needed_equations(jaxpr):
    outputs = _outputs(graph, eqn, [read(variable) for variable in eqn.invars])
    values |= zip(eqn.outvars, outputs, strict=True)
  return [read(variable) for variable in jaxpr.outvars]


def _needed_equations(jaxpr: Any) -> list[Any]:
  """Returns the equations that the outputs depend on.

  What has no elements depends on nothing: `jnp.pad` joins such arrays.
  """
  needed = {v for v in jaxpr.outvars if not isinstance(v, core.Literal)}
  equations = []
  for eqn in reversed(jaxpr.eqns):
    if needed.intersection(eqn.outvars):
      equations.append(eqn)
      needed |= {
        variable
        for variable in eqn.invars
        if not isinstance(variable, core.Literal)
        and 0 not in variable.aval.shape
      }
  return equations[::-1]


def _outputs(graph: Graph, eqn: Any, inputs: list[Value]) -> Sequence[Value]:
  name = eqn.primitive.name
  if name in _CALLS:
    return _converted(graph, eqn.params[_CALLS[name]], inputs)
  known = _computed(eqn, inputs)
  if known is not None:
    return known
  if name == 'scan':
    return _scan(graph, eqn, inputs)
  if name not in RULES:
    raise unsupported(f'the operation {name}')
  outputs = RULES[name](graph, eqn, *inputs)
  return outputs if eqn.primitive.multiple_results else [outputs]


def _computed(eqn: Any, inputs: Sequence[Value]) -> list[Value] | None:
  """Returns the outputs of an equation of constants; None for another one."""
  arrays = [value for value in inputs if isinstance(value, np.ndarray)]
  avals = [variable.aval for variable in eqn.outvars]
  if (
    len(arrays) < len(inputs)
    or eqn.primitive.name == 'dim_as_value'  # The size of the batch.
    or any(value is _NOTHING for value in inputs)
    or any(
      jax.export.is_symbolic_dim(size) for aval in avals for size in aval.shape
    )
  ):
    return None
  size = sum(aval.size * aval.dtype.itemsize for aval in avals)
  if size > sum(array.nbytes for array in arrays) + _MOST_GROWTH:
    return None
  outputs = eqn.primitive.bind(*arrays, **eqn.params)
  if not eqn.primitive.multiple_results:
    outputs = [outputs]
  return [np.asarray(output) for output in outputs]


def _scan(graph: Graph, eqn: Any, inputs: Sequence[Value]) -> Sequence[Value]:
  """Adds a loop over the first axis of arrays."""
  params = eqn.params
  step = getattr(params['jaxpr'], 'jaxpr', params['jaxpr'])
  # Its inputs are constants, carries, and arrays of which a step gets a part;
  # its outputs are carries and such arrays. How many there are of each kind is
  # in parameters whose names differ from version to version of JAX.
  num_read, num_written = (
    sum(
      len(whole.aval.shape) > len(part.aval.shape)
      for whole, part in zip(*variables, strict=True)
    )
    for variables in ((eqn.invars, step.invars), (eqn.outvars, step.outvars))
  )
  num_carry = len(step.outvars) - num_written
  num_consts = len(step.invars) - num_carry - num_read
  # Constants are those of the outer graph.
  consts, looped = inputs[:num_consts], list(inputs[num_consts:])
  avals = [variable.aval for variable in step.invars[num_consts:]]
  given = graph.new_names(len(avals))
  with graph.body() as nodes:
    outputs = _converted(graph, params['jaxpr'], [*consts, *given])
    returned = graph.new_names(len(outputs))
    for value, name in zip(outputs, returned, strict=True):
      graph.rename(value, name)
  if not num_read:
    # In ONNX a loop has the length of what it reads.
    looped.append(np.arange(params['length']))
    avals.append(jax.ShapeDtypeStruct((), np.int64))
    given += graph.new_names(1)
    num_read = 1
  body = helper.make_graph(
    nodes,
    'step',
    [graph.info(*each) for each in zip(given, avals, strict=True)],
    [
      graph.info(name, variable.aval)
      for name, variable in zip(returned, step.outvars, strict=True)
    ],
  )
  direction = int(params['reverse'])
  return graph.add_node(
    'Scan',
    looped,
    len(outputs),
    body=body,
    num_scan_inputs=num_read,
    scan_input_directions=[direction] * num_read,
    scan_output_directions=[direction] * num_written,
  )
