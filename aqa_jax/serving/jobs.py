"""The videos that a server has: those that wait, and answers that it keeps."""

import collections
import contextlib
import pathlib
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from typing import Any

from aqa_jax.serving.job import Job, State
from aqa_jax.serving.limits import Limits
from aqa_jax.serving.problem import Problem

_ENDED = (State.DONE, State.FAILED)


class Jobs:
  """The videos that a server has; thread-safe."""

  def __init__(self, folder: pathlib.Path, limits: Limits):
    """Makes it empty.

    Args:
      folder: of the files of all; the server's own.
      limits: how many it takes and keeps.
    """
    self._folder = folder
    self._limits = limits
    self._jobs: dict[str, Job] = {}
    self._queue: collections.deque[Job] = collections.deque()
    self._changed = threading.Condition()
    self._is_closed = False

  def reserve(
    self, name: str, options: Mapping[str, Any], has_player: bool
  ) -> Job:
    """Returns a job, whose file is to be written and then enqueued.

    Args:
      name: see `Job`.
      options: see `Job`.
      has_player: see `Job`.

    Raises:
      Problem: the queue is full.
      OSError: its folder can't be made.
    """
    with self._changed:
      waiting = sum(job.state not in _ENDED for job in self._jobs.values())
      if waiting >= self._limits.max_queue:
        raise Problem(
          429,
          'queue_full',
          f'{waiting} videos are waiting already; send it again in a while.',
        )
      if self._is_closed:
        raise Problem(503, 'shutting_down', 'The server is shutting down.')
      identity = secrets.token_urlsafe(18)
      folder = self._folder / identity
      folder.mkdir(mode=0o700)
      job = Job(identity, name, folder, options, has_player)
      self._jobs[identity] = job
    return job

  def enqueue(self, job: Job) -> None:
    """Lets a job wait for its judgement; its file is written."""
    with self._changed:
      job.state = State.QUEUED
      self._queue.append(job)
      self._changed.notify_all()

  def next(self, timeout: float) -> Job | None:
    """Returns the job that is to be judged now, which is `JUDGING` then.

    Args:
      timeout: seconds to wait for one.
    """
    with self._changed:
      if not self._queue:
        self._changed.wait(timeout)
      if not self._queue:
        return None
      job = self._queue.popleft()
      job.state = State.JUDGING
      return job

  def get(self, identity: str) -> Job:
    """Returns a job that was not removed.

    Raises:
      Problem: there is none.
    """
    with self._changed:
      job = self._jobs.get(identity)
    if job is None or job.state is State.UPLOADING:
      raise Problem(
        404, 'not_found', 'There is no such video here, or no more.'
      )
    return job

  def position(self, job: Job) -> int:
    """Returns how many videos are judged before a job that waits."""
    with self._changed:
      others = self._jobs.values()
      before = sum(other.state is State.JUDGING for other in others)
      before += sum(other.state is State.COPYING for other in others)
      return before + (self._queue.index(job) if job in self._queue else 0)

  def remove(self, job: Job) -> None:
    """Forgets a job and deletes its files; those in use when they are not."""
    with self._changed:
      self._jobs.pop(job.id, None)
      job.is_removed = True
      if job in self._queue:
        self._queue.remove(job)
      is_in_use = job.state in (State.JUDGING, State.COPYING)
    if not is_in_use:
      self.clean(job)

  def clean(self, job: Job) -> None:
    """Deletes what nobody needs any more of the files of a job that ended."""
    if job.is_removed or job.state is not State.DONE:
      shutil.rmtree(job.folder, ignore_errors=True)
      return
    needed = job.video.file if job.video is not None else ''
    with contextlib.suppress(OSError):  # It may be removed meanwhile.
      for file in list(job.folder.iterdir()):
        if file.suffix not in ('.json', '.html') and file.name != needed:
          file.unlink(missing_ok=True)

  def expire(self) -> None:
    """Removes the answers that are too old, too many or too large."""
    now = time.monotonic()
    with self._changed:
      ended = [
        (job.ended, job) for job in self._jobs.values() if job.ended is not None
      ]
    ended.sort(key=lambda entry: entry[0], reverse=True)
    size = 0
    for place, (when, job) in enumerate(ended):
      size += _size(job.folder)
      if (
        now - when > self._limits.max_age
        or place >= self._limits.max_results
        # The latest stays, whatever its size.
        or (place and size > self._limits.max_kept_bytes)
      ):
        self.remove(job)

  def close(self) -> None:
    """Ends what waits, and takes no more."""
    with self._changed:
      self._is_closed = True
      waiting = list(self._queue)
      self._queue.clear()
    for job in waiting:
      job.end(Problem(503, 'shutting_down', 'The server is shutting down.'))


def _size(folder: pathlib.Path) -> int:
  """Returns the bytes of the files in a folder; 0 if it is gone."""
  size = 0
  with contextlib.suppress(OSError):
    for file in folder.iterdir():
      size += file.stat().st_size
  return size
