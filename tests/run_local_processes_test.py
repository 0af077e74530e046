"""Several processes train as one does."""

import importlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from kill_drill import children

from aqa_jax import train
from aqa_jax.configs import quickstart

ROOT = pathlib.Path(__file__).parents[1]
LAUNCHER = ROOT / 'launch/run_local_processes.py'


def launch(num_processes, devices, *flags):
  """Trains in processes of so many devices; returns what came of it."""
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


def lines_of(workdir):
  """Returns what a workdir's metrics.jsonl holds."""
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


_CHANGES = {
  'duration': '12steps',
  'checkpoint_every': '5steps',
  # No other training of these tests has it.
  'optimizer.schedule': 'cosine',
  # Captions take most of compiling; topologies_test and kill_drill.py have
  # them.
  'tasks': 'score,classes',
}
_FLAGS = [f'--config.{name}={value}' for name, value in _CHANGES.items()]

# Two devices each, which have other clips of the same dives.
_BY_TWO = [*_FLAGS, '--config.mesh.data=2', '--config.mesh.clip=2']


@pytest.fixture(name='by_two', scope='module')
def fixture_by_two(tmp_path_factory, tiny_flags):
  """A workdir that two processes have trained in, and what they said.

  One of them gets SIGTERM after the first step: both end, and are started
  again. kill_drill.py has more of that, and compares the bits.
  """
  workdir = tmp_path_factory.mktemp('by_two')
  process = subprocess.Popen(
    [sys.executable, str(LAUNCHER), '--num_processes=2', '--max_restarts=1']
    + ['--devices_per_process=2', *tiny_flags, *_BY_TWO]
    + [f'--workdir={workdir}'],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    text=True,
  )
  is_told = False
  lines = []
  with process:
    for line in process.stdout:
      lines.append(line)
      if 'The first step was done' in line and not is_told:
        os.kill(children(process.pid)[1], signal.SIGTERM)
        is_told = True
  assert process.returncode == 0, ''.join(lines)
  return workdir, ''.join(lines)


def test_processes_that_are_taken_away_go_on(by_two):
  assert 'Ended with code 75; starting again.' in by_two[1]
  assert re.search(r'Going on from step (\d|1[01]) of 12', by_two[1])


def test_two_processes_train_as_one_does(tmp_path, tiny_overrides, by_two):
  """2 x 2 devices as one, which has all dives and all clips.

  The two were taken away in between: that loses no step, and doubles none.
  """
  config = quickstart.get_config()
  config.update_from_flattened_dict(tiny_overrides | _CHANGES)
  train.train_and_evaluate(config, tmp_path)
  workdir, said = by_two
  one, two = lines_of(tmp_path), lines_of(workdir)
  # 12 steps, 3 validations.
  assert len(one) == len(two) == 15
  for line, other in zip(one, two, strict=True):
    if 'train/loss' in line:
      # A ReLU or a max pool that all but ties shows in the gradient alone.
      norm, other_norm = (x.pop('train/gradient_norm') for x in (line, other))
      assert norm == pytest.approx(other_norm, rel=0.1)
      assert line == pytest.approx(other, rel=1e-5)
    else:
      # Adam turns the rounding of gradients near zero into whole steps, which
      # what is predicted shows more than the losses do.
      assert line == pytest.approx(other, rel=2e-2, nan_ok=True)
  # The first alone speaks: each line comes once.
  lines = said.splitlines()
  for part in ('Training on', 'Going on', 'step 1/', 'baseline: mean'):
    assert [line[:3] for line in lines if part in line] == ['[0]'], part


def test_two_processes_with_parameters_in_parts(tmp_path, tiny_flags, by_two):
  """From the parameter overview to the report, BatchNorm included."""
  flags = [*tiny_flags, *_FLAGS, f'--workdir={tmp_path}']
  done = launch(2, 1, *flags, '--config.mesh.fsdp=2')
  assert done.returncode == 0, done.stdout + done.stderr
  assert (tmp_path / 'report_test.html').exists()
  whole, parts = (
    [line for line in lines_of(workdir) if 'train/loss' in line]
    for workdir in (by_two[0], tmp_path)
  )
  for line, other in zip(whole, parts, strict=True):
    for name in ('train/loss', 'train/score', 'train/classes'):
      assert line[name] == pytest.approx(other[name], rel=1e-5)


def test_one_mistake_ends_all(tmp_path, tiny_flags):
  flags = [*tiny_flags, '--config.mesh.data=2', '--config.batch_size=7']
  done = launch(2, 1, *flags, f'--workdir={tmp_path}')
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


@pytest.mark.parametrize(
  'codes, starts',
  [([130], 1), ([2], 1), ([75, 137, 0], 3), ([75, 75, 75], 3), ([0], 1)],
)
def test_what_is_started_again(monkeypatch, codes, starts):
  """Preemption and signals, twice at most; no mistake, nor Ctrl-C."""
  monkeypatch.syspath_prepend(str(LAUNCHER.parent))
  launcher = importlib.import_module(LAUNCHER.stem)
  left = list(codes)
  monkeypatch.setattr(launcher, 'run_together', lambda *_: left.pop(0))
  code = launcher.main(['--num_processes=2', '--max_restarts=2'])
  assert code == codes[-1]
  assert len(codes) - len(left) == starts


@pytest.mark.parametrize(
  'flag, least',
  [
    ('--num_processes=abc', 1),
    ('--num_processes=0', 1),
    ('--devices_per_process=1.5', 1),
    ('--max_restarts=x', 0),
    ('--max_restarts=-1', 0),
  ],
)
def test_bad_numbers(monkeypatch, capsys, flag, least):
  monkeypatch.syspath_prepend(str(LAUNCHER.parent))
  launcher = importlib.import_module(LAUNCHER.stem)
  with pytest.raises(SystemExit, match='2'):
    launcher.main([flag])
  line = capsys.readouterr().err.splitlines()[-1]
  name, value = flag.split('=')
  assert line.endswith(
    f'argument {name}: give a whole number from {least} on, not {value!r}'
  )
