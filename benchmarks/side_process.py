"""A side of the comparison, which runs in a process of its own."""

import json
import os
import pathlib
import subprocess
import sys
import time

from benchmarks.workload import Workload

_ROOT = pathlib.Path(__file__).parents[1]
_LOG_LINES = 5


class SideError(Exception):
  """A side has ended before its work was done."""


class SideProcess:
  """A running `benchmarks.worker`.

  Attributes:
    first: seconds from the start of the process until the work was `ready`,
      and until it was done once (`first_run`); and the `dives` of one run.
  """

  def __init__(self, name: str, workload: Workload, folder: pathlib.Path):
    """Starts the process, and waits until it has done its work once.

    Args:
      name: 'ours', 'official' or 'best'.
      workload: what to do.
      folder: folder for its log, and for compiled programs, which the next
        process of the same folder uses again.

    Raises:
      SideError: the process ended before.
    """
    self._log = folder / f'{name}.log'
    environment = os.environ | {
      'JAX_PLATFORMS': 'cpu' if workload.device == 'cpu' else 'cuda,cpu',
      # PyTorch needs memory of the same GPU.
      'XLA_PYTHON_CLIENT_PREALLOCATE': 'false',
      'JAX_COMPILATION_CACHE_DIR': str(folder / 'jax'),
      'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
      'TORCHINDUCTOR_CACHE_DIR': str(folder / 'inductor'),
      'TRITON_CACHE_DIR': str(folder / 'triton'),
      'PYTHONPATH': os.pathsep.join(
        filter(None, (str(_ROOT), os.environ.get('PYTHONPATH')))
      ),
    }
    if workload.device == 'cpu':
      environment['CUDA_VISIBLE_DEVICES'] = ''
    command = [
      *(sys.executable, '-m', 'benchmarks.worker'),
      *(name, str(time.time())),
    ]
    with self._log.open('a') as log:
      self._process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
      )
    self.first = self.ask(workload.to_json())

  def ask(self, command: str) -> object:
    """Sends a line to the process, and returns the answer.

    The lines are those of `benchmarks.worker`.

    Raises:
      SideError: the process has ended.
    """
    try:
      self._process.stdin.write(command + '\n')
      self._process.stdin.flush()
      answer = self._process.stdout.readline()
    except BrokenPipeError:
      answer = ''
    if not answer:
      self._process.communicate()
      code = self._process.returncode
      lines = self._log.read_text().strip().splitlines()[-_LOG_LINES:]
      raise SideError(f'exit code {code}: ' + ' / '.join(lines))
    return json.loads(answer)

  def close(self) -> None:
    """Ends the process."""
    self._process.kill()
    self._process.communicate()
