"""Prepares a dataset: `python -m tfds_mtl_aqa.prepare mtl_aqa`.

Needs no TensorFlow. After an interruption, the same command continues where it
stopped.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import app, flags, logging

import tfds_mtl_aqa
from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.cores import available_cores

# Slow to import: wrong flags are reported without it.
if TYPE_CHECKING:
  from tfds_mtl_aqa.dive_dataset_builder import DiveDatasetBuilder

_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  'Where datasets are kept. Default: $TFDS_DATA_DIR or ~/tensorflow_datasets.',
)
_MANUAL_DIR = flags.DEFINE_string(
  'manual_dir',
  None,
  'Folder with your videos or frames, and with the annotations if they are not '
  'to be downloaded. Default: <data_dir>/downloads/manual.',
)
_ALLOW_MISSING = flags.DEFINE_bool(
  'allow_missing',
  False,
  'Build the dataset from the dives whose videos are there, and leave out the '
  'others.',
)
_NUM_PROCESSES = flags.DEFINE_integer(
  'num_processes',
  None,
  'How many processes make frames. Default: one for every core.',
  lower_bound=1,
)


def prepare(
  name: str,
  *,
  data_dir: str | None = None,
  manual_dir: str | None = None,
  allow_missing: bool = False,
  num_processes: int = 1,
) -> 'DiveDatasetBuilder':
  """Prepares a dataset unless it is prepared already.

  Args:
    name: dataset, or dataset/config, such as 'mtl_aqa/clips_171x128'.
    data_dir: folder of all datasets; None for TFDS's default.
    manual_dir: folder with the user's own files; None for TFDS's default.
    allow_missing: whether to leave out dives whose sources are missing or
      damaged. Otherwise they are an error.
    num_processes: how many processes make frames, at least 1.

  Returns:
    The builder of the prepared dataset.

  Raises:
    InputError: something that the user gave is missing or wrong.
  """
  dataset, _, config = name.partition('/')
  if dataset not in tfds_mtl_aqa.DATASETS:
    raise input_error.InputError(
      f'{name}: no such dataset; give one of '
      f'{", ".join(tfds_mtl_aqa.DATASETS)}.'
    )
  # The shell does not expand ~ in --manual_dir=~/dives.
  if manual_dir is not None:
    manual_dir = os.path.expanduser(manual_dir)
    if not os.path.isdir(manual_dir):
      raise input_error.InputError(
        f'--manual_dir={manual_dir}: there is no such folder; create it or '
        'give another.'
      )
  import tensorflow_datasets as tfds

  builder_cls = _find_builder(dataset, config)
  builder = builder_cls(
    data_dir=data_dir,
    config=config or None,
    allow_missing=allow_missing,
    num_processes=num_processes,
  )
  was_prepared = builder.is_prepared()
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
  )
  if was_prepared:
    print(f'{builder.info.full_name} is already prepared.')
  held, total = builder.coverage
  if held < total and not allow_missing:
    raise input_error.InputError(
      f'{builder.data_dir}: was prepared with --allow_missing and holds {held} '
      f'of {total} dives; remove it to prepare all dives, or give '
      '--allow_missing to keep it.'
    )
  return builder


def summary(builder: 'DiveDatasetBuilder') -> str:
  """Returns lines of text: what a prepared dataset holds, how to load it."""
  info = builder.info
  sizes = ', '.join(
    f'{name} {split.num_examples}' for name, split in info.splits.items()
  )
  lines = [f'{info.full_name}: {sizes} {builder.EXAMPLES}, {info.dataset_size}']
  held, total = builder.coverage
  if held < total:
    lines.append(
      f"{held} of {total} {builder.EXAMPLES}; info.metadata['missing'] lists "
      f'the others. To add {builder.EXAMPLES}, remove the folder and prepare '
      'again.'
    )
  if unusable := builder.metadata.get('unusable'):
    # Imports packages that only this dataset needs.
    from tfds_mtl_aqa.clips import missing_dives

    lines += missing_dives.unusable(unusable)
  name = f'{builder.name}/{info.config_name}'
  lines += [
    f'In {builder.data_dir}',
    'Load it, after `import tfds_mtl_aqa`, with',
    f'  tfds.data_source({name!r}, data_dir={str(builder.data_dir_root)!r})',
  ]
  return '\n'.join(lines)


def _find_builder(dataset: str, config: str) -> 'type[DiveDatasetBuilder]':
  """Returns the builder class of a dataset that has such a config."""
  builders = {cls.name: cls for cls in tfds_mtl_aqa.BUILDERS}
  configs = list(builders[dataset].builder_configs)
  if config and config not in configs:
    raise input_error.InputError(
      f'{dataset}/{config}: no such config; give one of '
      f'{", ".join(f"{dataset}/{known}" for known in configs)}.'
    )
  return builders[dataset]


def main(argv: Sequence[str]) -> int:
  """Prepares the dataset that the command line names; returns the exit code."""
  logging.set_verbosity(logging.WARNING)
  try:
    if len(argv) != 2:
      raise input_error.InputError(
        'give one dataset, such as mtl_aqa/clips_171x128; the datasets are '
        f'{", ".join(tfds_mtl_aqa.DATASETS)}.'
      )
    builder = prepare(
      argv[1],
      data_dir=_DATA_DIR.value,
      manual_dir=_MANUAL_DIR.value,
      allow_missing=_ALLOW_MISSING.value,
      num_processes=_NUM_PROCESSES.value or available_cores(),
    )
  except (input_error.InputError, OSError) as e:
    return _refuse(e)
  except KeyboardInterrupt:
    print(
      'prepare: interrupted; the same command continues where it stopped.',
      file=sys.stderr,
    )
    return 130
  print(summary(builder))
  return 0


def _refuse(error: Exception) -> int:
  print(f'prepare: {error}', file=sys.stderr)
  return 2


def _parse_flags(argv: Sequence[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except flags.Error as e:
    sys.exit(_refuse(e))


def run() -> None:
  """Runs `main` with the flags of the command line."""
  app.run(main, flags_parser=_parse_flags)


if __name__ == '__main__':
  run()
