"""The error for wrong input of a user."""

import pathlib


class InputError(Exception):
  """Something that the user gave is wrong: a path, a file, a flag, a field.

  The message is one line, or one list, that names the file or field and the
  remedy. Commands print it without a traceback and exit with code 2.
  """


def unreadable(path: pathlib.Path, error: OSError) -> InputError:
  """Returns the error for a file that the system cannot read.

  Args:
    path: of the file.
    error: that reading it raised.
  """
  return InputError(
    f'{path}: cannot be read ({error.strerror or error}); check that it '
    'exists and that you may read it.'
  )
