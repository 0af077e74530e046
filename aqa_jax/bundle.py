"""Writes a trained network as a model: `python -m aqa_jax.bundle`.

  python -m aqa_jax.bundle --workdir=workdir/quickstart --out=model

The folder holds all that it takes to judge a video; see `judging.model_folder`.
The workdir of a training with configs/find_dives.py gives what finds the dives;
see `judging.finder_model`.
"""

import math
import os
import pathlib
from collections.abc import Sequence

from aqa_jax import small_command
from aqa_jax.judging.model_files import (
  CARD,
  FILES,
  FINDER_FILES,
)
from tfds_mtl_aqa.input_error import InputError


def main(arguments: Sequence[str] | None = None) -> None:
  """Writes the model that the arguments name.

  Raises:
    InputError: an argument, the workdir or its dataset is wrong.
  """
  parser = small_command.Parser(
    prog='python -m aqa_jax.bundle',
    description='Writes a trained network as a folder that aqa_jax.load, '
    'aqa_jax.judge and other programs read.',
  )
  parser.add_argument(
    '--workdir',
    type=small_command.path,
    required=True,
    help='of a training; or a folder of official files or of a model',
  )
  parser.add_argument(
    '--out', type=small_command.path, required=True, help='folder of the model'
  )
  parser.add_argument(
    '--dtype',
    choices=('float32', 'float16'),
    default='float32',
    help='of the weights in the file; float16 takes half the room',
  )
  chosen = parser.parse_args(arguments)
  _check_out(chosen.out, FILES, FINDER_FILES)
  # JAX takes seconds to import: errors in the arguments come before.
  from aqa_jax.judging.finder_model import find_finder, is_finder, write_finder

  if is_finder(chosen.workdir):
    _check_out(chosen.out, FINDER_FILES)
    write_finder(find_finder(chosen.workdir), chosen.out, chosen.dtype)
  else:
    _check_out(chosen.out, FILES)
    _write_model(chosen.workdir, chosen.out, chosen.dtype)
  size = sum(file.stat().st_size for file in chosen.out.iterdir())
  print(f'Written: {chosen.out}, {size / 1e6:.2f} MB.')


def _write_model(workdir: pathlib.Path, out: pathlib.Path, dtype: str) -> None:
  from aqa_jax.evaluation.conformal import COVERAGE
  from aqa_jax.judging.model_folder import write_model
  from aqa_jax.judging.model_source import find_model

  model = find_model(workdir)
  write_model(model, out, dtype)
  print(
    f'{model.num_parameters():,} parameters of step {model.step}, as {dtype}.'
  )
  if not any(task.gives_score for task in model.tasks):
    print('It gives no score.')
    return
  half = model.intervals.half_width(COVERAGE) if model.intervals else math.inf
  if model.intervals and math.isfinite(half):
    print(
      f'Intervals by {len(model.intervals.errors)} validation dives: '
      f'{100 * COVERAGE:g} % lie within {half:.2f} points'
      + (
        '; each by how sure it is, this is the mean.'
        if model.intervals.spreads
        else '.'
      )
    )
  else:
    print(
      'Its scores have no intervals: those need a training that has held out '
      'nine dives at least, and was evaluated (--mode=eval).'
    )


def _check_out(out: pathlib.Path, *kinds: Sequence[str]) -> None:
  """Raises InputError where a folder holds what is to be kept.

  Args:
    out: folder, which need not be there.
    kinds: names of the files of each kind of folder that it may be.
  """
  if not out.exists():
    return
  if not out.is_dir():
    raise InputError(f'--out={out}: is no folder; give another name.')
  try:
    names = set(os.listdir(out))
  except OSError as e:
    raise InputError(f'--out={out}: {e.strerror}; give another folder.') from e
  others = min((names - set(kind) for kind in kinds), key=len)
  if names == {CARD}:  # As many other folders hold.
    others = names
  if others:
    raise InputError(
      f'--out={out}: holds other files ({", ".join(sorted(others)[:3])}); give '
      'a new folder, or one of the same kind.'
    )


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.bundle')


if __name__ == '__main__':
  run()
