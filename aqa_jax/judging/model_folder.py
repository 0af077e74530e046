"""A model as a folder of files that any program can read.

model.safetensors   the variables; a name is 'params/<module>/.../<leaf>'
model.json          config, labels, frames, dataset, and the errors and spreads
that the intervals come from
evaluation.json     figures of its evaluations, by split
README.md           the model card
"""

import json
import pathlib
from typing import Any

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation.conformal import ScoreIntervals
from aqa_jax.files import json_ready
from aqa_jax.judging import network_folder, weights_file
from aqa_jax.judging.model import FrameFormat, Model
from aqa_jax.judging.model_card import model_card
from aqa_jax.judging.model_files import CARD, DESCRIPTION, EVALUATION, WEIGHTS

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
  network_folder.write(
    folder,
    {
      WEIGHTS: weights_file.save(model.variables, dtype),
      DESCRIPTION: json.dumps(_description(model), indent=1) + '\n',
      EVALUATION: json.dumps(json_ready(model.evaluation), indent=1) + '\n',
      CARD: model_card(model),
    },
  )


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
    'score_rule': model.schema.score_rule.value,
    **(model.intervals or ScoreIntervals(())).to_dict(),
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
  found = network_folder.read_description(path, _FORMAT, 'model')
  with network_folder.damage_told(path):
    errors = tuple(float(error) for error in found['absolute_errors'])
    spreads = tuple(float(spread) for spread in found.get('spreads', ()))
    model = Model(
      config=ml_collections.ConfigDict(found['config']).lock(),
      schema=Schema(
        classes=tuple((name, tuple(names)) for name, names in found['classes']),
        words=tuple(found['vocabulary']),
        features=tuple(found['features']),
        # Earlier versions did not write it; their models did not need it.
        score_rule=ScoreRule(found.get('score_rule', ScoreRule.PRODUCT.value)),
      ),
      frame_format=FrameFormat(**found['frames']),
      variables={},
      dataset=str(found['dataset']),
      step=int(found['step']),
      evaluation=network_folder.read_json(folder / EVALUATION),
      intervals=ScoreIntervals(errors, spreads) if errors else None,
    )
    model.check()
    shapes = model.abstract_variables()
  weights = folder / WEIGHTS
  variables = {'batch_stats': {}} | weights_file.read(weights)
  weights_file.check(shapes, variables, weights)
  return model.replace(variables=variables)
