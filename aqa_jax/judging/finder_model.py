"""A trained network that finds dives, as a folder.

finder.safetensors   the variables; a name is 'params/<module>/.../<leaf>'
finder.json          config, frames, threshold and figures
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import yaml

from aqa_jax.data.schema import Schema
from aqa_jax.files import json_ready
from aqa_jax.judging import network_folder, weights_file
from aqa_jax.judging.model_files import (
  CARD,
  DESCRIPTION,
  FINDER,
  FINDER_WEIGHTS,
)
from aqa_jax.judging.user_path import user_path
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.train_state import Variables
from aqa_jax.weights.checkpoint import read_best, read_origin
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError

# The finder that comes with the installation.
INSIDE = pathlib.Path(__file__).parent / 'finder'
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class FinderModel:
  """A trained network that finds dives.

  Attributes:
    model: fields of the network: `config.model` of its training.
    frames_per_second: rate of the frames that it sees.
    size: (width, height) of the frames, pixels.
    threshold: confidence that a dive needs, 0 to 1.
    variables: 'params' of the network, host arrays, float32.
    dataset: name, config and version of the dataset that it was trained on.
    step: steps of its training.
    evaluation: figures of validation and test.
  """

  model: Mapping[str, Any]
  frames_per_second: float
  size: tuple[int, int]
  threshold: float
  variables: Mapping[str, Variables]
  dataset: str
  step: int
  evaluation: Mapping[str, Any]

  def network(self) -> nn.Module:
    """Returns the network."""
    config = ml_collections.ConfigDict(
      {
        'network': 'dive_finder',
        'model': dict(self.model),
        'input': {'frames': 1},
        'compute_dtype': 'float32',
        'remat': False,
      }
    )
    system = chosen_system('dive_finder')
    tasks = system.choose_tasks(config, Schema())
    return system.create_network(config, tasks)

  def abstract_variables(self) -> dict[str, Variables]:
    """Returns the shapes of what `variables` has to hold."""
    width, height = self.size
    return jax.eval_shape(
      self.network().init,
      jax.random.key(0),
      jnp.zeros((1, 2, height, width, 3)),
    )


def is_finder(folder: pathlib.Path) -> bool:
  """Returns whether a folder holds a finder, or a training of one.

  Raises:
    InputError: it can't be read.
  """
  recorded = recorded_config(folder) or {}
  return recorded.get('tasks') == 'phases' or (
    not recorded and (folder / FINDER).exists()
  )


def find_finder(source: str | os.PathLike[str] | None = None) -> FinderModel:
  """Returns a network that finds dives.

  Args:
    source: a folder from `write_finder`; the workdir of a training with
      `configs/find_dives.py`; or None for the one that comes with aqa_jax.

  Raises:
    InputError: there is none, or it can't be read.
  """
  folder = INSIDE if source is None else user_path(source)
  if (folder / 'config.json').exists():
    return _from_workdir(folder)
  if (folder / FINDER).exists():
    return read_finder(folder)
  if (folder / DESCRIPTION).exists():
    raise InputError(
      f'{folder}: is a model, which finds no dives; give it as the model, and '
      'another folder as the finder.'
    )
  raise InputError(
    f'{folder}: holds no finder; give a folder that aqa_jax.bundle has written '
    'of a training with configs/find_dives.py, or the workdir of one.'
  )


def _from_workdir(workdir: pathlib.Path) -> FinderModel:
  recorded = recorded_config(workdir) or {}
  if recorded.get('tasks') != 'phases':
    raise InputError(
      f'{workdir}: is no training with configs/find_dives.py; give one.'
    )
  variables, step = read_best(workdir)
  if not (workdir / FINDER).exists():
    raise InputError(
      f'{workdir}: has no {FINDER}, which its training writes at the end; give '
      'the training command again.'
    )
  found = network_folder.read_json(workdir / FINDER)
  if found.get('step') != step:
    raise InputError(
      f'{workdir / FINDER}: is not of the best checkpoint; give the training '
      'command again, with --mode=eval.'
    )
  dataset = read_origin(workdir)['dataset']
  width, height = dataset['size']
  return FinderModel(
    model=recorded['model'],
    frames_per_second=dataset['frames_per_second'],
    size=(width, height),
    threshold=found['threshold'],
    variables={'params': variables['params']},
    dataset=dataset['name'],
    step=step,
    evaluation={k: found[k] for k in ('validation', 'test')},
  )


def write_finder(
  finder: FinderModel, folder: pathlib.Path, dtype: str = 'float32'
) -> None:
  """Writes a finder.

  Args:
    finder: finder to write.
    folder: made if it is not there.
    dtype: of the weights, 'float32' or 'float16'.

  Raises:
    InputError: the folder can't be written.
  """
  description = {
    'format': _FORMAT,
    'dataset': finder.dataset,
    'step': finder.step,
    'frames_per_second': finder.frames_per_second,
    'size': list(finder.size),
    'threshold': finder.threshold,
    'model': dict(finder.model),
    'evaluation': dict(finder.evaluation),
  }
  network_folder.write(
    folder,
    {
      FINDER_WEIGHTS: weights_file.save(finder.variables, dtype),
      FINDER: json.dumps(json_ready(description), indent=1) + '\n',
      CARD: _card(finder),
    },
  )


def _card(finder: FinderModel) -> str:
  """Returns the model card, Markdown with YAML front matter."""
  front = {
    'license': 'apache-2.0',
    'library_name': 'aqa_jax',
    'pipeline_tag': 'video-classification',
    'tags': ['temporal-localization', 'diving', 'jax', 'flax'],
  }
  parameters = sum(x.size for x in jax.tree.leaves(dict(finder.variables)))
  width, height = finder.size
  lines = [
    '---',
    yaml.safe_dump(front, sort_keys=False).rstrip(),
    '---',
    '',
    f'# Finds dives in videos, trained on {finder.dataset}',
    '',
    'For each frame it gives the probabilities that a diver leaves the board, '
    f'is in the air and enters the water: {parameters:,} parameters, '
    f'{finder.step} steps of training, frames of {width} x {height} pixels at '
    f'{finder.frames_per_second:g} a second.',
    '',
    '```python',
    'import aqa_jax',
    '',
    "judge = aqa_jax.load(finder='FOLDER')  # this folder",
    "print(judge.dives('event.mp4'))",
    '```',
    '',
    '## Evaluation',
    '',
    'An entry counts as found within 0.2 s, a take-off within 0.4 s.',
    '',
    '| split | dives | entries found | of what is found | take-offs |',
    '|---|---|---|---|---|',
  ]
  lines += [
    f'| {split} | {figures["num_dives"]:.0f} | {figures["recall"]:.3f} | '
    f'{figures["precision"]:.3f} | {figures["take_off_recall"]:.3f} |'
    for split, figures in finder.evaluation.items()
  ]
  if finder.dataset.startswith('simulated_'):
    lines += [
      '',
      '## Limits',
      '',
      'It has seen simulated footage only.',
    ]
  return '\n'.join(lines) + '\n'


def read_finder(folder: pathlib.Path) -> FinderModel:
  """Reads a finder.

  Args:
    folder: folder from `write_finder`.

  Raises:
    InputError: a file is missing or damaged, or is of another version.
  """
  path = folder / FINDER
  found = network_folder.read_description(path, _FORMAT, 'finder')
  with network_folder.damage_told(path):
    width, height = map(int, found['size'])
    finder = FinderModel(
      model=dict(found['model']),
      frames_per_second=float(found['frames_per_second']),
      size=(width, height),
      threshold=float(found['threshold']),
      variables={},
      dataset=str(found['dataset']),
      step=int(found['step']),
      evaluation=dict(found['evaluation']),
    )
    if not (
      0.1 <= finder.frames_per_second <= 1e4
      and 8 <= min(finder.size) <= max(finder.size) <= 10000
      and 0 <= finder.threshold <= 1
    ):
      raise ValueError('frames or threshold')
    shapes = finder.abstract_variables()
  variables = weights_file.read(folder / FINDER_WEIGHTS)
  weights_file.check(shapes, variables, folder / FINDER_WEIGHTS)
  return dataclasses.replace(finder, variables=variables)
