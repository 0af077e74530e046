"""The system that a config chooses."""

from aqa_jax import own_parts
from aqa_jax.system import System
from tfds_mtl_aqa.input_error import InputError

NAMES = (
  'c3davg',
  'mscadc',
  'dilated_classifier',
  'segment_c3d',
  'i3d',
  'action_classifier',
  'dive_finder',
  'ed_tcn',
  'c3d_lstm',
)


def chosen_system(name: str) -> System:
  """Returns the system of `config.network`.

  Args:
    name: one of NAMES; or 'package.module' for a system of your own, a module
      that has a SYSTEM.

  Raises:
    InputError: there is no such system.
  """
  field = f"config.network='{name}'"
  if name in NAMES:
    name = f'aqa_jax.systems.{name}'
  elif '.' not in name:
    raise InputError(
      f'{field}: give {", ".join(NAMES)}; or package.module, that has a SYSTEM.'
    )
  system = own_parts.imported(f'{name}:SYSTEM', field)
  if not isinstance(system, System):
    raise InputError(f'{field}: its SYSTEM is no aqa_jax.system.System.')
  return system
