"""What is exported of a model: its prediction, as a function of the video."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aqa_jax.judging.model import Model
from aqa_jax.judging.prediction import predict
from aqa_jax.system import trunk_options
from aqa_jax.train_state import Variables
from tfds_mtl_aqa.input_error import InputError

# Name of the input.
VIDEO = 'video'
Outputs = dict[str, jax.Array]
# Takes variables and video.
ExportedFunction = Callable[[Mapping[str, Variables], jax.Array], Outputs]


def exported_function(model: Model, platform: str = 'cpu') -> ExportedFunction:
  """Returns the function that predicts, in float32.

  It takes the model's variables and videos, uint8 [batch, time, height, width,
  3], RGB. It returns what each task predicts, [batch, ...] each, by name; the
  name of what a task has by classification is such as 'classes/position'.

  Args:
    model: model to export.
    platform: 'cpu', 'gpu' or 'tpu', for which its convolutions are written.
  """
  conv_impl = trunk_options(model.config, platform)['conv_impl']
  network = model.network.clone(
    conv_impl=conv_impl, dtype=jnp.float32, remat=False
  )

  def function(variables: Mapping[str, Variables], video: jax.Array) -> Outputs:
    return dict(_named(predict(network, variables, video)))

  return function


def _named(outputs: Mapping[str, Any], prefix: str = '') -> Outputs:
  named: Outputs = {}
  for name, value in outputs.items():
    if isinstance(value, Mapping):
      named |= _named(value, f'{prefix}{name}/')
    else:
      named[prefix + name] = value
  return named


def abstract_video(model: Model) -> jax.ShapeDtypeStruct:
  """Returns shape and dtype of the videos; the batch size is a symbol.

  Args:
    model: model to export.
  """
  (batch,) = jax.export.symbolic_shape('batch')
  return jax.ShapeDtypeStruct((batch, *model.video_input.shape), np.uint8)


@contextlib.contextmanager
def tracing() -> Iterator[None]:
  """Makes an InputError of what a network raises while JAX traces it.

  A network or task from outside may do with the batch size what can't be done
  with a symbol.
  """
  try:
    yield
  except InputError:
    raise
  except Exception as e:
    reason = str(e).split('\n', 1)[0][:200]
    raise InputError(
      'the network can not be traced for a batch of any size '
      f'({type(e).__name__}: {reason}); take sizes from .shape, and compute '
      'with them as with numbers that are not known.'
    ) from e
