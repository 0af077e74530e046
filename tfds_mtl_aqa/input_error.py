"""The error that a user's own input raises."""


class InputError(Exception):
  """Something the user gave is wrong: a path, a file, a flag, a field.

  The message is one clear line (or one list) that names the file or field and
  the remedy. Commands print it without a traceback and exit with code 2.
  """
