"""A server of `aqa_jax.serve` for tests, and what they send to it."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import requests

from aqa_jax.judging.mp4_file import write_mp4
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS

ROOT = pathlib.Path(__file__).parents[1]
# Smaller limits than a user's, so that tests can reach them.
LIMITS = ('--max_mb=1', '--max_minutes=1', '--max_seconds=30', '--max_queue=4')
_START_S = 120
_FOLDERS = 'aqa_jax_serve_*'

TYPE = {'Content-Type': 'application/octet-stream'}
WAIT_S = 60


class Served:
  """A server that runs as a user would run it.

  Attributes:
    address: where it answers, without a slash at the end.
    temporary: the folder in which it makes its own.
    process: of the server.
  """

  def __init__(self, temporary, *flags):
    self.temporary = temporary
    self._errors = temporary / 'errors.txt'
    with self._errors.open('w') as errors:
      self.process = subprocess.Popen(
        [sys.executable, '-m', 'aqa_jax.serve', '--port=0', *flags],
        cwd=ROOT,
        env=os.environ | {'TMPDIR': str(temporary)},
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
      )
    self.address = ''

  def wait_until_ready(self):
    line = self.process.stdout.readline()
    assert line.startswith('http://127.0.0.1:'), (line, self.errors)
    self.address = line.split('/  (')[0]
    return self

  def wait_for_folder(self):
    deadline = time.monotonic() + _START_S
    while not self.folders:
      assert time.monotonic() < deadline and self.process.poll() is None
      time.sleep(0.02)

  @property
  def errors(self):
    return self._errors.read_text()

  @property
  def folders(self):
    """What it has made."""
    return list(self.temporary.glob(_FOLDERS))

  @property
  def jobs(self):
    """The folders of the videos that it has."""
    (folder,) = self.folders
    return list(folder.iterdir())

  def worker(self):
    """Returns the id of the process that judges."""
    (worker,) = self.workers()
    return worker

  def workers(self):
    """Returns the ids of the processes that judge; not of multiprocessing's."""
    found = []
    for thread in pathlib.Path(f'/proc/{self.process.pid}/task').iterdir():
      with contextlib.suppress(OSError):  # One that has just ended.
        for child in (thread / 'children').read_text().split():
          command = pathlib.Path(f'/proc/{child}/cmdline').read_bytes()
          if b'spawn_main' in command:
            found.append(int(child))
    return found

  def end(self, number=signal.SIGTERM):
    """Ends it, and returns its exit code."""
    self.process.send_signal(number)
    try:
      return self.process.wait(30)
    finally:
      self.kill()

  def kill(self):
    """Ends it at once, if it has not ended."""
    self.process.kill()
    self.process.wait()
    self.process.stdout.close()


def write_dive(path, index=0, size=(96, 72)):
  """Writes a simulated dive of the test split; returns it."""
  config = dataclasses.replace(
    CONFIGS['longer'], frames_per_second=25.0, window_frames=96, margin_frames=4
  )
  dive = simulate_dive(config, 'test', index)
  frames = render_dive(dive, *size)[: -config.margin_frames]
  write_mp4(
    path,
    ((place / 25, frame[..., ::-1]) for place, frame in enumerate(frames)),
  )
  return dive


def send(server, path, address='jobs', **query):
  return requests.post(
    f'{server.address}/api/{address}',
    params=query,
    data=path.read_bytes(),
    headers=TYPE,
    timeout=WAIT_S,
  )


def wait(server, job):
  """Returns a job that is over."""
  deadline = time.monotonic() + WAIT_S
  while job['state'] not in ('done', 'failed'):
    assert time.monotonic() < deadline
    time.sleep(0.05)
    job = requests.get(f'{server.address}/api/jobs/{job["id"]}', timeout=9)
    job = job.json()
  return job


def problem_of(response):
  """Returns status and code; the message is one line."""
  error = response.json()['error']
  assert error['message'] and '\n' not in error['message']
  assert len(error['message']) < 400
  return response.status_code, error['code']
