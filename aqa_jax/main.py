"""Trains or evaluates: `python -m aqa_jax.main --config=... --workdir=...`."""

import contextlib
import errno
import hashlib
import os
import pathlib
import platform
import re
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import NoReturn

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from aqa_jax import (
  STARTED,
  benchmark,
  compile_check,
  preemption,
  pretrain,
  train,
)
from aqa_jax.checkpoint import local_folder
from aqa_jax.writers import is_disk_full
from tfds_mtl_aqa.input_error import InputError

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'Path of the config, such as configs/c3davg.py.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder for checkpoints, metrics and evaluations.'
)
_MODE = flags.DEFINE_enum(
  'mode',
  'train',
  ['train', 'eval', 'compile', 'benchmark'],
  'train: train (or go on) and evaluate; eval: evaluate the best checkpoint; '
  'compile: check the config for a topology; benchmark: time the training '
  'step; both without data or workdir.',
)
_TOPOLOGY = flags.DEFINE_string(
  'topology',
  '',
  'What --mode=compile compiles for: cpu:8, or a TPU slice such as v5e:4x4; '
  'default: the devices that are here.',
)
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

# Seconds without a sign of life until a process counts as dead, and the others
# end.
_HEARTBEAT_TIMEOUT = 60
# Seconds that the processes wait for the last of them: nodes may have to be
# made first.
_START_TIMEOUT = 1800
# Seconds that process 0, which the others hang on, leaves them to say the same.
_LAST_WORDS = 5
# Also keeps XLA from trying which kernel is the fastest: that differs from
# start to start.
_DETERMINISTIC = '--xla_gpu_deterministic_ops=true'


def main(argv: Sequence[str]) -> None:
  """Runs the mode that the flags ask for."""
  if len(argv) > 1:
    raise InputError(f'unknown argument {argv[1]!r}; flags begin with --.')
  if not _CONFIG.value:
    raise InputError('--config is missing.')
  if _CONFIG.value.get('deterministic'):
    # XLA reads it once, when it first looks for devices.
    os.environ['XLA_FLAGS'] = ' '.join(
      filter(None, (os.environ.get('XLA_FLAGS'), _DETERMINISTIC))
    )
  _check_processes()
  if _MODE.value == 'compile':
    if not _TOPOLOGY.value:
      _check_platforms()
    compile_check.run(_CONFIG.value, _TOPOLOGY.value)
    return
  if _TOPOLOGY.value:
    raise InputError(f'--topology={_TOPOLOGY.value} is for --mode=compile.')
  if _MODE.value == 'benchmark':
    _check_platforms()
    benchmark.run(_CONFIG.value)
    return
  if not _WORKDIR.value:
    raise InputError('--workdir is missing.')
  workdir = local_folder('workdir', _WORKDIR.value)
  if _COORDINATOR.value is not None or _MULTI_HOST.value:
    _find_each_other()
  _check_platforms()
  with contextlib.ExitStack() as stack:
    if jax.process_index():
      # All processes would say the same.
      silent = stack.enter_context(open(os.devnull, 'w'))
      stack.enter_context(contextlib.redirect_stdout(silent))
    _run_mode(workdir)


def _check_processes() -> None:
  for flag in (_COORDINATOR, _NUM_PROCESSES, _PROCESS_ID, _MULTI_HOST):
    if flag.value and _MODE.value in ('compile', 'benchmark'):
      raise InputError(
        f'--{flag.name} is for training and evaluation; --mode={_MODE.value} '
        'runs in one process.'
      )
  together = (_COORDINATOR, _NUM_PROCESSES, _PROCESS_ID)
  given = [flag for flag in together if flag.value is not None]
  if not given:
    return
  if len(given) < len(together):
    raise InputError(
      f'--{given[0].name}={given[0].value}: give all of '
      f'{", ".join(f"--{flag.name}" for flag in together)}, or none of them.'
    )
  address = re.fullmatch(r'.+:(\d+)', _COORDINATOR.value)
  if not address or not 0 < int(address[1]) < 2**16:
    raise InputError(
      f'--coordinator_address={_COORDINATOR.value}: give host:port, such as '
      'localhost:8476.'
    )
  if _NUM_PROCESSES.value < 1:
    raise InputError(f'--num_processes={_NUM_PROCESSES.value}: give 1 or more.')
  if not 0 <= _PROCESS_ID.value < _NUM_PROCESSES.value:
    raise InputError(
      f'--process_id={_PROCESS_ID.value}: give 0 to '
      f'--num_processes={_NUM_PROCESSES.value}, less one.'
    )


def _check_platforms() -> None:
  """Looks for the devices; has to come after `_find_each_other`."""
  try:
    jax.devices()
  except (AssertionError, RuntimeError) as e:
    asked = os.environ.get('JAX_PLATFORMS')
    if not asked:
      raise
    # JAX has no words for a plugin that is not installed.
    reason = str(e).splitlines()[0] if str(e) else 'JAX finds none here'
    raise InputError(
      f'JAX_PLATFORMS={asked}: {reason}; leave it away to take what there is.'
    ) from e


