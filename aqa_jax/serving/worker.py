"""The process that judges: it loads a model once, and judges what it is told.

A video that crashes a decoder, or never ends, takes this process with it only.
"""

import dataclasses
import logging
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import shutil
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from aqa_jax.serving import messages
from aqa_jax.serving.job import COPY, UPLOAD, PlayableVideo
from aqa_jax.serving.problem import Problem
from tfds_mtl_aqa.input_error import InputError

if TYPE_CHECKING:
  from aqa_jax.judging.judge import Judge

_TELL_EVERY_S = 0.2
# So long before its time is over it ends by itself, and need not be killed.
_SPARE_S = 1.0


class _NotWantedError(Exception):
  """The task was cancelled."""


def work(
  connection: multiprocessing.connection.Connection,
  sources: messages.Sources,
  folder: str,
) -> None:
  """Loads a model, then judges the tasks that come, until there is no server.

  Args:
    connection: to the server.
    sources: model and finder, of `aqa_jax.load`.
    folder: of the server's files; deleted if the server ends without a word.
  """
  # Ctrl-C is for the server, which then ends this.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  if sys.platform != 'win32':
    # They were kept back while this process was started.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP})
  threading.Thread(target=_end_with_server, args=(folder,), daemon=True).start()
  try:
    judge = _load(sources)
  except InputError as e:
    connection.send(messages.Unloadable(str(e)))
    return
  from aqa_jax.serving.model_facts import model_facts

  connection.send(messages.Ready(model_facts(judge.model)))
  while True:
    message = connection.recv()
    if not isinstance(message, messages.Task):
      continue  # A task that is over was cancelled.
    try:
      _judge(judge, message, connection)
    except (_NotWantedError, Problem, InputError, MemoryError, OSError) as e:
      connection.send(_failed(e, message))
    # Whatever a file makes a library raise must not end the process.
    except Exception as e:
      logging.exception('aqa_jax.serve: a video could not be judged')
      connection.send(
        messages.Failed(
          500,
          'internal_error',
          f'{message.name}: cannot be judged ({type(e).__name__}).',
        )
      )


def _end_with_server(folder: str) -> None:
  """Ends the process, and deletes all files, if the server is killed."""
  server = multiprocessing.parent_process()
  if server is not None:
    server.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _load(sources: messages.Sources) -> 'Judge':
  """Returns the judge, which has compiled its programs."""
  import numpy as np

  import aqa_jax
  from aqa_jax import compilation_cache

  compilation_cache.use_for_user()
  judge = aqa_jax.load(*sources)
  black = np.zeros((judge.model.num_clip_frames, 48, 64, 3), np.uint8)
  judge.dives(black, force=True)
  return judge


def _judge(
  judge: 'Judge',
  task: messages.Task,
  connection: multiprocessing.connection.Connection,
) -> None:
  """Does a task.

  Raises:
    _NotWantedError: it was cancelled.
    Problem: the video is too long.
    InputError: the video can't be judged.
    OSError: the files can't be written.
  """
  from aqa_jax.serving.answer_files import write_answer
  from aqa_jax.serving.playable import playable_upload, write_copy

  watch = _Watch(task, connection)
  folder = pathlib.Path(task.folder)
  upload = folder / UPLOAD
  judgements = [
    dataclasses.replace(judgement, name=task.name)
    for judgement in judge.dives(
      upload, progress=watch.read, with_pictures=True, **task.options
    )
  ]
  write_answer(folder, judgements, judge.model)
  connection.send(messages.Answered(len(judgements)))
  playable: PlayableVideo | None = None
  if task.has_player:
    playable = playable_upload(folder)
    if playable is None:
      try:
        playable = write_copy(folder, watch.copied)
      except _NotWantedError:
        (folder / COPY).unlink(missing_ok=True)
  if playable is None or playable.file != UPLOAD:
    upload.unlink()
  connection.send(messages.Finished(playable))


class _Watch:
  """Tells the server how far a task is, and ends it if it takes too long."""

  def __init__(
    self,
    task: messages.Task,
    connection: multiprocessing.connection.Connection,
  ):
    """Begins to watch."""
    self._task = task
    self._connection = connection
    self._deadline = time.monotonic() + task.max_seconds - _SPARE_S
    self._told = 0.0

  def read(self, seconds: float, total: float | None) -> None:
    """Notes that so much of the video is read.

    Raises:
      _NotWantedError: the task was cancelled.
      Problem: the video is too long.
    """
    longest = self._task.max_video_seconds
    if max(seconds, total or 0.0) > longest:
      raise Problem(
        422,
        'too_long',
        f'{self._task.name}: is longer than {longest / 60:g} minutes; cut the '
        'dives out of it.',
      )
    self._tell(seconds, total)

  def copied(self, seconds: float) -> None:
    """Notes that so much of the video is copied.

    Raises:
      _NotWantedError: the task was cancelled, or has taken too long.
    """
    if time.monotonic() > self._deadline:
      raise _NotWantedError
    self._tell(seconds, None)

  def _tell(self, seconds: float, total: float | None) -> None:
    now = time.monotonic()
    if now - self._told < _TELL_EVERY_S:
      return
    self._told = now
    if self._connection.poll():
      self._connection.recv()
      raise _NotWantedError
    self._connection.send(messages.Progress(seconds, total))


def _failed(error: Exception, task: messages.Task) -> messages.Failed:
  """Returns what to tell the server of an error."""
  if isinstance(error, Problem):
    return messages.Failed(error.status, error.code, str(error))
  if isinstance(error, MemoryError):
    return messages.Failed(
      422,
      'too_much_memory',
      f'{task.name}: needs too much memory; make its pictures smaller.',
    )
  if isinstance(error, InputError):
    upload = str(pathlib.Path(task.folder, UPLOAD))
    return messages.Failed(
      422, 'not_judged', str(error).replace(upload, task.name)
    )
  if isinstance(error, OSError):
    return messages.Failed(
      503,
      'disk_error',
      f'{task.name}: the server cannot write its files ({error.strerror}).',
    )
  return messages.Failed(410, 'removed', f'{task.name}: was removed.')
