r"""A table of the paper, or of modern heads, as a set of trainings.

python -m aqa_jax.paper --table=4 --dataset=simulated_dives --scale=small \
  --data_dir=data --workdir=workdir/tables

Each row is a plain `aqa_jax.main` command, which --dry_run prints: run some of
them on other machines, in their order, put their workdirs in place, and give
the command again. What is finished is not trained again; what was interrupted
goes on.
"""

import argparse
import shlex
from collections.abc import Sequence

from aqa_jax import small_command
from aqa_jax.paper import paper_tables
from aqa_jax.workdir import check_can_be_made, local_folder
from tfds_mtl_aqa.input_error import InputError


def _table(text: str) -> int | str:
  """Returns the number of a table, or its name."""
  return int(text) if text.isdecimal() else text


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = small_command.Parser(
    prog='python -m aqa_jax.paper',
    description='Trains and evaluates the rows of a table of the paper, or of '
    'modern heads.',
    # Else --seed=5 would mean --seeds=5.
    allow_abbrev=False,
  )
  parser.add_argument(
    '--table', type=_table, required=True, choices=paper_tables.TABLES
  )
  parser.add_argument('--dataset', default='simulated_dives')
  parser.add_argument('--scale', default='small', choices=paper_tables.SCALES)
  parser.add_argument('--workdir', required=True)
  parser.add_argument('--data_dir', default='data')
  parser.add_argument('--seeds', type=int, default=3)
  parser.add_argument(
    '--without',
    type=lambda text: [name for name in text.split(',') if name],
    default=[],
    help='rows to leave out, with commas between: names, or probe-i3d-*',
  )
  given = parser.add_argument_group('what full scale needs and only you have')
  given.add_argument(
    '--ucf101', default='', help='folder of UCF-101, or ucf101/ucf101_1'
  )
  given.add_argument(
    '--poses',
    default='',
    help='files of poses, such as poses/{event:02d}_{sample:02d}.npy',
  )
  given.add_argument(
    '--s3d_features', default='', help='file of the features of S3D, .npz'
  )
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
  # They take seconds to import: errors in the flags come before.
  from aqa_jax.paper import experiment, experiment_check, table_files
  from aqa_jax.paper.finished_table import make_table

  rows = paper_tables.rows(
    chosen.table,
    chosen.dataset,
    chosen.scale,
    chosen.data_dir,
    chosen.without,
  )
  plan = experiment.Plan(
    chosen.workdir,
    chosen.data_dir,
    chosen.overrides,
    {flag: getattr(chosen, flag) for flag in experiment_check.GIVEN},
  )
  runs = plan.runs(rows, chosen.seeds)
  if chosen.dry_run:
    for run in runs:
      print(shlex.join(['python', *run.command]))
    return
  check_can_be_made(chosen.workdir)
  experiment_check.check(rows, runs)
  experiment.train_all(runs)
  table = make_table(chosen.table, rows, runs)
  name = f'table{chosen.table}'
  if isinstance(chosen.table, str):
    name = f'table_{chosen.table}'
  stem = f'{name}_{chosen.dataset}_{chosen.scale}'
  paths = table_files.write(table, chosen.workdir, stem)
  print('\n' + paths[0].read_text())
  print(f'Written: {", ".join(map(str, paths))}')


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.paper')


if __name__ == '__main__':
  run()
