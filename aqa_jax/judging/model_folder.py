"""A model as a folder of files that any program can read.

model.safetensors   the variables; a name is 'params/<module>/.../<leaf>'
model.json          config, labels, frames, dataset, and the errors that the
intervals come from
evaluation.json     figures of its evaluations, by split
README.md           the model card
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import ml_collections
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from aqa_jax.data.schema import Schema
from aqa_jax.evaluation.conformal import ScoreIntervals
from aqa_jax.files import json_ready, write_atomically
from aqa_jax.judging.model import FrameFormat, Model
from aqa_jax.judging.model_card import model_card
from tfds_mtl_aqa.input_error import InputError

WEIGHTS, DESCRIPTION = 'model.safetensors', 'model.json'
_EVALUATION, _CARD = 'evaluation.json', 'README.md'
_FORMAT = 1
# Fields of a config that tell of the machine that it was trained on.
_OF_THE_MACHINE = ('dataset.data_dir', 'init_from')


def is_model_folder(folder: pathlib.Path) -> bool:
  """Returns whether a folder is one that `write_model` has written."""
  return (folder / DESCRIPTION).exists() or (folder / WEIGHTS).exists()


def write_model(
  model: Model, folder: pathlib.Path, dtype: str = 'float32'
) -> None:
  """Writes a model.

  Args:
    model: model to write.
    folder: made if it is not there.
    dtype: of the weights, 'float32' or 'float16'.

  Raises:
    InputError: the folder can't be written.
    ValueError: a weight is too large for the dtype.
  """
  try:
    folder.mkdir(parents=True, exist_ok=True)
    flat = {
      '/'.join(path): _stored(np.asarray(array), dtype)
      for path, array in traverse_util.flatten_dict(
        dict(model.variables)
      ).items()
    }
    write_atomically(folder / WEIGHTS, safetensors.numpy.save(flat))
    write_atomically(
      folder / DESCRIPTION, json.dumps(_description(model), indent=1) + '\n'
    )
    write_atomically(
      folder / _EVALUATION,
      json.dumps(json_ready(model.evaluation), indent=1) + '\n',
    )
    write_atomically(folder / _CARD, model_card(model))
  except OSError as e:
    raise InputError(
      f'--out={folder}: {e.strerror}; give a folder that can be written.'
    ) from e


def _stored(array: np.ndarray, dtype: str) -> np.ndarray:
  """Returns an array in the dtype of the file; counts stay integers."""
  if not np.issubdtype(array.dtype, np.floating):
    return np.ascontiguousarray(array)
  stored = np.ascontiguousarray(array.astype(dtype))
  if not np.isfinite(stored).all():
    raise ValueError(f'a weight is not finite in {dtype}')
  return stored


def _description(model: Model) -> dict[str, Any]:
  config = model.config.copy_and_resolve_references()
  with config.unlocked():
    for field in _OF_THE_MACHINE:
      config.update_from_flattened_dict({field: ''})
  return {
    'format': _FORMAT,
    'dataset': model.dataset,
    'step': model.step,
    'frames': {
      'frames_per_second': model.frame_format.frames_per_second,
      'width': model.frame_format.width,
      'height': model.frame_format.height,
    },
    'classes': [[name, list(names)] for name, names in model.schema.classes],
    'vocabulary': list(model.schema.words),
    'features': list(model.schema.features),
    'absolute_errors': list(model.intervals.errors) if model.intervals else [],
    'config': config.to_dict(),
  }


def read_model(folder: pathlib.Path) -> Model:
  """Reads a model.

  Args:
    folder: folder from `write_model`.

  Raises:
    InputError: a file is missing or damaged, or is of another version.
  """
  path = folder / DESCRIPTION
  found = _read_json(path)
  if found.get('format') != _FORMAT:
    raise InputError(
      f'{path}: has format {found.get("format")!r}, this version reads '
      f'{_FORMAT}; write the model again, with this version of aqa_jax.'
    )
  try:
    errors = tuple(float(error) for error in found['absolute_errors'])
    model = Model(
      config=ml_collections.ConfigDict(found['config']).lock(),
      schema=Schema(
        classes=tuple((name, tuple(names)) for name, names in found['classes']),
        words=tuple(found['vocabulary']),
        features=tuple(found['features']),
      ),
      frame_format=FrameFormat(**found['frames']),
      variables=_read_variables(folder / WEIGHTS),
      dataset=found['dataset'],
      step=found['step'],
      evaluation=_read_json(folder / _EVALUATION),
      intervals=ScoreIntervals(errors) if errors else None,
    )
  except (KeyError, TypeError, ValueError, AttributeError) as e:
    raise InputError(
      f'{path}: is damaged ({type(e).__name__}: {e}); get the folder again.'
    ) from e
  _check_shapes(model, folder / WEIGHTS)
  return model


def _check_shapes(model: Model, path: pathlib.Path) -> None:
  """Raises InputError where the weights are not those of the network."""
  needed, found = (
    {
      '/'.join(name): np.shape(leaf)
      for name, leaf in traverse_util.flatten_dict(dict(variables)).items()
    }
    for variables in (model.abstract_variables(), model.variables)
  )
  for name in sorted(needed.keys() | found.keys()):
    if needed.get(name) != found.get(name):
      raise InputError(
        f'{path}: {name} is {found.get(name)}, the network needs '
        f'{needed.get(name)}; get the folder again.'
      )


def _read_json(path: pathlib.Path) -> dict[str, Any]:
  try:
    found = json.loads(path.read_text('utf-8'))
  except OSError as e:
    raise InputError(f'{path}: {e.strerror}; give a whole model folder.') from e
  except ValueError:
    found = None
  if not isinstance(found, dict):
    raise InputError(f'{path}: is damaged; get the folder again.')
  return found


def _read_variables(path: pathlib.Path) -> Mapping[str, Any]:
  """Returns the variables, float32."""
  try:
    flat = safetensors.numpy.load(path.read_bytes())
  except OSError as e:
    raise InputError(f'{path}: {e.strerror}; give a whole model folder.') from e
  except safetensors.SafetensorError as e:
    raise InputError(f'{path}: is damaged ({e}); get the folder again.') from e
  variables = traverse_util.unflatten_dict({
    tuple(name.split('/')): (
      array.astype(np.float32)
      if np.issubdtype(array.dtype, np.floating)
      else array
    )
    for name, array in flat.items()
  })  # fmt: skip
  return {'batch_stats': {}} | variables
