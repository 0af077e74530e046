"""The process that judges, as the server sees it."""

import contextlib
import mmap
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import pathlib
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

from aqa_jax.serving import messages, worker
from tfds_mtl_aqa.input_error import InputError

_START_S = 300.0


class WorkerEndedError(Exception):
  """The process has ended; the message says how."""


@contextlib.contextmanager
def _without_signals() -> Iterator[None]:
  """Keeps signals back, so that no half of a process is started.

  What is started has them blocked: Ctrl-C, which comes to it, too, must not
  meet its imports.
  """
  if sys.platform == 'win32':
    yield
    return
  # It is started with the first process, and would let the signals through.
  resource_tracker.ensure_running()
  numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
  before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerProcess:
  """The process that judges; started again after it was killed.

  For one thread, but for `kill`.
  """

  def __init__(self, sources: messages.Sources, folder: pathlib.Path):
    """Makes it; starts nothing yet.

    Args:
      sources: model and finder, of `aqa_jax.load`.
      folder: of the server's files.
    """
    self._arguments = sources, str(folder)
    self._process: multiprocessing.process.BaseProcess | None = None
    self._connection: multiprocessing.connection.Connection | None = None
    self._idle_memory = 0
    self._is_closed = False

  def start(self) -> dict[str, Any]:
    """Starts the process, and waits for its model.

    Returns:
      See `model_facts`.

    Raises:
      InputError: the model can't be loaded.
      WorkerEndedError: the process has ended, or takes too long.
    """
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(
      target=worker.work,
      args=(theirs, *self._arguments),
      name='aqa_jax.serve.worker',
      daemon=True,
    )
    with _without_signals():
      process.start()
      self._process, self._connection = process, ours
    theirs.close()
    if self._is_closed:
      self.kill()
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
      message = self.receive(1.0)
      if isinstance(message, messages.Ready):
        self._idle_memory = self._memory()
        return dict(message.facts)
      if isinstance(message, messages.Unloadable):
        self.kill()
        raise InputError(message.message)
    self.kill()
    raise WorkerEndedError('it could not load the model in time')

  def send(self, message: messages.Task | messages.Cancel) -> None:
    """Tells the process something.

    Raises:
      WorkerEndedError: there is no process.
    """
    try:
      assert self._connection is not None
      self._connection.send(message)
    except OSError as e:
      raise self._ended() from e

  def receive(self, timeout: float) -> object | None:
    """Returns what the process tells, one of `messages`.

    Args:
      timeout: seconds to wait.

    Returns:
      None if it tells nothing.

    Raises:
      WorkerEndedError: the process has ended.
    """
    try:
      assert self._connection is not None
      if not self._connection.poll(timeout):
        return None
      message: object = self._connection.recv()
    except (EOFError, OSError) as e:
      raise self._ended() from e
    return message

  def memory(self) -> int:
    """Returns the bytes that the process has beside its model; Linux only."""
    return self._memory() - self._idle_memory

  def _memory(self) -> int:
    assert self._process is not None
    try:
      fields = pathlib.Path(f'/proc/{self._process.pid}/statm').read_text()
      return int(fields.split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError):
      return 0  # Another system; or the process has just ended.

  def is_alive(self) -> bool:
    """Returns whether there is a process."""
    return self._process is not None and self._process.is_alive()

  def kill(self) -> None:
    """Ends the process at once."""
    process = self._process
    if process is not None:
      process.kill()
      process.join()

  def close(self) -> None:
    """Ends the process for good."""
    self._is_closed = True
    self.kill()

  def _ended(self) -> WorkerEndedError:
    assert self._process is not None
    self._process.join(5.0)
    code = self._process.exitcode
    self.kill()
    if code is not None and code < 0:
      return WorkerEndedError(f'signal {signal.Signals(-code).name}')
    return WorkerEndedError(f'exit code {code}')
