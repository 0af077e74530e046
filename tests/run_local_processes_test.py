"""Several processes train as one does."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
LAUNCHER = ROOT / 'launch/run_local_processes.py'


def _launch(num_processes, devices, *flags):
  return subprocess.run(
    [
      sys.executable,
      str(LAUNCHER),
      f'--num_processes={num_processes}',
      f'--devices_per_process={devices}',
      *map(str, flags),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
    timeout=900,
  )


def _numbers(workdir):
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


# As in sharding_test: small steps keep small what near-ties decide.
_C3DAVG = ['--config.optimizer.learning_rate=1e-4']
_MSCADC = [
  '--config=configs/mscadc.py',
  '--config.dataset.name=simulated_dives/tiny',
  '--config.validation.fraction=0.25',
  '--config.batch_size=8',
  '--config.eval_batch_size=8',
  '--config.input.window_frames=20',
  '--config.input.frames=12',
  '--config.input.stride=1.5',
  '--config.input.max_shift=2',
  '--config.input.crop=24',
  '--config.model.width=2',
  '--config.model.head_channels=3',
  '--config.model.caption_length=24',
  '--config.model.caption_hidden=16',
  '--config.model.caption_embedding=8',
  '--config.optimizer.learning_rate=2e-6',
  '--config.meteor=False',
]


@pytest.mark.parametrize('network', ['c3davg', 'mscadc'])
def test_processes_and_devices_make_no_difference(
  tmp_path, tiny_flags, tiny_dives, network
):
  """1 x 1, 1 x 8, 2 x 4 and 4 x 2: the same losses in 20 steps."""
  flags = [*tiny_flags, *_C3DAVG]
  if network == 'mscadc':
    flags = [*_MSCADC, f'--config.dataset.data_dir={tiny_dives}']
  flags += ['--config.duration=20steps', '--config.checkpoint_every=20steps']
  flags += ['--config.log_steps=1', '--config.progress_seconds=0']
  losses = {}
  for processes, devices in ((1, 1), (1, 8), (2, 4), (4, 2)):
    name = f'{processes}x{devices}'
    workdir = tmp_path / name
    done = _launch(processes, devices, *flags, f'--workdir={workdir}')
    assert done.returncode == 0, done.stdout + done.stderr
    losses[name] = [
      # A near-tie shows in the gradient's norm alone.
      {k: v for k, v in line.items() if k != 'train/gradient_norm'}
      for line in _numbers(workdir)
      if 'train/loss' in line
    ]
    assert [line['step'] for line in losses[name]] == list(range(1, 21))
    for line, other in zip(losses['1x1'], losses[name], strict=True):
      assert line == pytest.approx(other, rel=1e-5), name
    if processes == 2:
      # The first alone speaks: each line comes once.
      lines = done.stdout.splitlines()
      for part in ('Training on', 'step 1/', 'floor: mean'):
        found = [line[:3] for line in lines if part in line]
        assert found == ['[0]'], part
  if network == 'mscadc':
    return
  # Two processes go on from what one has written, and need not train again.
  before = _numbers(tmp_path / '1x8')
  done = _launch(2, 4, *flags, f'--workdir={tmp_path / "1x8"}', '--mode=eval')
  assert done.returncode == 0, done.stdout + done.stderr
  assert _numbers(tmp_path / '1x8') == before


def test_one_mistake_ends_all(tmp_path, tiny_flags):
  done = _launch(
    2, 1, *tiny_flags, f'--workdir={tmp_path}', '--config.batch_size=7'
  )
  assert done.returncode == 2
  assert re.search(r'^\[[01]\] aqa_jax: config.batch_size=7', done.stdout, re.M)
  assert 'Traceback' not in done.stdout


def _commands(*scripts):
  return [[sys.executable, '-c', script] for script in scripts]


def _run_together(*scripts):
  code = (
    'import sys; sys.path.insert(0, "launch")\n'
    'import os, run_local_processes\n'
    f'sys.exit(run_local_processes.run_together({_commands(*scripts)!r}, '
    'dict(os.environ)))'
  )
  return subprocess.run(
    [sys.executable, '-c', code],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
    timeout=60,
    env=dict(os.environ),
  )


def test_the_first_failure_is_the_exit_code(tmp_path):
  waits = f'import os, time\nopen({str(tmp_path / "pid")!r}, "w").write('
  waits += 'str(os.getpid()))\nprint("waiting", flush=True)\ntime.sleep(600)'
  fails = 'import os, sys, time\nwhile not os.path.exists('
  fails += f'{str(tmp_path / "pid")!r}): time.sleep(0.01)\n'
  fails += 'print("failing"); sys.exit(7)'
  done = _run_together(waits, fails)
  assert done.returncode == 7
  assert '[1] failing' in done.stdout
  with pytest.raises(ProcessLookupError):
    os.kill(int((tmp_path / 'pid').read_text()), 0)


def test_a_process_that_a_signal_ends():
  done = _run_together('import os; os.kill(os.getpid(), 9)')
  assert done.returncode == 128 + 9


def test_all_succeed():
  done = _run_together('print("one")', 'print("two")')
  assert done.returncode == 0
  assert sorted(done.stdout.splitlines()) == ['[0] one', '[1] two']


def _children(process):
  path = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
  return [int(pid) for pid in path.read_text().split()]


def test_processes_that_are_taken_away_go_on(tmp_path, tiny_flags):
  """One of two gets SIGTERM, then one kill -9: as if nothing had happened."""
  flags = [*tiny_flags, '--config.duration=24 epochs', '--config.log_steps=5']
  flags += ['--config.checkpoint_every=8 epochs']
  whole, ended = tmp_path / 'whole', tmp_path / 'ended'
  done = _launch(2, 1, *flags, f'--workdir={whole}')
  assert done.returncode == 0, done.stdout + done.stderr
  process = subprocess.Popen(
    [sys.executable, str(LAUNCHER), '--num_processes=2', '--max_restarts=2']
    + ['--devices_per_process=1', *flags, f'--workdir={ended}'],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    text=True,
  )
  signals = [(signal.SIGTERM, 1), (signal.SIGKILL, 0)]
  lines = []
  with process:
    for line in process.stdout:
      lines.append(line)
      if 'The first step was done' in line and signals:
        number, child = signals.pop(0)
        os.kill(_children(process)[child], number)
  output = ''.join(lines)
  assert process.returncode == 0, output
  assert 'Ended with code 75; starting again.' in output
  assert 'Ended with code 137; starting again.' in output
  assert _numbers(ended) == _numbers(whole)
  name = 'predictions_test.csv'
  assert (ended / name).read_bytes() == (whole / name).read_bytes()
