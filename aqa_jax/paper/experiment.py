"""Trainings of the rows of a table, one after the other."""

import pathlib
import runpy
import subprocess
import sys
import time
from collections.abc import Sequence

from aqa_jax import duration
from aqa_jax.command_line import find_config
from aqa_jax.paper.experiment_run import Run
from aqa_jax.paper.paper_tables import Row
from tfds_mtl_aqa.input_error import InputError

_LOG = 'log.txt'


def plan(
  rows: Sequence[Row],
  num_seeds: int,
  workdir: pathlib.Path,
  data_dir: str,
  overrides: Sequence[str],
) -> list[Run]:
  """Returns the trainings of a table, seed by seed.

  Args:
    rows: rows from `paper_tables.rows`.
    num_seeds: trainings of each row, from seed 0.
    workdir: holds a folder for each row, and in it one for each seed.
    data_dir: where the prepared datasets are.
    overrides: further flags for every training, '--config.x=y'.
  """
  # A duration for all rows is multiplied for each row, too.
  duration_flag = '--config.duration='
  given = [o for o in overrides if o.startswith(duration_flag)]
  overrides = [o for o in overrides if o not in given]
  runs = []
  for seed in range(num_seeds):
    for row in rows:
      folder = workdir / row.name / f'seed{seed}'
      fields: dict[str, str | int] = {
        'dataset.data_dir': data_dir,
        'seed': seed,
        **row.overrides,
      }
      if given:
        fields['duration'] = given[-1].removeprefix(duration_flag)
      if row.duration_times != 1:
        config = runpy.run_path(str(find_config(row.config)))['get_config']()
        fields['duration'] = duration.times(
          str(fields.get('duration', config.duration)),
          row.duration_times,
          'duration',
        ).replace(' ', '')
      command = (
        '-m',
        'aqa_jax.main',
        f'--config={row.config}',
        f'--workdir={folder}',
        *(f'--config.{name}={value}' for name, value in fields.items()),
        *overrides,
      )
      runs.append(Run(row, seed, folder, command))
  return runs


def train_all(runs: Sequence[Run]) -> None:
  """Runs the trainings that are not finished, one after the other.

  Args:
    runs: trainings from `plan`.

  Raises:
    InputError: a training failed.
  """
  waiting = [run for run in runs if not run.is_finished()]
  print(f'{len(runs)} trainings, {len(runs) - len(waiting)} of them finished.')
  started = time.monotonic()
  for number, run in enumerate(waiting):
    run.workdir.mkdir(parents=True, exist_ok=True)
    log = run.workdir / _LOG
    print(f'[{number + 1}/{len(waiting)}] {run.row.label}, seed {run.seed}: '
          f'see {log}', flush=True)  # fmt: skip
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
        f'{log}: the training of {run.row.label}, seed {run.seed}, ended with '
        f'code {done.returncode} ({last}); correct the cause, and give the '
        'same command again.'
      )
    elapsed = time.monotonic() - started
    left = elapsed / (number + 1) * (len(waiting) - number - 1)
    print(
      f'  Spearman {run.evaluation["spearman"] or float("nan"):.3f}; '
      f'{elapsed / 60:.0f} min done, about {left / 60:.0f} min left',
      flush=True,
    )
