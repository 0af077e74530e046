"""`python -m aqa_jax.main`, without its four seconds of imports each time.

Each call is a process of its own, forked from one that has imported what
aqa_jax.main imports, and has done nothing else.
"""

import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
from typing import TextIO

_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(['aqa_jax.pretrain', 'aqa_jax.train'])


def run(
  arguments: list[str], cwd: pathlib.Path, output: pathlib.Path
) -> subprocess.CompletedProcess[str]:
  """Runs the program to its end.

  Args:
    arguments: of the program.
    cwd: where to run it.
    output: an existing folder for what it prints.

  Returns:
    As `subprocess.run`, with stdout and stderr as text.

  Raises:
    ValueError: the environment has JAX_NUM_CPU_DEVICES. JAX reads it when it is
      imported, so it would hold for every call, or for none.
  """
  if 'JAX_NUM_CPU_DEVICES' in os.environ:
    raise ValueError('set the number of devices with XLA_FLAGS')
  process = _FORKS.Process(
    target=_run, args=(arguments, cwd, output, dict(os.environ))
  )
  process.start()
  process.join()
  return subprocess.CompletedProcess(
    arguments,
    process.exitcode,
    *((output / name).read_text() for name in ('stdout', 'stderr')),
  )


def for_a_table(
  command: list[str], *, stdout: TextIO, stderr: int, check: bool
) -> subprocess.CompletedProcess[str]:
  """Takes the place of subprocess.run in aqa_jax/paper/experiment.py.

  Args:
    command: Python, -m, aqa_jax.main and its arguments.
    stdout: the training's log.
    stderr: goes there, too.
    check: no.

  Returns:
    As `run`.
  """
  assert command[:3] == [sys.executable, '-m', 'aqa_jax.main']
  assert stderr == subprocess.STDOUT and not check
  folder = pathlib.Path(stdout.name).parent
  done = run(command[3:], pathlib.Path.cwd(), folder)
  stdout.write(done.stdout + done.stderr)
  return done


def _run(arguments, cwd, output, environment):
  for number, name in ((1, 'stdout'), (2, 'stderr')):
    file = os.open(output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, number)
  os.environ.clear()
  os.environ.update(environment)
  os.chdir(cwd)
  sys.argv = ['aqa_jax.main', *arguments]
  runpy.run_module('aqa_jax.main', run_name='__main__', alter_sys=True)
