"""Writes a trained network as a model: `python -m aqa_jax.bundle`.

  python -m aqa_jax.bundle --workdir=workdir/quickstart --out=model

The folder holds all that it takes to judge a video; see `judging.model_folder`.
"""

import argparse
import contextlib
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aqa_jax import small_command
from tfds_mtl_aqa.input_error import InputError

if TYPE_CHECKING:
  from aqa_jax.judging.conformal import ScoreIntervals
  from aqa_jax.judging.model import Model


def main(arguments: Sequence[str] | None = None) -> None:
  """Writes the model that the arguments name.

  Raises:
    InputError: an argument, the workdir or its dataset is wrong.
  """
  parser = argparse.ArgumentParser(
    prog='python -m aqa_jax.bundle',
    description='Writes a trained network as a folder that aqa_jax.load, '
    'aqa_jax.judge and other programs read.',
  )
  parser.add_argument(
    '--workdir',
    type=pathlib.Path,
    required=True,
    help='of a training; or a folder of official files or of a model',
  )
  parser.add_argument(
    '--out', type=pathlib.Path, required=True, help='folder of the model'
  )
  parser.add_argument(
    '--dtype',
    choices=('float32', 'float16'),
    default='float32',
    help='of the weights in the file; float16 takes half the room',
  )
  parser.add_argument(
    '--data_dir', help='where the dataset is; default: as in the training'
  )
  parser.add_argument(
    '--no_intervals',
    action='store_true',
    help='scores without intervals: needs no dataset',
  )
  chosen = parser.parse_args(arguments)
  if chosen.out.exists() and not chosen.out.is_dir():
    raise InputError(f'--out={chosen.out}: is no folder; give another name.')
  # It takes seconds to import: errors in the arguments come before.
  from aqa_jax.judging.model_folder import write_model
  from aqa_jax.judging.model_source import find_model

  model = find_model(chosen.workdir)
  if not chosen.no_intervals and (chosen.workdir / 'best').is_dir():
    intervals = _intervals(model, chosen.workdir, chosen.data_dir)
    model = model.replace(intervals=intervals)
  write_model(model, chosen.out, chosen.dtype)
  print(
    f'{model.num_parameters():,} parameters of step {model.step}, as '
    f'{chosen.dtype}.'
  )
  if model.intervals:
    print(
      f'90 % of the scores lie within {model.intervals.half_width(0.9):.2f} '
      f'points (inf: unknown), by {len(model.intervals.errors)} validation '
      'dives.'
    )
  size = sum(file.stat().st_size for file in chosen.out.iterdir())
  print(f'Written: {chosen.out}, {size / 1e6:.2f} MB.')


def _intervals(
  model: 'Model', workdir: pathlib.Path, data_dir: str | None
) -> 'ScoreIntervals':
  """Returns the errors on the dives that the training held out."""
  from aqa_jax import train
  from aqa_jax.judging.conformal import ScoreIntervals

  config = model.config.copy_and_resolve_references().unlock()
  if config.select_on != 'validation':
    raise InputError(
      f'{workdir}: held no dives out (config.select_on='
      f"'{config.select_on}'), which intervals need; give --no_intervals."
    )
  if data_dir is not None:
    config.dataset.data_dir = data_dir
  # They are not read.
  config.test_splits = ()
  training = train.set_up(config.lock(), workdir)
  with contextlib.closing(training.checkpoints):
    training.state = training.checkpoints.restore_best(training.state)
    print(f'Predicting {len(training.validation)} validation dives.')
    predictions = training.predictions(training.validation)
  return ScoreIntervals.of(
    predictions.outputs['score'], predictions.label('final_score')
  )


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.bundle')


if __name__ == '__main__':
  run()
