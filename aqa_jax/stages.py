"""Measures stages of dives that are in a file: `python -m aqa_jax.stages`.

  python -m aqa_jax.stages tcn_output.npy --dataset=unlv_dive/annotations \
    --data_dir=data --id=dive_id --frames=151

`evaluation.stage_segmentation` defines the figures.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aqa_jax import small_command
from tfds_mtl_aqa.input_error import InputError


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures the file that the arguments name.

  Raises:
    InputError: an argument, the file or the dataset is wrong.
  """
  parser = small_command.Parser(
    prog='python -m aqa_jax.stages',
    description='Tells how many frames of a stage segmentation are right, and '
    'how far the ends of the stages are off.',
  )
  parser.add_argument(
    'file',
    type=small_command.path,
    help='.npy: stages [dives, frames], from 0, or their probabilities '
    '[dives, frames, stages]',
  )
  parser.add_argument(
    '--dataset', required=True, help='such as unlv_dive/annotations'
  )
  parser.add_argument('--data_dir', default='', help='folder of the datasets')
  parser.add_argument('--split', default='test', help='of the dataset')
  parser.add_argument(
    '--id',
    default='',
    help='label of the dataset that is the row of a dive in the file, from 1; '
    'without it the file has the dives of the split in their order',
  )
  parser.add_argument(
    '--frames',
    type=int,
    default=0,
    help='measure so many of the first frames; 0: all of the file',
  )
  chosen = parser.parse_args(arguments)
  stages = _read(chosen.file)
  if not 0 <= chosen.frames <= stages.shape[1]:
    raise InputError(
      f'--frames={chosen.frames}: {chosen.file} has {stages.shape[1]}; give '
      'that or less, or 0 for all.'
    )
  # TFDS takes seconds to import: errors in the file come before.
  from aqa_jax.data import dive_selection, dive_split, stage_labels
  from aqa_jax.evaluation import stage_segmentation
  from tfds_mtl_aqa.labels import STAGES

  builder = dive_split.open_builder(chosen.dataset, chosen.data_dir, False)
  dives = dive_selection.select(builder, chosen.split)
  ends = stage_labels.stage_ends(dives.labels, builder.info)
  rows = np.arange(len(dives))
  if chosen.id:
    rows = _rows(chosen.id, dives.labels, len(stages), chosen.file)
  elif len(stages) != len(dives):
    raise InputError(
      f'{chosen.file}: has {len(stages)} dives, the split {chosen.split!r} '
      f'{len(dives)}; give --id, the label that is the row of a dive.'
    )
  figures = stage_segmentation.measure(
    stages[rows, : chosen.frames or None], ends, STAGES
  )
  print(json.dumps({'split': chosen.split, 'num_dives': len(dives)} | figures))


def _read(path: pathlib.Path) -> np.ndarray:
  """Returns the stages of a file, int [dives, frames]."""
  try:
    stages = np.load(path, allow_pickle=False)
  except FileNotFoundError as e:
    raise InputError(f'{path}: is not there; give a .npy file.') from e
  except (OSError, ValueError, EOFError) as e:
    raise InputError(
      f'{path}: can not be read as .npy without pickles '
      f'({type(e).__name__}); write it with numpy.save.'
    ) from e
  if not isinstance(stages, np.ndarray) or stages.dtype.kind not in 'iuf':
    raise InputError(f'{path}: holds no numbers; write it with numpy.save.')
  if stages.ndim == 3 and np.isfinite(stages).all():
    stages = stages.argmax(axis=-1)
  if stages.ndim != 2 or stages.dtype.kind not in 'iu' or not stages.size:
    raise InputError(
      f'{path}: has {stages.dtype} {list(stages.shape)}; give whole numbers '
      '[dives, frames], or finite probabilities [dives, frames, stages].'
    )
  return stages


def _rows(
  name: str,
  labels: Mapping[str, Any],
  count: int,
  path: pathlib.Path,
) -> np.ndarray:
  """Returns the rows of the dives in the file."""
  rows = np.asarray(labels.get(name, ''))
  if rows.ndim != 1 or rows.dtype.kind not in 'iu':
    raise InputError(
      f'--id={name}: the dataset has no such label that is a whole number; '
      f'it has {", ".join(sorted(labels))}.'
    )
  if rows.min() < 1 or rows.max() > count:
    raise InputError(
      f'{path}: has {count} dives; by --id={name} it would need rows '
      f'{rows.min()} to {rows.max()}. Give a file with all dives.'
    )
  return rows - 1


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.stages')


if __name__ == '__main__':
  run()
