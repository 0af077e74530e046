"""The folder of a run, and the config that it belongs to."""

import errno
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from aqa_jax.files import write_atomically
from tfds_mtl_aqa.input_error import InputError

# Fields that may change between the starts of a training.
FREE_FIELDS = (
  'dataset.data_dir',
  'eval_batch_size',
  'evaluators',
  'features.cache',
  # Compared on its own.
  'features.fingerprint',
  'input.cache',
  'max_corrupt_fraction',
  'max_non_finite',
  'mesh',
  'meteor',
  # It follows from the labels that were trained on, as fault_units does.
  'model.fault_costs',
  'profile',
  'progress_seconds',
  'remat',
  'tensorboard',
  'test_splits',
)

_CONFIG = 'config.json'
# A message names so many fields that differ.
_SHOWN = 4
# What a regression is stored in.
REGRESSOR = 'regressor.safetensors'

# A config as JSON holds it.
Recorded = Mapping[str, Any]


def local_folder(flag: str, value: str | os.PathLike[str]) -> pathlib.Path:
  """Returns the folder that a flag gives; ~ is the home folder.

  Args:
    flag: its name, for the error.
    value: value of the flag.

  Raises:
    InputError: it is a URL, which would become a folder of that name.
  """
  if re.match(r'[a-z0-9]+:/', os.fspath(value)):
    raise InputError(
      f'--{flag}={value}: give a local or mounted folder; docs/launch.md '
      'mounts a bucket.'
    )
  return pathlib.Path(value).expanduser()


def recorded_config(workdir: pathlib.Path) -> Recorded | None:
  """Returns the config that a workdir was begun with; None for a new one.

  Raises:
    InputError: it can't be read.
  """
  path = workdir / _CONFIG
  try:
    if not path.exists():
      return None
    recorded = json.loads(path.read_text())
  except OSError as e:
    raise _unusable(workdir, e) from e
  except ValueError:  # Neither JSON nor even text.
    recorded = None
  if not recorded or not isinstance(recorded, dict):
    raise InputError(
      f'{path}: is damaged. Remove this file alone, and give the config that '
      'the workdir was begun with: the checkpoints stay.'
    )
  return recorded


def _unusable(workdir: pathlib.Path, error: OSError) -> InputError:
  return InputError(
    f'--workdir={workdir}: {error.strerror}; give a folder that can be written.'
  )


def check_can_be_made(workdir: pathlib.Path) -> None:
  """Checks that a workdir is, or can become, a folder that can be written.

  Nothing is made: it is for what comes before anything slow.

  Args:
    workdir: folder of the run.

  Raises:
    InputError: a file has its name, or that of a folder above it; or the
      nearest folder that is there can't be written.
  """
  folder = workdir.absolute()
  try:
    while not folder.exists():
      folder = folder.parent
  except OSError as e:  # Such as a name that is too long.
    raise _unusable(workdir, e) from e
  if not folder.is_dir():
    error = NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    raise _unusable(workdir, error)
  _check_access(workdir, folder)


def _check_access(workdir: pathlib.Path, folder: pathlib.Path) -> None:
  """Checks that a folder, the workdir or one above it, can be written."""
  if not os.access(folder, os.W_OK):
    raise InputError(
      f'--workdir={workdir}: can not be written; give a folder that can be '
      'written.'
    )


def check_workdir(workdir: pathlib.Path, config: Recorded) -> None:
  """Records the config in a new workdir; compares it in a used one.

  A workdir without a checkpoint, of a start that was interrupted early, takes
  any config. In a used one, what earlier versions did not learn from the labels
  is added: `model.fault_costs`.

  Args:
    workdir: folder of the run; made if it is not there.
    config: config of the run, plain values.

  Raises:
    InputError: the workdir is no folder, can't be written, or belongs to
      another config.
  """
  try:
    workdir.mkdir(parents=True, exist_ok=True)
  except OSError as e:
    raise _unusable(workdir, e) from e
  recorded = recorded_config(workdir)
  _check_access(workdir, workdir)
  if recorded is None or not has_checkpoint(workdir):
    _record(workdir, config)
    return
  found = differences(recorded, as_recorded(config, recorded))
  if found:
    more = len(found) - _SHOWN
    told = found[:_SHOWN] + [f'and {more} more fields'] * (more > 0)
    raise InputError(
      f'--workdir={workdir} belongs to another config ('
      + '; '.join(told)
      + '); give another --workdir, or the config that made it.'
    )
  was, now = (_fingerprint(fields) for fields in (recorded, config))
  # Earlier versions did not record it.
  if was and was != now:
    raise InputError(
      f'--workdir={workdir}: was begun on other features: what '
      'config.features names has changed since; put back what was there, or '
      'give another --workdir.'
    )
  if 'fault_costs' in config.get('model', {}):
    model = recorded.get('model', {})
    if 'fault_costs' not in model:
      costs = {'fault_costs': config['model']['fault_costs']}
      _record(workdir, {**recorded, 'model': model | costs})


def _record(workdir: pathlib.Path, config: Recorded) -> None:
  """Writes the config of a workdir, on the first process."""
  import jax

  if jax.process_index() == 0:
    write_atomically(workdir / _CONFIG, json.dumps(config, indent=2) + '\n')


def as_recorded(config: Recorded, recorded: Recorded) -> dict[str, Any]:
  """Returns a config as JSON holds it, without what came after a workdir.

  Earlier versions had no `heads`, or fewer fields in it, and weights for fewer
  tasks: a training of theirs has used none of these.

  Args:
    config: a config, plain values.
    recorded: the config that the workdir was begun with.
  """
  given: dict[str, Any] = json.loads(json.dumps(config))
  if 'heads' not in recorded:
    given.pop('heads', None)
  for group in ('heads', 'loss_weights'):
    if group in given and group in recorded:
      given[group] = {
        name: value
        for name, value in given[group].items()
        if name in recorded[group]
      }
  return given


def _fingerprint(config: Recorded) -> str:
  """Returns what tells a config's features from others; '' for nothing."""
  return str(config.get('features', {}).get('fingerprint', ''))


def has_checkpoint(workdir: pathlib.Path) -> bool:
  """Returns whether a workdir has a whole checkpoint, or a regressor."""
  if (workdir / REGRESSOR).exists():
    return True
  # Orbax names a complete checkpoint by its step.
  return any(
    path.name.isdecimal()
    for kind in ('checkpoints', 'best')
    for path in (workdir / kind).glob('*')
  )


def differences(recorded: Any, given: Any, name: str = '') -> list[str]:
  """Returns 'field: recorded there, given now' for all that matters.

  Args:
    recorded: a dict, or a value in it.
    given: a dict, or a value in it.
    name: name of the field; '' for the whole config.
  """
  if isinstance(recorded, dict) and isinstance(given, dict):
    lines = []
    for key in sorted(recorded.keys() | given.keys()):
      field = f'{name}.{key}' if name else key
      if field not in FREE_FIELDS:
        lines += differences(recorded.get(key), given.get(key), field)
    return lines
  if recorded == given:
    return []
  return [f'{name}: {recorded!r} there, {given!r} now']
