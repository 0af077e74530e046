"""What goes wrong with disks and other processes."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from several_processes_test import free_port

from aqa_jax.training import preemption

ROOT = pathlib.Path(__file__).parents[1]
_MAIN = [sys.executable, '-m', 'aqa_jax.main']


def _can_mount():
  if not shutil.which('unshare'):
    return False
  done = subprocess.run(
    ['unshare', '-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'],
    capture_output=True,
    check=False,
  )
  return done.returncode == 0


_needs_mount = pytest.mark.skipif(
  not _can_mount(), reason='no disk of its own: unshare -rm mount is refused'
)


def _on_a_disk(folder, size, script):
  """Runs a shell script with a disk of its own in a folder."""
  folder.mkdir()
  return subprocess.run(
    [
      'unshare',
      '-rm',
      'bash',
      '-c',
      f'mount -t tmpfs -o size={size} none "$1"\n{script}',
      'bash',
      folder,
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
    timeout=600,
  )


@_needs_mount
def test_a_full_disk_keeps_the_earlier_checkpoint(tmp_path, tiny_flags):
  flags = [*tiny_flags, '--config.duration=12steps']
  flags += ['--config.checkpoint_every=4steps', f'--workdir={tmp_path}/disk/w']
  flags += ['--config.tasks=score']
  train_it = ' '.join(f'"{part}"' for part in [*_MAIN, *flags])
  # It fills up once the first checkpoint is there.
  done = _on_a_disk(
    tmp_path / 'disk',
    '64m',
    f'{train_it} 2>&1 & training=$!\n'
    'while [ ! -d "$1/w/checkpoints/4" ]; do sleep 0.01; done\n'
    'dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null\n'
    'wait $training; echo "first $?"; rm "$1/filler"\n'
    f'{train_it} 2>&1; echo "then $?"',
  )
  assert 'first 2' in done.stdout, done.stdout + done.stderr
  first, then = done.stdout.split('first 2')
  assert 'Traceback' not in first, first
  line = first.strip().splitlines()[-1]
  assert line.startswith('aqa_jax: ') and 'give the same command again' in line
  assert 'disk is full' in line or 'No space left' in line
  assert re.search('Going on from step [48] of 12', then) and 'then 0' in then


@_needs_mount
def test_a_workdir_that_can_not_be_written(tmp_path, tiny_flags):
  command = ' '.join(f'"{part}"' for part in [*_MAIN, *tiny_flags])
  done = _on_a_disk(
    tmp_path / 'disk',
    '1m',
    'mount -o remount,ro "$1"\n'
    f'{command} --workdir="$1/w"; echo $?\n'
    # One that is there already.
    f'{command} --workdir="$1"; echo $?',
  )
  assert done.stdout.split() == ['2', '2'], done.stdout + done.stderr
  new, used = [x for x in done.stderr.splitlines() if x.startswith('aqa_jax')]
  assert f'--workdir={tmp_path}/disk/w: can not be written; give' in new
  assert f'--workdir={tmp_path}/disk: can not be written; give' in used
  assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('dead', [0, 1])
def test_a_process_that_dies_takes_the_other_with_it(
  tmp_path, tiny_flags, dead
):
  """In bounded time, with the reason, and a code that means: start again."""
  flags = [*tiny_flags, '--config.duration=100000steps']
  flags += ['--config.checkpoint_every=50000steps', f'--workdir={tmp_path}']
  flags += [f'--coordinator_address=localhost:{free_port()}']
  flags += ['--config.tasks=score', '--config.mesh.data=2']
  environment = dict(os.environ, JAX_PLATFORMS='cpu')
  processes = [
    subprocess.Popen(
      [*_MAIN, *flags, '--num_processes=2', f'--process_id={index}'],
      cwd=ROOT,
      env=environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for index in range(2)
  ]
  try:
    for line in processes[0].stdout:
      if 'The first step was done' in line:
        break
    processes[dead].send_signal(signal.SIGKILL)
    output, _ = processes[1 - dead].communicate(timeout=120)
    # Either sees the other's silence first: this program, or JAX's service.
    code = processes[1 - dead].returncode
    assert code in (preemption.EXIT_CODE, -signal.SIGABRT), output
    assert 'another process has died' in output or 'another task died' in output
  finally:
    for process in processes:
      process.kill()
      process.communicate()
