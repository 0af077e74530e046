"""Trainings of the rows of a table, one after the other."""

import dataclasses
import functools
import pathlib
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import ml_collections
from flax import traverse_util

from aqa_jax import duration
from aqa_jax.command_line import find_config
from aqa_jax.paper.experiment_run import Run
from aqa_jax.paper.row import Row
from tfds_mtl_aqa.input_error import InputError

_LOG = 'log.txt'
_FLAG = '--config.'


@dataclasses.dataclass(frozen=True)
class Plan:
  """How the rows of a table become runs.

  Attributes:
    workdir: holds a folder for each row, and in it one for each seed.
    data_dir: where the prepared datasets are.
    overrides: further flags, '--config.x.y=z'. Each is for the rows whose
      config has that field.
    given: flag of `aqa_jax.paper` -> its value, see `Row.given`; what is not
      there becomes '<flag>', which no run can begin with.
  """

  workdir: pathlib.Path
  data_dir: str
  overrides: Sequence[str] = ()
  given: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def runs(self, rows: Sequence[Row], num_seeds: int) -> list[Run]:
    """Returns the runs of a table, seed by seed, each once.

    What a row needs comes before it.

    Args:
      rows: rows from `paper_tables.rows`.
      num_seeds: runs of each row, from seed 0.

    Raises:
      InputError: no row has the field of an override.
    """
    runs: dict[tuple[str, int], Run] = {}
    for seed in range(num_seeds):
      for row in rows:
        self._add(row, seed, runs)
    fields = set().union(*(_fields(run.row.config) for run in runs.values()))
    for override in self.overrides:
      if _field(override) not in fields:
        raise InputError(
          f'{override}: no row of this table has such a field; see configs/.'
        )
    return list(runs.values())

  def _add(self, row: Row, seed: int, runs: dict[tuple[str, int], Run]) -> Run:
    seed = 0 if row.one_seed else seed
    if (row.name, seed) in runs:
      return runs[row.name, seed]
    fields: dict[str, str | int] = {}
    names = _fields(row.config)
    if 'dataset.data_dir' in names:
      fields['dataset.data_dir'] = self.data_dir
    if 'features.cache' in names:
      # So that the layers of a network share the pass over the videos.
      fields['features.cache'] = str(self.workdir / 'features')
    fields['seed'] = seed
    fields |= row.overrides
    overrides = self._overrides_of(row, names)
    replaced = {_field(override) for override in overrides}
    for field, needed in row.needs.items():
      if field not in replaced:
        fields[field] = str(self._add(needed, seed, runs).workdir)
    missing = []
    for field, flag in row.given.items():
      if field not in replaced:
        fields[field] = self.given.get(flag, '') or f'<{flag}>'
        missing += [flag] * (not self.given.get(flag))
    if 'duration' in names:
      fields |= self._duration(row)
    folder = self.workdir / row.name / f'seed{seed}'
    command = (
      '-m',
      'aqa_jax.main',
      f'--config={row.config}',
      f'--workdir={folder}',
      *([f'--mode={row.mode}'] if row.mode != 'train' else []),
      *(f'{_FLAG}{name}={value}' for name, value in fields.items()),
      *overrides,
    )
    run = Run(row, seed, folder, command, tuple(missing))
    runs[row.name, seed] = run
    return run

  def _overrides_of(self, row: Row, names: frozenset[str]) -> list[str]:
    """Returns the overrides that a row takes, without that of the duration."""
    return [
      override
      for override in self.overrides
      if (field := _field(override)) in names
      and field != 'duration'
      # Weights to begin with are for what is compared, not for the trunk that
      # it would begin with otherwise, or for what is evaluated alone.
      and not (
        (row.is_trunk or row.mode == 'eval') and field.startswith('init_')
      )
    ]

  def _duration(self, row: Row) -> dict[str, str]:
    """Returns the duration of a row; empty where its config has it.

    A duration for all rows is multiplied for each row, too.
    """
    given = [o for o in self.overrides if _field(o) == 'duration']
    if 'duration' in row.overrides:
      return {}
    if row.duration_times == 1:
      return {'duration': given[-1].partition('=')[2]} if given else {}
    text = given[-1].partition('=')[2] if given else ''
    text = text or row_config(row.config).duration
    times = duration.times(text, row.duration_times, 'duration')
    return {'duration': times.replace(' ', '')}


def _field(override: str) -> str:
  return override.removeprefix(_FLAG).partition('=')[0]


def row_config(path: str) -> ml_collections.ConfigDict:
  """Returns the config of a row as its file has it.

  Args:
    path: such as 'configs/quickstart.py'.
  """
  config = runpy.run_path(str(find_config(path)))['get_config']()
  assert isinstance(config, ml_collections.ConfigDict)
  return config


@functools.cache
def _fields(path: str) -> frozenset[str]:
  """Returns the names of the fields of a config, such as 'dataset.name'."""
  fields = traverse_util.flatten_dict(row_config(path).to_dict(), sep='.')
  return frozenset(fields)


def train_all(runs: Sequence[Run]) -> None:
  """Runs the trainings that are not finished, one after the other.

  Args:
    runs: trainings from `Plan.runs`.

  Raises:
    InputError: a training failed.
  """
  waiting = [run for run in runs if not run.is_finished()]
  print(f'{len(runs)} trainings, {len(runs) - len(waiting)} of them finished.')
  started = time.monotonic()
  for number, run in enumerate(waiting):
    run.workdir.mkdir(parents=True, exist_ok=True)
    log = run.workdir / _LOG
    print(f'[{number + 1}/{len(waiting)}] {run.title}: see {log}', flush=True)
    with open(log, 'a') as file:
      done = subprocess.run(
        [sys.executable, *run.command],
        stdout=file,
        stderr=subprocess.STDOUT,
        check=False,
      )
    if done.returncode or not run.is_finished():
      last = (log.read_text().strip().splitlines() or ['no output'])[-1]
      raise InputError(
        f'{log}: the training of {run.title}, ended with code '
        f'{done.returncode} ({last}); correct the cause, and give the '
        'same command again.'
      )
    elapsed = time.monotonic() - started
    left = elapsed / (number + 1) * (len(waiting) - number - 1)
    print(
      f'  {run.headline()}; {elapsed / 60:.0f} min done, about '
      f'{left / 60:.0f} min left',
      flush=True,
    )
