"""The thread that gives the videos to the process that judges."""

import logging
import sys
import threading
import time

from aqa_jax.serving import messages
from aqa_jax.serving.job import Job
from aqa_jax.serving.jobs import Jobs
from aqa_jax.serving.limits import Limits
from aqa_jax.serving.problem import Problem
from aqa_jax.serving.worker_process import WorkerEndedError, WorkerProcess
from tfds_mtl_aqa.input_error import InputError

_IDLE_S, _POLL_S = 1.0, 0.1
# After this time a process that was told to stop is killed.
_CANCEL_S = 3.0


class Dispatcher:
  """Gives the videos one after the other to the process that judges.

  A process that has died, or that takes too long over a video, is replaced.
  """

  def __init__(self, jobs: Jobs, worker: WorkerProcess, limits: Limits):
    """Makes it; `start` begins.

    Args:
      jobs: where the videos come from.
      worker: the process that judges, started.
      limits: how long a judgement may take.
    """
    self._jobs = jobs
    self._worker = worker
    self._limits = limits
    self._is_closing = threading.Event()
    self._thread = threading.Thread(target=self._run, name='dispatcher')

  def start(self) -> None:
    """Begins to give out what waits."""
    self._thread.start()

  def close(self) -> None:
    """Ends what is judged, what waits, and the process."""
    self._is_closing.set()
    self._jobs.close()
    self._worker.close()
    self._thread.join()

  def _run(self) -> None:
    while not self._is_closing.is_set():
      self._jobs.expire()
      job = self._jobs.next(_IDLE_S)
      if job is None:
        continue
      problem = self._problem_of(job)
      if self._is_closing.is_set():
        problem = Problem(503, 'shutting_down', 'The server is shutting down.')
      job.end(problem)
      self._jobs.clean(job)
      self._revive()

  def _problem_of(self, job: Job) -> Problem | None:
    """Has a video judged; returns why there is no answer, if there is none."""
    try:
      if not self._worker.is_alive():
        self._worker.start()
      return self._judge(job)
    except InputError as e:
      return Problem(503, 'no_model', f'The model is gone: {e}')
    except WorkerEndedError as e:
      return Problem(
        422,
        'crashed',
        f'{job.name}: the program that judges has ended over it ({e}); '
        'convert the video, or make it smaller.',
      )
    # Without this thread the server would answer nobody.
    except Exception:
      logging.getLogger('aqa_jax.serve').exception('an error')
      self._worker.kill()
      return Problem(500, 'internal_error', 'The server has an error.')

  def _revive(self) -> None:
    """Starts the process again where it was killed, before it is needed."""
    if self._is_closing.is_set() or self._worker.is_alive():
      return
    try:
      self._worker.start()
    except (InputError, WorkerEndedError) as e:
      print(f'aqa_jax.serve: {e}', file=sys.stderr, flush=True)

  def _judge(self, job: Job) -> Problem | None:
    """Has a video judged.

    Returns:
      Why there is no answer, if there is none.

    Raises:
      WorkerEndedError: the process has died.
    """
    limits = self._limits
    self._worker.send(
      messages.Task(
        str(job.folder),
        job.name,
        job.options,
        job.has_player,
        limits.max_video_seconds,
        limits.max_seconds,
      )
    )
    deadline = time.monotonic() + limits.max_seconds
    is_told = False
    while True:
      message = self._worker.receive(_POLL_S)
      if isinstance(message, messages.Progress):
        job.seconds_read = message.seconds_read
        job.seconds_total = message.seconds_total or job.seconds_total
      elif isinstance(message, messages.Answered):
        job.answer(message.num_dives)
      elif isinstance(message, messages.Finished):
        job.video = message.video
        return None
      elif isinstance(message, messages.Failed):
        return Problem(message.status, message.code, message.message)
      if job.is_removed and not is_told:
        is_told = True
        self._worker.send(messages.Cancel())
        deadline = min(deadline, time.monotonic() + _CANCEL_S)
      if self._worker.memory() > limits.max_memory:
        self._worker.kill()
        return Problem(
          422,
          'too_much_memory',
          f'{job.name}: needs more memory than is allowed; make its pictures '
          'smaller.',
        )
      if time.monotonic() > deadline:
        self._worker.kill()
        return Problem(
          504,
          'took_too_long',
          f'{job.name}: takes longer than {limits.max_seconds:g} seconds; cut '
          'the dives out of it, or make it smaller.',
        )
