"""The system that a config chooses."""

import importlib

from aqa_jax.system import System
from tfds_mtl_aqa.input_error import InputError

NAMES = ('c3davg', 'mscadc', 'action_classifier')


def chosen_system(name: str) -> System:
  """Returns the system of `config.network`.

  Args:
    name: one of NAMES; or 'package.module' for a system of your own, a module
      that has a SYSTEM.

  Raises:
    InputError: there is no such system.
  """
  module = f'aqa_jax.systems.{name}' if name in NAMES else name
  try:
    system = importlib.import_module(module).SYSTEM if '.' in module else None
  except (ImportError, AttributeError) as e:
    raise InputError(
      f"config.network='{name}': can't be imported ({e}); give a package that "
      f'has a SYSTEM, or {" or ".join(NAMES)}.'
    ) from e
  if not isinstance(system, System):
    raise InputError(f"config.network='{name}': give {', '.join(NAMES)}.")
  return system
