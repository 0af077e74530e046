"""Paths that people give."""

import os
import pathlib

from tfds_mtl_aqa.input_error import InputError


def user_path(name: str | os.PathLike[str]) -> pathlib.Path:
  """Returns the path of a file or folder that has to be there.

  Args:
    name: path; ~ is the home folder.

  Raises:
    InputError: it is not there, or can't be a path.
  """
  try:
    path = pathlib.Path(name).expanduser()
    is_there = path.exists()
  except RuntimeError as e:
    raise InputError(f'{name}: {e}; give the whole path.') from e
  except (OSError, ValueError) as e:
    # A name that is too long, or has a NUL in it.
    reason = getattr(e, 'strerror', None) or str(e)
    raise InputError(f'{str(name)[:100]}: {reason}; give a path.') from e
  if '://' in str(name) and not is_there:
    raise InputError(
      f'{name}: is an address, and nothing is read from the network; download '
      'it first.'
    )
  if not is_there or not str(name):
    raise InputError(
      f'{str(name) or "(no name)"}: is not there; give the path of what is.'
    )
  return path
