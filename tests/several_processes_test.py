"""What two processes owe each other, without a training."""

import itertools
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def free_port():
  """Returns a port that nobody listens on."""
  with socket.socket() as listener:
    listener.bind(('localhost', 0))
    return listener.getsockname()[1]


def _run_at_once(*starts):
  """Runs scripts side by side, each in processes that know each other.

  They wait more than they work. A script finds `rank`, its number; `begin()`,
  which makes the processes known to each other; and `meet()`, which waits for
  the others.

  Args:
    *starts: (script, number of processes).

  Returns:
    For each start, the codes and the outputs of its processes.
  """
  groups = [_start(script, num_processes) for script, num_processes in starts]
  try:
    outputs = [
      [process.communicate(timeout=100)[0] for process in group]
      for group in groups
    ]
  finally:
    for process in itertools.chain(*groups):
      process.kill()
  codes = [[process.returncode for process in group] for group in groups]
  return list(zip(codes, outputs, strict=True))


def _start(script, num_processes):
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
  return [
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


def test_one_that_fails_alone_keeps_its_code_and_ends_the_others():
  """While the other one waits for it, in a sum over both."""
  cases = [
    (0, 'InputError("record 3: damaged.")', 2, 'aqa_jax: record 3: damaged.'),
    (1, 'RuntimeError("a mistake")', 1, 'RuntimeError: a mistake'),
  ]
  ends = _run_at_once(
    *(
      (
        'from aqa_jax import main\n'
        'from tfds_mtl_aqa.input_error import InputError\n'
        'def fail(argv):\n'
        '  begin()\n'
        '  meet()\n'
        f'  if rank == {failing}:\n'
        f'    raise {error}\n'
        '  meet()\n'
        'main.main = fail\n'
        'main.run()\n',
        2,
      )
      for failing, error, *_ in cases
    )
  )
  for case, (codes, outputs) in zip(cases, ends, strict=True):
    failing, _, code, message = case
    assert codes[failing] == code, outputs
    assert message in outputs[failing]
    # What a launcher takes for "start again", were it the first to fail.
    assert codes[1 - failing] in (75, -6), outputs


def test_a_notice_before_the_first_step_of_a_start():
  """All processes end after that step; told was the last of them."""
  starts = [
    (
      'from aqa_jax.training.preemption import Notice\n'
      'begin()\n'
      'meet()\n'
      f'if rank == {num_processes - 1}:\n'
      '  os.kill(os.getpid(), signal.SIGTERM)\n'
      # The news takes a moment: until all have told how far they are.
      'client = jax._src.distributed.global_state.client\n'
      'told = lambda: client.key_value_dir_get("PREEMPTION_CURRENT_COUNTER")\n'
      'for _ in range(200):\n'
      f'  if len(told()) == {num_processes}:\n'
      '    break\n'
      '  time.sleep(0.05)\n'
      'time.sleep(0.5)\n'
      'notice = Notice()\n'
      'with notice.listening():\n'
      '  meet()\n'
      f'  print("came", notice.came_before({first_step} + 1))\n'
      '  meet()\n',
      num_processes,
    )
    for num_processes in (1, 2)
    for first_step in (0, 500)
  ]
  for codes, outputs in _run_at_once(*starts):
    assert set(codes) == {0}, outputs
    assert all('came True' in output for output in outputs), outputs


def test_a_notice_between_two_steps():
  script = (
    'from aqa_jax.training.preemption import Notice\n'
    'begin()\n'
    'notice = Notice()\n'
    'meet()\n'
    'print("before", notice.came_before(501))\n'
    'came = []\n'
    # Until it has come, and five steps more. If it comes to none, or not to
    # all at the same step, they wait in vain.
    'for step in range(502, 100000):\n'
    '  if rank == 0 and step == 505:\n'
    '    os.kill(os.getpid(), signal.SIGTERM)\n'
    '  meet()\n'
    '  came.append(notice.has_come(step))\n'
    '  if any(came[:-5]):\n'
    '    break\n'
    'print("then", came.count(True))\n'
    'print("index", came.index(True))\n'
  )
  for codes, outputs in _run_at_once((script, 1), (script, 2)):
    assert set(codes) == {0}, outputs
    assert all('before False\nthen 1\n' in output for output in outputs), (
      outputs
    )
    # The same step for all, after the notice.
    (index,) = {int(output.split('index ')[1]) for output in outputs}
    assert index >= 3
