"""One training of a row of a table, and its results."""

import ast
import csv
import dataclasses
import functools
import json
import pathlib
import runpy
from typing import Any

import numpy as np
from flax import traverse_util

from aqa_jax.command_line import find_config
from aqa_jax.data.dive_split import DiveSplit, load_split, open_builder
from aqa_jax.data.input_pipeline import VideoInput, make_inputs
from aqa_jax.paper.paper_tables import Row
from aqa_jax.report import filmstrip
from aqa_jax.workdir import FREE_FIELDS, recorded_config
from tfds_mtl_aqa.input_error import InputError

_FLAG = '--config.'


@dataclasses.dataclass(frozen=True)
class Run:
  """One training of a row.

  Attributes:
    row: row of the table.
    seed: seed of the training.
    workdir: folder of the training.
    command: Python's arguments for training and evaluation.
  """

  row: Row
  seed: int
  workdir: pathlib.Path
  command: tuple[str, ...]

  def is_finished(self) -> bool:
    """Returns whether this command has evaluated the test split.

    Raises:
      InputError: the workdir is of a training with another config, or its
        config can't be read.
    """
    recorded = recorded_config(self.workdir)
    if not (self.workdir / 'eval_test.json').exists() or not recorded:
      return False
    config = runpy.run_path(str(find_config(self.row.config)))['get_config']()
    recorded, wanted = (
      traverse_util.flatten_dict(fields, sep='.')
      for fields in (recorded, config.to_dict())
    )
    wanted |= {
      name.removeprefix(_FLAG): _literal(value)
      for name, _, value in (flag.partition('=') for flag in self.command)
      if name.startswith(_FLAG)
    }
    for name in sorted(recorded.keys() | wanted.keys()):
      if name.startswith(FREE_FIELDS):
        continue
      found, needed = recorded.get(name), wanted.get(name)
      if name == 'compute_dtype' and needed == 'auto':
        continue  # What is recorded is what it stood for.
      if json.dumps(found) != json.dumps(needed) and found != needed:
        raise InputError(
          f'{self.workdir}: was trained with config.{name}={found}, not '
          f'{needed}; give another --workdir, or remove this folder.'
        )
    # Earlier versions did not write it.
    return self.evaluation.get('is_finished', True)

  @property
  def compute_dtype(self) -> str:
    """The dtype of the trunk; '' if it is not recorded."""
    return (recorded_config(self.workdir) or {}).get('compute_dtype', '')

  @property
  def evaluation(self) -> dict[str, Any]:
    """The measures of the test split."""
    evaluation = json.loads((self.workdir / 'eval_test.json').read_text())
    # Earlier versions named them so.
    for name in ('baselines', 'caption_baselines'):
      old = name.replace('baselines', 'floors')
      if old in evaluation:
        evaluation[name] = evaluation.pop(old)
    return evaluation

  @functools.cached_property
  def predictions(self) -> list[dict[str, str]]:
    """The predictions for the test split, a row a dive."""
    path = self.workdir / 'predictions_test.csv'
    with open(path, encoding='utf-8', newline='') as file:
      return list(csv.DictReader(file))

  def picture(self, index: int) -> bytes:
    """Returns a dive of the test split as a row of frames, a JPEG file.

    Args:
      index: index of a row of `predictions`.

    Raises:
      InputError: the dataset that the run was trained on is not there.
    """
    split, video_input = self._test_split
    inputs = make_inputs(split[index], video_input, (), rng=None)
    return filmstrip.make_picture(np.asarray(inputs['video']))

  @functools.cached_property
  def _test_split(self) -> tuple[DiveSplit, VideoInput]:
    config = recorded_config(self.workdir)
    if config is None:
      raise InputError(f'{self.workdir}: holds no training.')
    builder = open_builder(
      config['dataset']['name'], config['dataset']['data_dir']
    )
    return load_split(builder, 'test'), VideoInput(**config['input'])

  def scores(self, side: str = 'predicted') -> np.ndarray:
    """Returns the predicted (or 'true') scores, float [dives], points."""
    return np.array([float(row[f'{side}_score']) for row in self.predictions])


def _literal(text: str) -> object:
  """Returns the value of a flag's text."""
  try:
    return ast.literal_eval(text)
  except (SyntaxError, ValueError):
    return text
