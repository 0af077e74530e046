"""Checks that all runs of a table can begin, before the first of them does."""

import pathlib
from collections.abc import Sequence

from aqa_jax.data import action_videos
from aqa_jax.data.dive_split import open_builder
from aqa_jax.features.feature_source import source_class
from aqa_jax.paper.experiment import row_config
from aqa_jax.paper.experiment_run import Run
from aqa_jax.paper.row import Row
from aqa_jax.weights import i3d_weights
from tfds_mtl_aqa.input_error import InputError

# Flag of `aqa_jax.paper` -> what its value is.
GIVEN = {
  'ucf101': 'the folder that UCF101.rar unpacks to, or ucf101/ucf101_1',
  'poses': "the files of the dives' poses, such as "
  'poses/{event:02d}_{sample:02d}.npy',
  's3d_features': "the file of S3D's features, s3d_p3d_features.npz",
}


def check(rows: Sequence[Row], runs: Sequence[Run]) -> None:
  """Checks data, weights and files of all runs that are not finished.

  Args:
    rows: rows of the table.
    runs: their runs, from `Plan.runs`.

  Raises:
    InputError: something is missing.
  """
  waiting = [run for run in runs if not run.is_finished()]
  for run in waiting:
    for flag in run.missing:
      raise InputError(
        f'--{flag} is missing: {run.row.label} needs {GIVEN[flag]}; give it, '
        f'or leave out, with --without, {_needing(run.row, rows)}.'
      )
  on_dives = [run for run in waiting if not run.row.is_trunk]
  for name, data_dir, needs_video in dict.fromkeys(map(_dataset, on_dives)):
    open_builder(name, data_dir, needs_video)
  weights = ('features.weights', 'init_from')
  if any(run.changes.get(f) == 'i3d' for run in waiting for f in weights):
    i3d_weights.read_kinetics_400()
  for run in waiting:
    _check_files(run)


def _needing(needed: Row, rows: Sequence[Row]) -> str:
  """Returns the names of the first rows of a table that need a row."""
  names = [row.name for row in rows if _needs(row, needed.name)]
  more = f' and {len(names) - 3} more rows' * (len(names) > 3)
  return ', '.join(names[:3]) + more


def _needs(row: Row, name: str) -> bool:
  return row.name == name or any(
    _needs(other, name) for other in row.needs.values()
  )


def _dataset(run: Run) -> tuple[str, str, bool]:
  """Returns a run's dataset, where it is, and whether it has to have videos."""
  config = row_config(run.row.config)
  needs_video = 'features' not in config or source_class(config).needs_video
  name, data_dir = (
    run.changes.get(f'dataset.{field}', config.dataset[field])
    for field in ('name', 'data_dir')
  )
  return name, data_dir, needs_video


def _check_files(run: Run) -> None:
  """Checks what the user has given for a run.

  Raises:
    InputError: it is not there.
  """
  if run.row.is_trunk:
    config = row_config(run.row.config)
    action_videos.open_videos(
      run.changes['dataset.name'],
      run.changes['dataset.data_dir'],
      config.dataset.train_split,
      config.validation.split,
    )
  path = run.changes.get('features.path', '')
  # A path with a label in braces stands for many files.
  if path and '{' not in path and not pathlib.Path(path).expanduser().exists():
    raise InputError(
      f'{path}: is not there, and {run.row.label} needs it; correct the path, '
      f'or leave the row out with --without={run.row.name}.'
    )
