"""A model as a StableHLO program, in the form of `jax.export`."""

import pathlib

import jax
import numpy as np
from jax import lax

from aqa_jax.exporting.exported_function import (
  Outputs,
  abstract_video,
  exported_function,
  tracing,
)
from aqa_jax.judging.model import Model

# The program is compiled for any of them where it is loaded.
PLATFORMS = ('cpu', 'cuda', 'tpu')


def to_stablehlo(model: Model) -> bytes:
  """Returns a model as a program that `jax.export.deserialize` reads.

  Args:
    model: model to export.
  """
  variables = dict(model.variables)
  on_tpu, elsewhere = (exported_function(model, p) for p in ('tpu', 'cpu'))

  def predict(video: jax.Array) -> Outputs:
    # Without the barrier XLA computes with them while it compiles, for seconds.
    weights = lax.optimization_barrier(variables)
    outputs: Outputs = lax.platform_dependent(
      weights, video, tpu=on_tpu, default=elsewhere
    )
    return outputs

  export = jax.export.export(jax.jit(predict), platforms=PLATFORMS)
  with tracing():
    exported = export(abstract_video(model))
  return bytes(exported.serialize())


def run_stablehlo(
  path: pathlib.Path, video: np.ndarray
) -> dict[str, np.ndarray]:
  """Returns what a program in a file predicts, on JAX's device.

  Args:
    path: file with what `to_stablehlo` returned.
    video: uint8 [batch, time, height, width, 3], RGB.
  """
  exported = jax.export.deserialize(bytearray(path.read_bytes()))
  return dict(jax.device_get(exported.call(video)))
