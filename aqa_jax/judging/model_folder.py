"""A model as a folder of files that any program can read.

model.safetensors   the variables; a name is 'params/<module>/.../<leaf>'
model.json          config, labels, frames, dataset, and the errors that the
intervals come from
evaluation.json     figures of its evaluations, by split
README.md           the model card
"""

import json
import pathlib
from typing import Any

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.evaluation.conformal import ScoreIntervals
from aqa_jax.files import json_ready, write_atomically
from aqa_jax.judging import weights_file
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
  weights = weights_file.save(model.variables, dtype)
  try:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS, weights)
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
  found = weights_file.read_json(path)
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
      evaluation=weights_file.read_json(folder / EVALUATION),
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
  weights = folder / WEIGHTS
  variables = {'batch_stats': {}} | weights_file.read(weights)
  weights_file.check(shapes, variables, weights)
  return model.replace(variables=variables)