def _find_each_other() -> None:
  if _PROCESS_ID.value == 0 and _NUM_PROCESSES.value > 1:
    print(
      f'Waiting for {_NUM_PROCESSES.value} processes at {_COORDINATOR.value}, '
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


def _run_mode(workdir: pathlib.Path) -> None:
  config = _CONFIG.value
  program = pretrain if config.tasks == 'actions' else train
  if jax.process_count() > 1 and jax.default_backend() == 'cpu':
    # XLA's CPU programs lose the order of their collectives in a cache, and
    # Gloo then takes one for another.
    jax.config.update('jax_enable_compilation_cache', False)
  elif jax.config.jax_compilation_cache_dir is None:
    jax.config.update(
      'jax_compilation_cache_dir', str(_cache_folder(workdir).absolute())
    )
  if _MODE.value == 'train':
    program.train_and_evaluate(config, workdir, STARTED)
  else:
    if not (workdir / 'config.json').exists() and not config.init_from:
      raise InputError(
        f'--workdir={workdir}: holds no training; give the one of a training, '
        'or the weights to evaluate with --config.init_from=...'
      )
    experiment = program.set_up(config, workdir)
    with contextlib.closing(experiment.checkpoints):
      program.evaluate_best(experiment)


def _cache_folder(workdir: pathlib.Path) -> pathlib.Path:
  """Returns where compiled programs are kept, to go on sooner.

  One folder a kind of machine: a program for one CPU may not run on another.
  """
  cpu = f'{platform.machine()} {platform.processor()}'
  with contextlib.suppress(OSError):  # Linux alone has it.
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
    cpu += next((line for line in lines if line.startswith('flags')), '')
  return workdir / 'compiled' / hashlib.sha256(cpu.encode()).hexdigest()[:12]


def _parse_flags(argv: Sequence[str]) -> list[str]:
  """Parses the flags; a typo becomes an InputError."""
  try:
    rest = flags.FLAGS(list(argv))
    # A config that could not be read raises when it is first looked into.
    _ = _CONFIG.value is not None and _CONFIG.value.is_locked
  except SyntaxError as e:
    raise InputError(
      f'--config: {e.filename}, line {e.lineno}: no Python ({e.msg}); see '
      'configs/.'
    ) from e
  except OSError as e:
    path = next((a for a in argv if a.startswith('--config=')), '--config')
    reason = str(e.__cause__ or e).strip().splitlines()[-1].strip()
    raise InputError(
      f'{path} is no config that can be read ({reason}); see configs/.'
    ) from e
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as e:
    raise InputError(_about_flags(str(e), argv)) from e
  return rest


def _about_flags(message: str, argv: Sequence[str]) -> str:
  """Returns what is wrong with the flags, and which of them it is."""
  if message[0] in '\'"':  # A field's name, quoted once or twice.
    message = message.strip('\'"').replace('\\n', ' ')
    message = re.sub(r'[\\\'"]+(?=\w)|(?<=\w)[\\\'"]+', "'", message)
    message = re.sub(
      r"\s*Did you mean ('.*?') instead of .*", r'; did you mean \1?', message
    )
    message = f'the config has no such field: {message}'
  # absl shows the arguments of an exception here.
  message = re.sub(
    r"\('Non-boolean argument .*\)", 'give True or False.', message
  )
  # Python's words for int('two') and float('fast').
  message = re.sub(
    r'invalid literal for int\(\).*', 'give a whole number.', message
  )
  message = re.sub(
    'could not convert string to float: .*', 'give a number.', message
  )
  if message.startswith(('flag --', 'Unknown command line flag')):
    return ' '.join(message.split())  # It names the flag.
  overrides = [flag for flag in argv if flag.startswith('--config.')]
  # Those whose field or value the message has; all, if it has none.
  wrong, *_ = message.split(';')
  named = [
    flag
    for flag in overrides
    if any(
      re.search(rf'(?<!\w){re.escape(part)}(?!\w)', wrong)
      for part in re.split('[.=]', flag.removeprefix('--config.'))
      if part
    )
  ]
  flags_meant = named or overrides
  where = f' (in {" ".join(flags_meant)})' if flags_meant else ''
  return ' '.join(message.split()) + where


def run() -> None:
  """Runs `main`; what the user can mend ends in one line and exit code 2."""
  # --verbosity shows more.
  logging.set_verbosity(logging.ERROR)
  try:
    app.run(main, flags_parser=_parse_flags)
  except InputError as e:
    _end(2, str(e))
  except FloatingPointError as e:
    _end(1, str(e))
  except preemption.PreemptedError as e:
    # All processes end together.
    print(f'aqa_jax: {e}; the same command goes on.', file=sys.stderr)
    sys.exit(preemption.EXIT_CODE)
  except KeyboardInterrupt:
    _end(
      128 + signal.SIGINT,
      'interrupted; the same command goes on from the last checkpoint.',
    )
  except Exception as e:
    if preemption.is_lost_peer(e):
      reason = str(e).splitlines()[0][:200]
      _end(
        preemption.EXIT_CODE,
        f'another process has died or can not be reached ({reason}); the same '
        'command goes on from the last checkpoint.',
      )
    # TensorFlow and TensorStore have exceptions of their own for it.
    if is_disk_full(e):
      _end(
        2,
        f'--workdir={_WORKDIR.value}: {os.strerror(errno.ENOSPC)}. The '
        'checkpoints are whole: make room, and give the same command again.',
      )
    if not jax.distributed.is_initialized():
      raise
    traceback.print_exc()
    _end(1, 'this process has failed, as told above.')


def _end(code: int, message: str) -> NoReturn:
  """Says why, and ends the program."""
  print(f'aqa_jax: {message}', file=sys.stderr, flush=True)
  if not jax.distributed.is_initialized():
    sys.exit(code)
  # Python's own way out would wait for the other processes, which may be
  # waiting for this one.
  sys.stdout.flush()
  if jax.process_index() == 0:
    time.sleep(_LAST_WORDS)
  os._exit(code)


if __name__ == '__main__':
  run()
