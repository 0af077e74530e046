r"""A table of the paper as a set of trainings.

python -m aqa_jax.experiment --table=4 --dataset=simulated_dives --scale=small \
  --data_dir=data --workdir=workdir/tables

Each row is a plain `aqa_jax.main` command, which --dry_run prints: run some of
them on other machines, put their workdirs in place, and give the command again.
What is finished is not trained again; what was interrupted goes on.
"""

import argparse
import pathlib
import runpy
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

from absl import logging

from aqa_jax import duration, paper_tables, table_files
from aqa_jax.checkpoint import local_folder
from aqa_jax.experiment_run import Run
from aqa_jax.paper_tables import Row
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
    rows: of `paper_tables.rows`.
    num_seeds: trainings of each row, from seed 0.
    workdir: holds a folder for each row, and in it one for each seed.
    data_dir: where the prepared datasets are.
    overrides: further flags for every training, '--config.x=y'.
  """
  runs = []
  for seed in range(num_seeds):
    for row in rows:
      folder = workdir / row.name / f'seed{seed}'
      fields = {'dataset.data_dir': data_dir, 'seed': seed} | row.overrides
      if row.duration_times != 1:
        config = runpy.run_path(row.config)['get_config']()
        fields['duration'] = duration.times(
          config.duration, row.duration_times, 'duration'
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
  """Runs what is not finished, one after the other.

  Args:
    runs: of `plan`.

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
        f'code {done.returncode} ({last}); mend it and give the same command '
        'again.'
      )
    elapsed = time.monotonic() - started
    left = elapsed / (number + 1) * (len(waiting) - number - 1)
    print(
      f'  Spearman {run.evaluation["spearman"] or float("nan"):.3f}; '
      f'{elapsed / 60:.0f} min done, about {left / 60:.0f} min left',
      flush=True,
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description='Trains and evaluates the rows of a table of the paper.'
  )
  parser.add_argument(
    '--table', type=int, required=True, choices=paper_tables.TABLES
  )
  parser.add_argument('--dataset', default='simulated_dives')
  parser.add_argument('--scale', default='small', choices=paper_tables.SCALES)
  parser.add_argument('--workdir', required=True)
  parser.add_argument('--data_dir', default='data')
  parser.add_argument('--seeds', type=int, default=3)
  parser.add_argument(
    '--dry_run', action='store_true', help='print the commands, run none'
  )
  chosen, overrides = parser.parse_known_args(arguments)
  unknown = [flag for flag in overrides if not flag.startswith('--config.')]
  if unknown:
    raise InputError(f'unknown argument {unknown[0]!r}; see --help.')
  if chosen.seeds < 1:
    raise InputError(f'--seeds={chosen.seeds}: give 1 or more.')
  chosen.workdir = local_folder('workdir', chosen.workdir)
  chosen.overrides = overrides
  return chosen


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the table that the arguments name."""
  chosen = _arguments(arguments)
  rows = paper_tables.rows(
    chosen.table, chosen.dataset, chosen.scale, chosen.data_dir
  )
  runs = plan(
    rows, chosen.seeds, chosen.workdir, chosen.data_dir, chosen.overrides
  )
  if chosen.dry_run:
    for run in runs:
      print(shlex.join(['python', *run.command]))
    return
  train_all(runs)
  table = table_files.make_table(chosen.table, runs)
  stem = f'table{chosen.table}_{chosen.dataset}_{chosen.scale}'
  paths = table_files.write(table, chosen.workdir, stem)
  print('\n' + paths[0].read_text())
  print(f'Written: {", ".join(map(str, paths))}')


if __name__ == '__main__':
  logging.set_verbosity(logging.ERROR)
  try:
    main()
  except InputError as e:
    print(f'experiment: {e}', file=sys.stderr)
    sys.exit(2)
