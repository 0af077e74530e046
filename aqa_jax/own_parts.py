"""Classes and objects that a config names as 'package.module:Name'."""

import importlib
import os
import pathlib
import sys
from typing import Any

from tfds_mtl_aqa.input_error import InputError


def find_in(folder: str | os.PathLike[str]) -> None:
  """Lets `imported`, and every import, find the modules in a folder.

  Args:
    folder: the current one, where `python -m` looks by itself and a console
      script does not; or that of a config.
  """
  path = str(pathlib.Path(folder).absolute())
  if path not in sys.path:
    sys.path.append(path)


def imported(text: str, field: str) -> Any:
  """Returns what 'package.module:Name' names.

  Args:
    text: what the config has.
    field: of the config, with its value, for the error.

  Raises:
    InputError: there is no such module or name, or the module has an error.
  """
  module, _, name = (part.strip() for part in text.partition(':'))
  if not name or not all(part.isidentifier() for part in module.split('.')):
    raise InputError(
      f'{field}: {text!r} is not of the form package.module:Name.'
    )
  try:
    return getattr(importlib.import_module(module), name)
  # Whatever the module does when it is imported; even sys.exit.
  except (Exception, SystemExit) as e:
    raise InputError(
      f'{field}: {text} cannot be imported ({type(e).__name__}: {e}); give '
      'package.module:Name, of a package that is installed, in this folder or '
      'beside the config.'
    ) from e
