"""Kills a training again and again, and compares it with one left alone.

  python tests/kill_drill.py --kills=15 --num_processes=2

prepares simulated_dives/tiny, trains once without kills, then again with
SIGTERM and kill -9 at random moments, saves and start-up included, each
followed by the same command. It prints a line a kill, and what was lost.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
_SIGNALS = (signal.SIGTERM, signal.SIGKILL)
# What has to be the same bytes in the end.
_FILES = (
  'metrics.jsonl',
  'eval_test.json',
  'predictions_test.csv',
)


class Drill:
  """A training that is killed, and started again.

  Attributes:
    saves: kills that fell into a save.
    codes: exit codes of the kills.
  """

  def __init__(
    self,
    flags: list[str],
    workdir: pathlib.Path,
    num_processes: int,
    chance: random.Random,
  ):
    """Starts nothing yet.

    Args:
      flags: of `aqa_jax.main`, without --workdir.
      workdir: of the training.
      num_processes: that train together.
      chance: draws signals and moments.
    """
    self._command = [sys.executable, '-m', 'aqa_jax.main']
    if num_processes > 1:
      self._command = [
        sys.executable,
        'launch/run_local_processes.py',
        f'--num_processes={num_processes}',
        '--devices_per_process=1',
      ]
    self._command += [*flags, f'--workdir={workdir}']
    self._workdir = workdir
    self._num_processes = num_processes
    self._chance = chance
    self.saves = 0
    self.codes: list[int] = []

  def start(self) -> subprocess.Popen[str]:
    """Starts the training, or goes on with it."""
    return subprocess.Popen(
      self._command,
      cwd=ROOT,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  def finish(self) -> str:
    """Lets the training end; returns what it said."""
    process = self.start()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output

  def kill(
    self, number: signal.Signals, seconds: float, in_save: bool = False
  ) -> str:
    """Starts the training, and kills it some time after its first step.

    Args:
      number: of the signal; one process of several gets it.
      seconds: after the first step; below 0: after the start instead, which is
        before any step.
      in_save: wait for the next save after that.

    Returns:
      What it said.
    """
    process = self.start()
    said = ''
    if seconds >= 0:
      for line in process.stdout:
        said += line
        if 'The first step was done' in line:
          break
      assert process.poll() is None, said
    time.sleep(abs(seconds))
    # Before the first step there may be what an earlier kill left.
    saving = seconds >= 0 and self._is_saving()
    while in_save and not saving and process.poll() is None:
      time.sleep(0.001)
      saving = self._is_saving()
    self.saves += saving
    pids = children(process.pid) if self._num_processes > 1 else [process.pid]
    if pids:
      os.kill(self._chance.choice(pids), number)
    output, _ = process.communicate()
    # What is not taken notice of ends with 0.
    assert process.returncode, f'{number.name} was ignored:\n{said}{output}'
    self.codes.append(process.returncode)
    return said + output

  def _is_saving(self) -> bool:
    # Orbax's name for what is not whole.
    return any(self._workdir.glob('*/*tmp*'))


def children(pid: int) -> list[int]:
  """Returns the processes that a process has started."""
  path = pathlib.Path(f'/proc/{pid}/task/{pid}/children')
  return [int(child) for child in path.read_text().split()]


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
  """Returns the files of two workdirs, and the parameters, that differ."""
  from aqa_jax.weights.checkpoint import read_best

  found = [
    name
    for name in _FILES
    if (one / name).read_bytes() != (other / name).read_bytes()
  ]
  (ours, step), (theirs, other_step) = map(read_best, (one, other))
  if step != other_step or _bits(ours) != _bits(theirs):
    found.append('parameters of the best checkpoint')
  return found


def _bits(variables: object) -> list[bytes]:
  import jax

  return [leaf.tobytes() for leaf in jax.tree.leaves(variables)]


def lost_and_doubled(workdir: pathlib.Path, every: int, last: int) -> list[int]:
  """Returns the steps whose line of losses is not there exactly once."""
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  steps = [
    line['step'] for line in map(json.loads, lines) if 'train/loss' in line
  ]
  return [
    step for step in range(every, last + 1, every) if steps.count(step) != 1
  ]


def main() -> None:
  """Runs the drill; exits with 1 where anything differs."""
  from tfds_mtl_aqa import prepare

  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--kills', type=int, default=15)
  parser.add_argument('--num_processes', type=int, default=1)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--steps', type=int, default=200)
  parser.add_argument(
    '--deterministic',
    action='store_true',
    help='train with deterministic=True, without which a GPU has other bits',
  )
  arguments = parser.parse_args()
  folder = pathlib.Path(tempfile.mkdtemp(prefix='kill_drill_'))
  prepare.prepare('simulated_dives/tiny', data_dir=str(folder / 'data'))
  flags = [
    '--config=configs/quickstart.py',
    '--config.dataset.name=simulated_dives/tiny',
    f'--config.dataset.data_dir={folder / "data"}',
    '--config.validation.fraction=0.25',
    f'--config.duration={arguments.steps}steps',
    '--config.checkpoint_every=5steps',
    '--config.log_steps=1',
    '--config.input.frames=18',
    '--config.input.window_frames=20',
    '--config.input.crop=16',
    '--config.model.clips=3',
    '--config.model.width=2',
    '--config.model.caption_hidden=16',
    '--config.meteor=False',
    '--config.tensorboard=False',
    f'--config.mesh.data={arguments.num_processes}',
    f'--config.deterministic={arguments.deterministic}',
  ]
  # Compiling takes most of a start.
  os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
  chance = random.Random(arguments.seed)
  whole, ended = folder / 'whole', folder / 'ended'
  started = time.monotonic()
  Drill(flags, whole, arguments.num_processes, chance).finish()
  print(f'Without kills: {time.monotonic() - started:.0f} s.', flush=True)
  drill = Drill(flags, ended, arguments.num_processes, chance)
  said = []
  for index in range(arguments.kills):
    # One in six falls before the first step, two into a save.
    kind = index % 6
    seconds = (-8.0 if kind == 0 else 4.0) * chance.random()
    number = chance.choice(_SIGNALS)
    said.append(drill.kill(number, seconds, in_save=kind in (1, 3)))
    metrics = ended / 'metrics.jsonl'
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    print(
      f'kill {index + 1}: {number.name}, {seconds:+.2f} s, exit code '
      f'{drill.codes[-1]}; {drill.saves} in a save; {len(lines)} lines',
      flush=True,
    )
  said.append(drill.finish())
  went_on = sum('Going on from step' in output for output in said[1:])
  began = sum('Training on' in output for output in said[1:])
  wrong = lost_and_doubled(ended, 1, arguments.steps)
  different = differences(whole, ended)
  print(
    f'{len(drill.codes)} kills, {drill.saves} of them in a save. Of the starts '
    f'that followed {went_on} went on from a checkpoint, {began} began anew, '
    f'{len(said) - 1 - went_on - began} were killed before either. '
    f'{len(wrong)} steps lost or doubled; different: '
    f'{", ".join(different) or "nothing"}.'
  )
  sys.exit(bool(wrong or different))


if __name__ == '__main__':
  sys.path.insert(0, str(ROOT))
  main()
