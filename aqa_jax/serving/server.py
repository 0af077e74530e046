"""Runs the server until it is told to end, and leaves nothing behind."""

import asyncio
import contextlib
import ipaddress
import logging
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator

import uvicorn

from aqa_jax.serving import messages
from aqa_jax.serving.app import create_app
from aqa_jax.serving.dispatcher import Dispatcher
from aqa_jax.serving.jobs import Jobs
from aqa_jax.serving.limits import Limits
from aqa_jax.serving.worker_process import WorkerEndedError, WorkerProcess
from tfds_mtl_aqa.input_error import InputError

# Answers that are on their way at the end may take so long.
_END_S = 1


def listen(host: str, port: int) -> socket.socket:
  """Returns a socket that listens.

  Args:
    host: name or address of an interface.
    port: 0 for any that is free.

  Raises:
    InputError: there is no such interface, or the port can't be had.
  """
  try:
    ((family, _, _, _, address), *_) = socket.getaddrinfo(
      host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
  except (OSError, UnicodeError) as e:
    raise InputError(
      f'--host={host}: is no address of this machine; give 127.0.0.1, or '
      '0.0.0.0 for all.'
    ) from e
  listener = socket.socket(family, socket.SOCK_STREAM)
  # Else the port of a server that has ended is taken for a minute.
  listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  try:
    listener.bind(address)
    listener.listen(128)
  except OSError as e:
    listener.close()
    raise InputError(
      f'--host={host} --port={port}: cannot be had ({e.strerror}); give '
      'another port, or --port=0 for any that is free.'
    ) from e
  return listener


def address_of(listener: socket.socket) -> str:
  """Returns the address of a server for a browser on this machine."""
  host, port = listener.getsockname()[:2]
  if ipaddress.ip_address(host).is_unspecified:
    host = 'localhost'
  return f'http://[{host}]:{port}/' if ':' in host else f'http://{host}:{port}/'


def run_server(
  listener: socket.socket,
  sources: messages.Sources,
  limits: Limits,
  allowed_hosts: Collection[str],
  when_ready: Callable[[], None],
) -> None:
  """Serves until Ctrl-C or SIGTERM.

  Args:
    listener: from `listen`; closed at the end.
    sources: model and finder, of `aqa_jax.load`.
    limits: what it takes.
    allowed_hosts: see `Guard`.
    when_ready: called when it is about to answer.

  Raises:
    InputError: the model can't be loaded, or there is no folder for files.
    KeyboardInterrupt: Ctrl-C has come.
  """
  with _ending_by_signals(), contextlib.closing(listener), _folder() as folder:
    worker = WorkerProcess(sources, folder)
    try:
      facts = worker.start()
    except WorkerEndedError as e:
      raise InputError(f'The process that judges has ended: {e}.') from e
    finally:
      # Whatever ends the start, such as Ctrl-C, ends the process.
      if sys.exc_info()[0] is not None:
        worker.close()
    jobs = Jobs(folder, limits)
    dispatcher = Dispatcher(jobs, worker, limits)
    dispatcher.start()
    try:
      logging.getLogger('uvicorn.error').addFilter(_is_error)
      server = uvicorn.Server(
        uvicorn.Config(
          create_app(jobs, facts, limits, allowed_hosts),
          http='h11',
          ws='none',
          lifespan='off',
          loop='asyncio',
          log_config=None,
          access_log=False,
          proxy_headers=False,
          server_header=False,
          timeout_graceful_shutdown=_END_S,
        )
      )
      when_ready()
      server.run([listener])
    finally:
      # What cleans up is not to be interrupted.
      signal.signal(signal.SIGINT, signal.SIG_IGN)
      dispatcher.close()


def _is_error(record: logging.LogRecord) -> bool:
  """Returns whether something is wrong with the program itself."""
  error = record.exc_info[1] if record.exc_info else None
  return error is not None and not isinstance(error, asyncio.CancelledError)


@contextlib.contextmanager
def _folder() -> Iterator[pathlib.Path]:
  """Makes a folder that nobody else may read, and deletes it."""
  try:
    folder = pathlib.Path(tempfile.mkdtemp(prefix='aqa_jax_serve_'))
  except OSError as e:
    raise InputError(
      f'no folder for the uploads ({e.strerror}); set TMPDIR to one that can '
      'be written.'
    ) from e
  try:
    yield folder
  finally:
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _ending_by_signals() -> Iterator[None]:
  """Makes SIGTERM and SIGHUP end the program as an error would: cleaning up."""

  def end(number: int, frame: object) -> None:
    del frame
    # Once is enough: what cleans up is not to be interrupted.
    for each in before:
      signal.signal(each, signal.SIG_IGN)
    sys.exit(0)

  before = {
    getattr(signal, name): signal.getsignal(getattr(signal, name))
    for name in ('SIGINT', 'SIGTERM', 'SIGHUP')
    if hasattr(signal, name)
  }
  for number in before:
    if number != signal.SIGINT:
      signal.signal(number, end)
  try:
    yield
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
