"""What two processes owe each other, without a training."""

import pathlib
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def free_port():
  """Returns a port that nobody listens on."""
  with socket.socket() as listener:
    listener.bind(('localhost', 0))
    return listener.getsockname()[1]


def _run(script, num_processes=2):
  """Runs a script in processes that know each other: codes and outputs.

  It finds `rank`, its number, and `meet()`, which waits for the others.
  """
  head = (
    'import os, signal, sys, time\n'
    'import jax\n'
    'from jax.experimental import multihost_utils\n'
    'rank = int(sys.argv.pop())\n'
    'def begin():\n'
    f'  jax.distributed.initialize("localhost:{free_port()}", '
    f'{num_processes}, rank)\n'
    'def meet():\n'
    '  multihost_utils.process_allgather(jax.numpy.ones(1))\n'
  )
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', head + script, str(index)],
      cwd=ROOT,
      env={'JAX_PLATFORMS': 'cpu', 'PATH': ''},
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for index in range(num_processes)
  ]
  try:
    outputs = [process.communicate(timeout=100)[0] for process in processes]
  finally:
    for process in processes:
      process.kill()
  return [process.returncode for process in processes], outputs


@pytest.mark.parametrize(
  'failing, error, code, message',
  [
    (0, 'InputError("record 3: damaged.")', 2, 'aqa_jax: record 3: damaged.'),
    (1, 'RuntimeError("a mistake")', 1, 'RuntimeError: a mistake'),
  ],
)
def test_one_that_fails_alone_keeps_its_code_and_ends_the_others(
  failing, error, code, message
):
  """While the other one waits for it, in a sum over both."""
  codes, outputs = _run(
    'from aqa_jax import main\n'
    'from tfds_mtl_aqa.input_error import InputError\n'
    'def fail(argv):\n'
    '  begin()\n'
    '  meet()\n'
    f'  if rank == {failing}:\n'
    f'    raise {error}\n'
    '  meet()\n'
    'main.main = fail\n'
    'main.run()\n'
  )
  assert codes[failing] == code, outputs
  assert message in outputs[failing]
  # What a launcher takes for "start again", were it the first to fail.
  assert codes[1 - failing] in (75, -6), outputs


@pytest.mark.parametrize('num_processes', [1, 2])
@pytest.mark.parametrize('first_step', [0, 500])
def test_a_notice_before_the_first_step_of_a_start(num_processes, first_step):
  """All processes end after that step; told was the last of them."""
  codes, outputs = _run(
    'from aqa_jax.training.preemption import Notice\n'
    'begin()\n'
    'meet()\n'
    f'if rank == {num_processes - 1}:\n'
    '  os.kill(os.getpid(), signal.SIGTERM)\n'
    # The news takes a moment.
    'time.sleep(3)\n'
    'notice = Notice()\n'
    'with notice.listening():\n'
    '  meet()\n'
    f'  print("came", notice.came_before({first_step} + 1))\n'
    '  meet()\n',
    num_processes,
  )
  assert codes == [0] * num_processes, outputs
  assert all('came True' in output for output in outputs), outputs


@pytest.mark.parametrize('num_processes', [1, 2])
def test_a_notice_between_two_steps(num_processes):
  codes, outputs = _run(
    'from aqa_jax.training.preemption import Notice\n'
    'begin()\n'
    'notice = Notice()\n'
    'meet()\n'
    'print("before", notice.came_before(501))\n'
    'came = []\n'
    'for step in range(502, 520):\n'
    '  if rank == 0 and step == 505:\n'
    '    os.kill(os.getpid(), signal.SIGTERM)\n'
    '  time.sleep(0.5)\n'
    '  meet()\n'
    '  came.append(notice.has_come(step))\n'
    'print("then", came.count(True))\n'
    'print("index", came.index(True))\n',
    num_processes,
  )
  assert codes == [0] * num_processes, outputs
  assert all('before False\nthen 1\n' in output for output in outputs), outputs
  # The same step for all.
  assert len({output.split('index ')[1] for output in outputs}) == 1
