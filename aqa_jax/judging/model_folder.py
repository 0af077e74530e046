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
from aqa_jax.judging.model_files import CARD, DESCRIPTION, EVALUATION, WEIGHTS
from tfds_mtl_aqa.input_error import InputError

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
    InputError: the folder can't be written, or a weight is not finite in the
      dtype.
  """
  flat = {
    '/'.join(path): _stored('/'.join(path), np.asarray(array), dtype)
    for path, array in traverse_util.flatten_dict(dict(model.variables)).items()
  }
  try:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS, safetensors.numpy.save(flat))
    write_atomically(
      folder / DESCRIPTION, json.dumps(_description(model), indent=1) + '\n'
    )
    write_atomically(
      folder / EVALUATION,
      json.dumps(json_ready(model.evaluation), indent=1) + '\n',
    )
    write_atomically(folder / CARD, model_card(model))
  except OSError as e:
    raise InputError(
      f'--out={folder}: {e.strerror}; give a folder that can be written.'
    ) from e


def _stored(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
  """Returns an array in the dtype of the file; counts stay integers."""
  if not np.issubdtype(array.dtype, np.floating):
    return np.ascontiguousarray(array)
  with np.errstate(over='ignore'):
    stored = np.ascontiguousarray(array.astype(dtype))
  if not np.isfinite(stored).all():
    raise InputError(
      f'the weight {name} is not finite in {dtype}; give --dtype=float32, or '
      'another training.'
    )
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
      variables={},
      dataset=str(found['dataset']),
      step=int(found['step']),
      evaluation=_read_json(folder / EVALUATION),
      intervals=ScoreIntervals(errors) if errors else None,
    )
    model.check()
    shapes = model.abstract_variables()
  except InputError as e:
    raise InputError(f'{path}: is damaged: {e}') from e
  # Whatever a config that is damaged makes a network raise.
  except Exception as e:
    reason = str(e).split('\n', 1)[0][:200]
    raise InputError(
      f'{path}: is damaged ({type(e).__name__}: {reason}); get the folder '
      'again.'
    ) from e
  variables = _read_variables(folder / WEIGHTS)
  _check_variables(shapes, variables, folder / WEIGHTS)
  return model.replace(variables=variables)


def _check_variables(
  shapes: Mapping[str, Any], variables: Mapping[str, Any], path: pathlib.Path
) -> None:
  """Raises InputError where the weights are not those of the network."""
  needed, found = (
    {
      '/'.join(name): (np.shape(leaf), np.dtype(leaf.dtype))
      for name, leaf in traverse_util.flatten_dict(dict(tree)).items()
    }
    for tree in (shapes, variables)
  )
  for name in sorted(needed.keys() | found.keys()):
    if needed.get(name) != found.get(name):
      raise InputError(
        f'{path}: {name} is {_told(found.get(name))}, the network needs '
        f'{_told(needed.get(name))}; get the folder again.'
      )
  for name, leaf in traverse_util.flatten_dict(dict(variables)).items():
    if not np.isfinite(leaf).all():
      raise InputError(
        f'{path}: {"/".join(name)} is not finite; get the folder again.'
      )


def _told(spec: tuple[tuple[int, ...], np.dtype[Any]] | None) -> str:
  return 'not there' if spec is None else f'{spec[1]} {list(spec[0])}'


def _read_json(path: pathlib.Path) -> dict[str, Any]:
  try:
    found = json.loads(path.read_text('utf-8'))
  except OSError as e:
    raise InputError(f'{path}: {e.strerror}; give a whole model folder.') from e
  except (ValueError, RecursionError):
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
  except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as e:
    # KeyError: a dtype that NumPy lacks.
    raise InputError(
      f'{path}: cannot be read ({type(e).__name__}: {e}); give float32 or '
      'float16, or get the folder again.'
    ) from e
  try:
    variables = traverse_util.unflatten_dict(
      {tuple(name.split('/')): _loaded(array) for name, array in flat.items()}
    )
  except (IndexError, KeyError, TypeError) as e:  # A name within another.
    raise InputError(
      f'{path}: is damaged (names of weights); get the folder again.'
    ) from e
  return {'batch_stats': {}} | variables


def _loaded(array: np.ndarray) -> np.ndarray:
  is_float = np.issubdtype(array.dtype, np.floating)
  return array.astype(np.float32) if is_float else array
