"""SIGTERM and kill -9 at any moment: the run goes on, to the same bits."""

import json
import random
import signal

import forked_main
import kill_drill
import pytest

from aqa_jax.training import preemption

# Lines and checkpoints at different steps, so that a kill falls between.
_FLAGS = ['--config.duration=60steps', '--config.checkpoint_every=12steps']
_FLAGS += ['--config.log_steps=5']
# Captions take most of compiling; kill_drill.py has them.
_FLAGS += ['--config.tasks=score']


def test_signals_change_nothing(tmp_path, tiny_flags):
  flags = [*tiny_flags, *_FLAGS]
  chance = random.Random(0)
  whole, ended = tmp_path / 'whole', tmp_path / 'ended'
  done = forked_main.run(
    [*flags, f'--workdir={whole}'], kill_drill.ROOT, tmp_path
  )
  assert done.returncode == 0, done.stderr
  drill = kill_drill.Drill(flags, ended, 1, chance)
  drill.kill(signal.SIGKILL, chance.uniform(0, 0.3), in_save=True)
  assert drill.saves == 1
  said = drill.kill(signal.SIGTERM, chance.uniform(0, 0.3))
  assert 'the same command goes on' in said
  assert drill.codes == [-9, preemption.EXIT_CODE]
  said = drill.finish()
  assert 'Going on from step ' in said and 'Goodput ' in said
  assert 'The first step was done ' in said
  assert kill_drill.lost_and_doubled(ended, 5, 60) == []
  assert kill_drill.differences(whole, ended) == []
  lines = (whole / 'metrics.jsonl').read_text().splitlines()
  steps = [x['step'] for x in map(json.loads, lines) if 'train/loss' in x]
  assert steps == sorted({*range(5, 61, 5), *range(12, 61, 12)})
  goodput = json.loads((ended / 'goodput.json').read_text())
  assert 0 < goodput['goodput'] < 1 and goodput['starts'] == 3


@pytest.mark.parametrize(
  'lines, wrong',
  [([5, 10, 15], []), ([5, 15], [10]), ([5, 10, 10, 15], [10])],
)
def test_the_drill_sees_what_is_lost_or_doubled(tmp_path, lines, wrong):
  (tmp_path / 'metrics.jsonl').write_text(
    ''.join(f'{{"step": {step}, "train/loss": 1.0}}\n' for step in lines)
  )
  assert kill_drill.lost_and_doubled(tmp_path, 5, 15) == wrong
