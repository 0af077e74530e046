"""One training of a row of a table, and its results."""

import ast
import csv
import dataclasses
import functools
import json
import math
import pathlib
import runpy
from typing import Any

import numpy as np
from flax import traverse_util

from aqa_jax.command_line import find_config
from aqa_jax.data.dive_split import DiveSplit, load_split, open_builder
from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.data.video_input import VideoInput
from aqa_jax.evaluation import evaluation_files
from aqa_jax.paper.row import Row
from aqa_jax.report import filmstrip
from aqa_jax.workdir import FREE_FIELDS, as_recorded, recorded_config
from tfds_mtl_aqa.input_error import InputError

_FLAG = '--config.'
# Measure -> the text that tells it; the first that a run has is told.
_HEADLINES = {
  'spearman': 'Spearman {:.3f}',
  'mean_accuracy': 'classes {:.1f} % right',
  'stage_accuracy': 'frames {:.1f} % right',
  'accuracy': 'actions {:.1f} % right',
}
# Field -> its value that lets the training choose.
_CHOSEN = {'compute_dtype': 'auto', 'model.score_unit': 0.0}


@dataclasses.dataclass(frozen=True)
class Run:
  """One training of a row.

  Attributes:
    row: row of the table.
    seed: seed of the training.
    workdir: folder of the training.
    command: Python's arguments for training and evaluation.
    missing: flags of `aqa_jax.paper` without which it can not begin.
  """

  row: Row
  seed: int
  workdir: pathlib.Path
  command: tuple[str, ...]
  missing: tuple[str, ...] = ()

  @property
  def changes(self) -> dict[str, str]:
    """The fields of the config that the command changes, as texts."""
    flags = (f.partition('=') for f in self.command if f.startswith(_FLAG))
    return {name.removeprefix(_FLAG): value for name, _, value in flags}

  def is_finished(self) -> bool:
    """Returns whether this command has evaluated the test split.

    Raises:
      InputError: the workdir is of a training with another config, or its
        config can't be read.
    """
    recorded = recorded_config(self.workdir)
    paths = [self._path('eval', split, '.json') for split in self.row.splits]
    if not all(path.exists() for path in paths) or not recorded:
      return False
    config = runpy.run_path(str(find_config(self.row.config)))['get_config']()
    recorded, wanted = (
      traverse_util.flatten_dict(fields, sep='.')
      for fields in (recorded, as_recorded(config.to_dict(), recorded))
    )
    wanted |= {name: _literal(text) for name, text in self.changes.items()}
    for name in sorted(recorded.keys() | wanted.keys()):
      if name.startswith(FREE_FIELDS):
        continue
      found, needed = recorded.get(name), wanted.get(name)
      if name in _CHOSEN and needed == _CHOSEN[name]:
        continue  # What is recorded is what it stood for.
      if name in self.row.given:
        continue  # A path of the user's, which another machine has elsewhere.
      if name in self.row.needs:
        found, needed = (_row_and_seed(path) for path in (found, needed))
      if json.dumps(found) != json.dumps(needed) and found != needed:
        raise InputError(
          f'{self.workdir}: was trained with config.{name}={found}, not '
          f'{needed}; give another --workdir, or remove this folder.'
        )
    if self.row.mode == 'eval':
      return True
    # Earlier versions did not write it.
    return all(
      self.evaluation_of(split).get('is_finished', True)
      for split in self.row.splits
    )

  @property
  def compute_dtype(self) -> str:
    """The dtype of the trunk; '' if it is not recorded."""
    return (recorded_config(self.workdir) or {}).get('compute_dtype', '')

  @property
  def evaluation(self) -> dict[str, Any]:
    """The measures of the split that is shown."""
    return self.evaluation_of(self.row.splits[0])

  def evaluation_of(self, split: str) -> dict[str, Any]:
    """Returns the measures of a split.

    Args:
      split: one of those of the row.

    Raises:
      InputError: their file is damaged.
    """
    try:
      evaluation = json.loads(self._path('eval', split, '.json').read_text())
    except (OSError, ValueError) as e:
      raise self._damaged('eval', split, '.json') from e
    if not isinstance(evaluation, dict):
      raise self._damaged('eval', split, '.json')
    # Earlier versions named them so.
    for name in ('baselines', 'caption_baselines'):
      old = name.replace('baselines', 'floors')
      if old in evaluation:
        evaluation[name] = evaluation.pop(old)
    return evaluation

  @property
  def title(self) -> str:
    """Row, column and seed, for the reader."""
    column = f', {self.row.column}' * bool(self.row.column)
    return f'{self.row.label}{column}, seed {self.seed}'

  def headline(self) -> str:
    """Returns the measure that a reader looks for first, a few words."""
    evaluation = self.evaluation
    for measure, text in _HEADLINES.items():
      if measure in evaluation:
        value = evaluation[measure]
        return text.format(math.nan if value is None else value)
    return 'evaluated'

  def _path(self, kind: str, split: str, suffix: str) -> pathlib.Path:
    return evaluation_files.split_path(self.workdir, kind, split, suffix)

  def predictions(self, split: str) -> list[dict[str, str]]:
    """Returns the predictions for a split, a row a dive.

    Args:
      split: one of those of the row.

    Raises:
      InputError: their file is damaged, or not there.
    """
    path = self._path('predictions', split, '.csv')
    try:
      with open(path, encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as e:
      raise self._damaged('predictions', split, '.csv') from e

  def _damaged(self, kind: str, split: str, suffix: str) -> InputError:
    """Returns the error about a file that an evaluation has written."""
    return InputError(
      f'{self._path(kind, split, suffix)}: is damaged, or not there; remove '
      f'{self._path("eval", split, ".json")}, and give the same command again: '
      'the run is evaluated again.'
    )

  def picture(self, index: int) -> bytes:
    """Returns a dive of the test split as a row of frames, a JPEG file.

    Args:
      index: index of a row of the predictions for the split that is shown.

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
    return load_split(builder, self.row.splits[0]), VideoInput(
      **config['input']
    )

  def score_by_dive(
    self, split: str, side: str = 'predicted'
  ) -> dict[tuple[str, str], float]:
    """Returns the predicted (or 'true') score of each dive, points.

    Args:
      split: one of those of the row.
      side: 'predicted' or 'true'.

    Returns:
      (event, sample) -> score.

    Raises:
      InputError: the file of the predictions is damaged, or not there.
    """
    try:
      return {
        (row.get('event', ''), row['sample']): float(row[f'{side}_score'])
        for row in self.predictions(split)
      }
    # A row that ends early has no texts in its last columns.
    except (KeyError, TypeError, ValueError) as e:
      raise self._damaged('predictions', split, '.csv') from e


def _row_and_seed(path: object) -> list[str]:
  """Returns the last two folders: those above differ between machines."""
  return list(pathlib.PurePath(str(path)).parts[-2:])


def _literal(text: str) -> object:
  """Returns the value of a flag's text."""
  try:
    return ast.literal_eval(text)
  except (SyntaxError, ValueError):
    return text
