"""Finds a model: a model folder, the workdir of a training, official files."""

import json
import os
import pathlib
import runpy
from collections.abc import Mapping
from typing import Any

import jax
import ml_collections
import tensorflow_datasets as tfds

from aqa_jax.command_line import find_config
from aqa_jax.data.dive_split import find_builder
from aqa_jax.data.schema import schema_of
from aqa_jax.data.vocabulary import EOS, SOS
from aqa_jax.evaluation.conformal import read_intervals
from aqa_jax.judging.model import FrameFormat, Model
from aqa_jax.judging.model_files import FINDER
from aqa_jax.judging.model_folder import is_model_folder, read_model
from aqa_jax.judging.user_path import user_path
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.weights import pretrained
from aqa_jax.weights.checkpoint import read_best, read_origin
from aqa_jax.weights.torch_file import read_torch_file
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.simulation.simulation_config import MTL_AQA_FRAMES_PER_SECOND

# The model that comes with the installation.
INSIDE = pathlib.Path(__file__).parent / 'longer'
_OFFICIAL_HEADS = ('model_score_regressor', 'model_dive_classifier')
# The words of the official captioner, one a line, beside its weights.
_VOCABULARY = 'vocabulary.txt'


def find_model(source: str | os.PathLike[str] | None = None) -> Model:
  """Returns a model.

  Args:
    source: a model folder; the workdir of a training; a folder of official
      files, such as model_CNN_94.pth; or None for the model that comes with
      aqa_jax.

  Raises:
    InputError: there is none, or it can't be read.
  """
  folder = INSIDE if source is None else user_path(source)
  # A workdir first: a model that lies in one may be of an earlier training.
  if (folder / 'config.json').exists():
    return _from_workdir(folder)
  if is_model_folder(folder):
    return read_model(folder)
  if (folder / FINDER).exists():
    raise InputError(
      f'{folder}: is a finder, which judges nothing; give it as the finder, '
      'and another folder as the model.'
    )
  if any(folder.glob('*.pth')):
    return _from_official_files(folder)
  raise InputError(
    f'{folder}: holds no model; give a folder that aqa_jax.bundle has written, '
    'the workdir of a training, or a folder of official files such as '
    'model_CNN_94.pth.'
  )


def _from_workdir(workdir: pathlib.Path) -> Model:
  recorded = recorded_config(workdir)
  config = ml_collections.ConfigDict(recorded).lock()
  if 'regressor' in config:
    raise InputError(
      f'{workdir}: is a regression on features, which judges no video; give '
      'the workdir of a training on dives.'
    )
  if 'features' in config:
    raise InputError(
      f'{workdir}: is a network on features, which judges no video; give the '
      'workdir of a training on videos of dives.'
    )
  if config.tasks in ('actions', 'phases'):
    raise InputError(
      f'{workdir}: is a training on {config.tasks}, which judges nothing; give '
      'the workdir of a training on dives.'
    )
  builder = find_builder(config.dataset.name, config.dataset.data_dir)
  variables, step = read_best(workdir)
  # The dataset need not be prepared: the checkpoint has its words.
  words = read_origin(workdir).get('vocabulary', ())
  return Model(
    config=config,
    schema=schema_of(builder.info, words),
    frame_format=_frame_format(builder.info),
    variables=variables,
    dataset=builder.info.full_name,
    step=step,
    evaluation=_evaluations(workdir),
    intervals=read_intervals(workdir, step),
  )


def _frame_format(info: tfds.core.DatasetInfo) -> FrameFormat:
  _, height, width, _ = info.features['video'].shape
  metadata: Mapping[str, Any] = info.metadata or {}
  rate = metadata.get('frames_per_second', MTL_AQA_FRAMES_PER_SECOND)
  return FrameFormat(float(rate), width or 0, height or 0)


def _evaluations(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns the evaluations of a training, by split."""
  found = {}
  for path in sorted(workdir.glob('eval_*.json')):
    try:
      evaluation = json.loads(path.read_text('utf-8'))
      found[evaluation['split']] = evaluation
    except (OSError, ValueError, KeyError, TypeError) as e:
      raise InputError(
        f'{path}: is damaged; evaluate again, with --mode=eval.'
      ) from e
  return found


def _from_official_files(folder: pathlib.Path) -> Model:
  name = _official_network(folder)
  config = runpy.run_path(str(find_config(name)))['get_config']().unlock()
  builder = find_builder(config.dataset.name, None)
  words = _words(folder / _VOCABULARY)
  if not words:
    config.tasks = 'score,classes'
  model = Model(
    config=config.lock(),
    schema=schema_of(builder.info, words or (EOS, SOS)),
    frame_format=_frame_format(builder.info),
    variables={},
    dataset=builder.info.full_name,
    step=0,
    evaluation={},
    intervals=None,
  )
  variables, _ = pretrained.initialize(
    model.abstract_variables(),
    str(folder),
    'everything',
    chosen_system(name).official_names,
    field=str(folder),
  )
  missing = sorted(
    {
      path[1].key
      for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
      if isinstance(leaf, jax.ShapeDtypeStruct)
    }
  )
  if missing:
    raise InputError(
      f'{folder}: lacks the weights of {", ".join(missing)}; give a folder '
      'with all files of a network.'
    )
  return model.replace(variables=variables)


def _official_network(folder: pathlib.Path) -> str:
  """Returns which network official files are of.

  Both have files of the same names. Their heads differ, and are small.
  """
  prefixes = tuple(chosen_system('mscadc').official_names.prefixes.values())
  heads = (
    file for head in _OFFICIAL_HEADS for file in folder.glob(f'{head}*.pth')
  )
  is_mscadc = any(
    entry.removeprefix('module.').startswith(prefixes)
    for head in heads
    for entry in read_torch_file(head)
  )
  return 'mscadc' if is_mscadc else 'c3davg'


def _words(path: pathlib.Path) -> list[str]:
  """Returns the words of a file; none where it is not there."""
  if not path.exists():
    return []
  return path.read_text('utf-8').split('\n')[:-1]
