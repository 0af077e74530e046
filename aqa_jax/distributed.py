"""Several processes that train together: their flags, and how they meet."""

import os
import re

from absl import flags

from tfds_mtl_aqa.input_error import InputError

_COORDINATOR = flags.DEFINE_string(
  'coordinator_address', None, 'host:port of process 0, for several processes.'
)
_NUM_PROCESSES = flags.DEFINE_integer(
  'num_processes', None, 'How many processes there are.'
)
_PROCESS_ID = flags.DEFINE_integer(
  'process_id', None, 'Which of them this is, from 0.'
)
_MULTI_HOST = flags.DEFINE_bool(
  'multi_host',
  False,
  'Several processes that find each other: on a TPU slice, or under SLURM.',
)

# Seconds without a message until a process counts as dead, and the others end.
_HEARTBEAT_TIMEOUT = 60
# Seconds that the processes wait for the last of them: a cloud may first have
# to start a machine.
_START_TIMEOUT = 1800


def check_flags(mode: str) -> None:
  """Checks the flags of this module.

  Args:
    mode: value of --mode.

  Raises:
    InputError: a flag has a wrong value, does not fit the mode, or needs
      another flag.
  """
  for flag in (_COORDINATOR, _NUM_PROCESSES, _PROCESS_ID, _MULTI_HOST):
    if flag.value and mode in ('compile', 'benchmark'):
      raise InputError(
        f'--{flag.name} is for training and evaluation; --mode={mode} '
        'runs in one process.'
      )
  together = (_COORDINATOR, _NUM_PROCESSES, _PROCESS_ID)
  given = [flag for flag in together if flag.value is not None]
  if not given:
    return
  coordinator = _COORDINATOR.value
  count, process = _NUM_PROCESSES.value, _PROCESS_ID.value
  if coordinator is None or count is None or process is None:
    raise InputError(
      f'--{given[0].name}={given[0].value}: give all of '
      f'{", ".join(f"--{flag.name}" for flag in together)}, or none of them.'
    )
  address = re.fullmatch(r'.+:(\d+)', coordinator)
  if not address or not 0 < int(address[1]) < 2**16:
    raise InputError(
      f'--coordinator_address={coordinator}: give host:port, such as '
      'localhost:8476.'
    )
  if count < 1:
    raise InputError(f'--num_processes={count}: give 1 or more.')
  if not 0 <= process < count:
    raise InputError(
      f'--process_id={process}: give 0 to --num_processes={count}, less one.'
    )


def check_platforms() -> None:
  """Looks for the devices; has to come after `initialize`.

  Raises:
    InputError: there are none of the kind that $JAX_PLATFORMS asks for.
  """
  import jax

  try:
    jax.devices()
  except (AssertionError, RuntimeError) as e:
    asked = os.environ.get('JAX_PLATFORMS')
    if not asked:
      raise
    # For a plugin that is not installed JAX's error has no text.
    reason = str(e).splitlines()[0] if str(e) else 'JAX finds none here'
    raise InputError(
      f'JAX_PLATFORMS={asked}: {reason}; unset it to use the devices that are '
      'here.'
    ) from e


def initialize() -> None:
  """Connects this process with the others, if the flags say there are some.

  Raises:
    InputError: no cluster is found.
  """
  if _COORDINATOR.value is None and not _MULTI_HOST.value:
    return
  import jax

  count = _NUM_PROCESSES.value
  if _PROCESS_ID.value == 0 and count is not None and count > 1:
    print(
      f'Waiting for {count} processes at {_COORDINATOR.value}, '
      f'for {_START_TIMEOUT // 60} minutes at most.',
      flush=True,
    )
  try:
    jax.distributed.initialize(
      _COORDINATOR.value,
      _NUM_PROCESSES.value,
      _PROCESS_ID.value,
      initialization_timeout=_START_TIMEOUT,
      heartbeat_timeout_seconds=_HEARTBEAT_TIMEOUT,
    )
  except ValueError as e:
    if not _MULTI_HOST.value:
      raise
    raise InputError(
      f'--multi_host: neither a TPU slice nor a SLURM job is found here ({e}) '
      'Elsewhere give --coordinator_address, --num_processes and --process_id.'
    ) from e
