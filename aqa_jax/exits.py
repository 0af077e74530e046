"""How the program ends: a line and an exit code for each kind of error."""

import errno
import os
import signal
import sys
import time
import traceback
from typing import NoReturn

from aqa_jax.files import is_disk_full
from tfds_mtl_aqa.input_error import InputError

# Seconds that process 0 waits before it ends, so that the others can print
# their messages first: they end with it.
_LAST_WORDS = 5
# What asyncio raises in a thread whose result comes too late.
_CLOSED_LOOP = 'Event loop is closed'


def leave_out_closed_loops() -> None:
  """Keeps the threads of TensorStore from printing that nobody waits for them.

  Where one file of a checkpoint can't be written, Orbax ends the wait for all
  of them, and each of the others would print a traceback when it is done. The
  error itself is raised as ever.
  """
  usual = sys.unraisablehook

  def report(found: 'sys.UnraisableHookArgs') -> None:
    if str(found.exc_value) != _CLOSED_LOOP:
      usual(found)

  sys.unraisablehook = report


def end_with(error: BaseException, workdir: str | None) -> NoReturn:
  """Prints what has happened, and ends the program.

  An error that the user can't mend is raised again, with its traceback. The
  exit code is 2 for an InputError or a full disk, 75 for a training that can go
  on (SIGTERM, or another process is lost), 130 after Ctrl-C, and 1 otherwise.

  Args:
    error: the error that ended `main`.
    workdir: value of --workdir, as the user gave it.
  """
  if isinstance(error, InputError):
    _end(2, str(error))
  if isinstance(error, FloatingPointError):
    _end(1, str(error))
  if isinstance(error, KeyboardInterrupt):
    print(
      'aqa_jax: interrupted; the same command goes on from the last '
      'checkpoint.',
      file=sys.stderr,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: XLA may be compiling, and would crash.
    os._exit(128 + signal.SIGINT)
  # The errors below come from code that has imported JAX.
  import jax

  from aqa_jax.training import preemption

  if isinstance(error, preemption.PreemptedError):
    # All processes end together.
    print(f'aqa_jax: {error}; the same command goes on.', file=sys.stderr)
    sys.exit(preemption.EXIT_CODE)
  if preemption.is_lost_peer(error):
    reason = str(error).splitlines()[0][:200]
    _end(
      preemption.EXIT_CODE,
      f'another process has died or can not be reached ({reason}); the same '
      'command goes on from the last checkpoint.',
    )
  # TensorFlow and TensorStore raise their own exceptions for a full disk.
  if is_disk_full(error):
    _end(
      2,
      f'--workdir={workdir}: {os.strerror(errno.ENOSPC)}. The checkpoints are '
      'whole: make room, and give the same command again.',
    )
  if not jax.distributed.is_initialized():
    raise error
  traceback.print_exception(error)
  _end(1, 'this process has failed; its error is above.')


def _end(code: int, message: str) -> NoReturn:
  """Prints the message, and ends the program."""
  print(f'aqa_jax: {message}', file=sys.stderr, flush=True)
  sys.stdout.flush()
  jax = sys.modules.get('jax')
  if jax is None:
    sys.exit(code)
  if jax.distributed.is_initialized() and jax.process_index() == 0:
    time.sleep(_LAST_WORDS)
  # sys.exit would wait for a thread that compiles, and for the other processes,
  # which may wait for this one. Where a checkpoint is damaged, the threads of
  # TensorStore would print a traceback for each file.
  os._exit(code)
