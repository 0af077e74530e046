"""Prepares a dataset: `python -m tfds_mtl_aqa.prepare mtl_aqa`.

Needs no TensorFlow. An interrupted run goes on where it was when the same
command is given again.
"""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds
from absl import app, flags, logging

import tfds_mtl_aqa
from tfds_mtl_aqa import dive_dataset_builder, input_error

_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  'Where datasets are kept. Default: $TFDS_DATA_DIR or ~/tensorflow_datasets.',
)
_MANUAL_DIR = flags.DEFINE_string(
  'manual_dir',
  None,
  'Folder with what cannot be downloaded (videos, frames) or need not be '
  '(annotations). Default: <data_dir>/downloads/manual.',
)
_ALLOW_MISSING = flags.DEFINE_bool(
  'allow_missing',
  False,
  'Build the dataset from the dives whose videos are there.',
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
) -> dive_dataset_builder.DiveDatasetBuilder:
  """Prepares a dataset unless it is prepared already.

  Args:
    name: 'mtl_aqa' or 'mtl_aqa/clips_171x128', for example.
    data_dir: where datasets are kept; None for TFDS's default.
    manual_dir: folder with the user's own files.
    allow_missing: build from what there is.
    num_processes: how many processes make frames.

  Returns:
    The builder of the prepared dataset.

  Raises:
    InputError: something that the user gave is missing or wrong.
  """
  builder_cls, config = _find_builder(name)
  if manual_dir is not None and not pathlib.Path(manual_dir).is_dir():
    raise input_error.InputError(
      f'--manual_dir={manual_dir}: there is no such folder.'
    )
  builder = builder_cls(
    data_dir=data_dir,
    config=config,
    allow_missing=allow_missing,
    num_processes=num_processes,
  )
  if builder.is_ready():
    print(f'{builder.info.full_name} is already prepared.')
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
  )
  held, total = builder.coverage
  if held < total and not allow_missing:
    raise input_error.InputError(
      f'{builder.data_dir}: was prepared with --allow_missing and holds {held} '
      f'of {total} dives; remove it to prepare the whole, or give '
      '--allow_missing to keep it.'
    )
  return builder


def summary(builder: dive_dataset_builder.DiveDatasetBuilder) -> str:
  """Returns what a prepared dataset holds and how to load it, as lines."""
  info = builder.info
  sizes = ', '.join(
    f'{name} {split.num_examples}' for name, split in info.splits.items()
  )
  lines = [f'{info.full_name}: {sizes} dives, {info.dataset_size}']
  held, total = builder.coverage
  if held < total:
    lines.append(
      f"{held} of {total} dives; info.metadata['missing'] lists the others. To "
      'add dives, remove the folder and prepare again.'
    )
  name = f'{builder.name}/{builder.builder_config.name}'
  lines += [
    f'In {builder.data_dir}',
    'Load it, after `import tfds_mtl_aqa`, with',
    f'  tfds.data_source({name!r}, data_dir={str(builder.data_dir_root)!r})',
  ]
  return '\n'.join(lines)


def _find_builder(name: str) -> tuple[Any, str | None]:
  """Returns the builder class and the config that a name means."""
  dataset, _, config = name.partition('/')
  builders = {cls.name: cls for cls in tfds_mtl_aqa.BUILDERS}
  if dataset not in builders:
    raise input_error.InputError(
      f'{name}: no such dataset; there are {", ".join(sorted(builders))}.'
    )
  configs = list(builders[dataset].builder_configs)
  if config and config not in configs:
    raise input_error.InputError(
      f'{name}: no such config; there are '
      f'{", ".join(f"{dataset}/{known}" for known in configs)}.'
    )
  return builders[dataset], config or None


def main(argv: Sequence[str]) -> int:
  """Prepares the dataset that the command line names; returns the exit code."""
  logging.set_verbosity(logging.WARNING)
  try:
    if len(argv) != 2:
      raise input_error.InputError(
        'give one dataset, such as mtl_aqa/clips_171x128; there are '
        f'{", ".join(sorted(cls.name for cls in tfds_mtl_aqa.BUILDERS))}.'
      )
    builder = prepare(
      argv[1],
      data_dir=_DATA_DIR.value,
      manual_dir=_MANUAL_DIR.value,
      allow_missing=_ALLOW_MISSING.value,
      num_processes=_NUM_PROCESSES.value or _num_cores(),
    )
  except (input_error.InputError, OSError) as e:
    return _refuse(e)
  except KeyboardInterrupt:
    print(
      'prepare: interrupted; the same command goes on where it stopped.',
      file=sys.stderr,
    )
    return 130
  print(summary(builder))
  return 0


def _num_cores() -> int:
  if hasattr(os, 'sched_getaffinity'):  # Fewer than all, under a scheduler.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _refuse(error: Exception) -> int:
  print(f'prepare: {error}', file=sys.stderr)
  return 2


def _parse_flags(argv: Sequence[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except flags.Error as e:
    sys.exit(_refuse(e))


if __name__ == '__main__':
  app.run(main, flags_parser=_parse_flags)
