"""The file that figures are written to."""

import json
import pathlib

from aqa_jax.files import write_atomically
from tfds_mtl_aqa.input_error import InputError


def prepare(path: pathlib.Path) -> None:
  """Makes the folder of a file, before the measurement begins.

  Raises:
    InputError: the folder can't be made, or the file is a folder.
  """
  if path.is_dir():
    raise InputError(f'--out={path} is a folder; give a file.')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
  except OSError as e:
    raise InputError(f'--out={path}: {e.strerror}.') from e


def write(path: pathlib.Path, figures: object) -> None:
  """Writes figures as JSON, in one piece."""
  write_atomically(path, json.dumps(figures, indent=1) + '\n')
