"""The folder of a trained network: weights, and JSON files beside them."""

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from aqa_jax.files import write_atomically
from tfds_mtl_aqa.input_error import InputError


def write(folder: pathlib.Path, files: Mapping[str, str | bytes]) -> None:
  """Writes the files of a folder, each atomically.

  Args:
    folder: made if it is not there.
    files: contents by name, in the order of writing.

  Raises:
    InputError: the folder can't be written.
  """
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
      write_atomically(folder / name, content)
  except OSError as e:
    raise InputError(
      f'--out={folder}: {e.strerror}; give a folder that can be written.'
    ) from e


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """Returns the object in a JSON file.

  Raises:
    InputError: it can't be read.
  """
  try:
    found = json.loads(path.read_text('utf-8'))
  except OSError as e:
    raise InputError(f'{path}: {e.strerror}; give a whole model folder.') from e
  except (ValueError, RecursionError):
    found = None
  if not isinstance(found, dict):
    raise InputError(f'{path}: is damaged; get the folder again.')
  return found


def read_description(
  path: pathlib.Path, version: int, network: str
) -> dict[str, Any]:
  """Returns the object in the JSON file that describes a network.

  Args:
    path: the file.
    version: version of its format that can be read.
    network: what the folder holds, such as 'model', for the error.

  Raises:
    InputError: it can't be read, or is of another version.
  """
  found = read_json(path)
  if found.get('format') != version:
    raise InputError(
      f'{path}: has format {found.get("format")!r}, this version reads '
      f'{version}; write the {network} again, with this version of aqa_jax.'
    )
  return found


@contextlib.contextmanager
def damage_told(path: pathlib.Path) -> Iterator[None]:
  """Tells of any error within it that a description is damaged.

  Args:
    path: file with the description.

  Raises:
    InputError: there was an error.
  """
  try:
    yield
  except InputError as e:
    raise InputError(f'{path}: is damaged: {e}') from e
  # Whatever a description that is damaged makes a network raise.
  except Exception as e:
    reason = str(e).split('\n', 1)[0][:200]
    raise InputError(
      f'{path}: is damaged ({type(e).__name__}: {reason}); get the folder '
      'again.'
    ) from e
