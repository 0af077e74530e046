"""The loop on a training of one number, whose steps take no time."""

import dataclasses
import json
import shutil
import time

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from aqa_jax import sharding
from aqa_jax.data.schema import Schema
from aqa_jax.train_state import TrainState
from aqa_jax.training import preemption, training_loop
from aqa_jax.training.setup import Setup
from aqa_jax.training.training import Training
from aqa_jax.weights.checkpoint import Checkpoints

_EVERY, _LAST = 4, 12


class _Walk(Training):
  """The number that is trained grows by the number of the step."""

  measure = 'size'

  def batches(self, first_step):
    for step in range(first_step, _LAST):
      yield {'score': np.full(8, step, np.float32)}

  def validate(self):
    # Rises and falls again: not the last step is the best.
    size = float(self.state.params['x'])
    return {'size': size if size < 40 else -size}

  def summary(self):
    return 'steps'


def _walk(workdir):
  mesh = sharding.make_mesh(1)
  params = {'x': jnp.zeros(())}
  state = TrainState(
    step=jnp.int32(0),
    params=params,
    batch_stats={},
    opt_state=optax.identity().init(params),
  )

  @jax.jit
  def train_step(state, batch):
    x = state.params['x'] + batch['score'].mean()
    scalars = {'loss': -x, 'gradient_norm': x, 'is_finite': jnp.ones(())}
    return state.replace(step=state.step + 1, params={'x': x}), scalars

  setup = Setup(
    config=ml_collections.ConfigDict(
      {
        'batch_size': 8,
        'duration': f'{_LAST} steps',
        'checkpoint_every': f'{_EVERY} steps',
        'log_steps': 3,
        'progress_seconds': 0.0,
        'profile': 0,
        'tensorboard': False,
        'init_from': '',
        'max_non_finite': 1,
        'compute_dtype': 'float32',
      }
    ),
    mesh=mesh,
    num_examples=8,
    schema=Schema(),
    tasks=(),
    system=None,
    model=None,
    tx=None,
    input_shape=(),
  )
  setup.train_step = train_step
  setup.create_state = lambda: jax.device_put(state, sharding.replicated(mesh))
  return _Walk(
    setup=setup,
    workdir=workdir,
    state=setup.create_state(),
    checkpoints=Checkpoints(workdir),
    started=0.0,
  )


class _PowerCut(Exception):
  pass


def _run(workdir, monkeypatch, notice=None, cut=None):
  """Trains until a notice, or until nothing more is done, or to the end."""

  def has_come(self, step):
    if step == cut:
      raise _PowerCut
    return step == notice

  monkeypatch.setattr(preemption.Notice, 'has_come', has_come)
  walk = _walk(workdir)
  try:
    training_loop.run(walk)
  finally:
    walk.checkpoints.close()
  return walk


def _lines(workdir):
  return (workdir / 'metrics.jsonl').read_text().splitlines()


@pytest.fixture(name='whole')
def fixture_whole(tmp_path, monkeypatch):
  """The workdir of a training without a notice."""
  _run(tmp_path / 'whole', monkeypatch)
  return tmp_path / 'whole'


def test_lines_and_the_best(whole):
  steps = [json.loads(line)['step'] for line in _lines(whole)]
  # Every third; every fourth, with its validation.
  assert steps == [3, 4, 4, 6, 8, 8, 9, 12, 12]
  checkpoints = Checkpoints(whole)
  assert (checkpoints.best_step(), checkpoints.best_value()) == (8, 28)
  checkpoints.close()


def test_a_short_training_without_a_finite_step_has_failed(tmp_path):
  walk = _walk(tmp_path)
  walk.config.max_non_finite = _LAST + 1
  step, no = walk.setup.train_step, jnp.zeros(())

  def not_finite(state, batch):
    state, scalars = step(state, batch)
    return state, scalars | {'is_finite': no}

  not_finite.lower = step.lower
  walk.setup.train_step = not_finite
  with pytest.raises(FloatingPointError, match=f'in {_LAST} steps in a row'):
    training_loop.run(walk)
  walk.checkpoints.close()


@pytest.mark.parametrize('notice', [2, 3, 4, 5, 8, 11])
def test_a_notice_changes_nothing(whole, tmp_path, monkeypatch, notice):
  with pytest.raises(preemption.PreemptedError, match=f'step {notice} is'):
    _run(tmp_path / 'ended', monkeypatch, notice=notice)
  walk = _run(tmp_path / 'ended', monkeypatch)
  assert _lines(tmp_path / 'ended') == _lines(whole)
  assert float(walk.state.params['x']) == sum(range(_LAST))


def test_a_notice_at_a_checkpoint_leaves_its_validation_to_the_next_start(
  whole, tmp_path, monkeypatch
):
  """And to the one after it, where that is cut off."""
  ended = tmp_path / 'ended'
  monkeypatch.setattr(_Walk, 'validate', lambda self: pytest.fail('too long'))
  with pytest.raises(preemption.PreemptedError):
    _run(ended, monkeypatch, notice=_EVERY)
  monkeypatch.undo()
  assert [json.loads(line)['step'] for line in _lines(ended)] == [3]
  for cut in (_EVERY + 2, _EVERY + 3):
    with pytest.raises(_PowerCut):
      _run(ended, monkeypatch, cut=cut)
  _run(ended, monkeypatch)
  assert _lines(ended) == _lines(whole)
  ours, theirs = Checkpoints(ended), Checkpoints(whole)
  assert ours.best_step() == theirs.best_step()
  assert ours.best_value() == theirs.best_value()
  ours.close()
  theirs.close()


class _Device:
  """Computes for ten seconds a step, one after the other, while others go on.

  The clock leaps to the end of what is waited for; nothing else takes time.
  """

  now = free = 1.0

  def run(self, value):
    self.free = max(self.free, self.now) + 10
    return _Pending(self, self.free, value)


class _Pending:
  """A number that is there when the device has computed it."""

  def __init__(self, device, ready, value):
    self.device, self.ready, self.value = device, ready, value

  def block_until_ready(self):
    self.device.now = max(self.device.now, self.ready)

  def __array__(self, dtype=None, copy=None):
    self.block_until_ready()
    return np.asarray(self.value, dtype)

  def __float__(self):
    return float(self.__array__())


@pytest.mark.parametrize('progress_seconds', [0.0, 1e9])
@pytest.mark.parametrize('log_steps', [1, 3, 100])
@pytest.mark.parametrize('profile', [0, 2])
def test_goodput_has_the_time_of_every_step(
  tmp_path, monkeypatch, log_steps, progress_seconds, profile
):
  """But for the first, which compiles; however often the losses are read."""
  device = _Device()
  monkeypatch.setattr(time, 'monotonic', lambda: device.now)
  walk = _walk(tmp_path)
  walk.config.log_steps = log_steps
  walk.config.progress_seconds = progress_seconds
  walk.config.profile = profile
  step_at_once = walk.setup.train_step

  def train_step(state, batch):
    state, scalars = step_at_once(state, batch)
    return state, {name: device.run(value) for name, value in scalars.items()}

  train_step.lower = step_at_once.lower
  walk.setup.train_step = train_step
  training_loop.run(walk)
  walk.checkpoints.close()
  figures = json.loads((tmp_path / 'goodput.json').read_text())
  # Three numbers a step.
  assert figures['useful_seconds'] == (_LAST - 1) * 30
  assert figures['seconds'] == 1 + _LAST * 30


def test_writing_a_trace_is_no_useful_time(tmp_path, monkeypatch):
  """On a clock that leaps while it is written."""
  stop_trace, monotonic = jax.profiler.stop_trace, time.monotonic
  late = [0]

  def stop_slowly():
    stop_trace()
    late[0] = 10000

  monkeypatch.setattr(jax.profiler, 'stop_trace', stop_slowly)
  monkeypatch.setattr(time, 'monotonic', lambda: monotonic() + late[0])
  walk = _walk(tmp_path)
  walk.config.profile = 2
  training_loop.run(walk)
  walk.checkpoints.close()
  figures = json.loads((tmp_path / 'goodput.json').read_text())
  assert figures['useful_seconds'] < 10000 < figures['seconds']


def test_killed_before_the_first_latest_checkpoint(tmp_path, monkeypatch):
  """The best one is there already, and nothing to go on from."""
  _run(tmp_path / 'whole', monkeypatch)
  walk = _run(tmp_path / 'cut', monkeypatch)
  shutil.rmtree(tmp_path / 'cut/checkpoints')
  (tmp_path / 'cut/metrics.jsonl').unlink()
  checkpoints = training_loop.begin(walk.setup, tmp_path / 'cut')
  assert checkpoints.best_step() is not None
  training_loop.run(dataclasses.replace(walk, checkpoints=checkpoints))
  checkpoints.close()
  assert (tmp_path / 'cut/metrics.jsonl').read_bytes() == (
    (tmp_path / 'whole/metrics.jsonl').read_bytes()
  )


def test_a_best_one_that_was_removed_is_chosen_again(tmp_path, monkeypatch):
  _run(tmp_path, monkeypatch)
  (best,) = (tmp_path / 'best').glob('[0-9]*')
  shutil.rmtree(best)
  _run(tmp_path, monkeypatch)
  again = Checkpoints(tmp_path)
  assert again.best_step() == _LAST
  again.close()


def test_no_figure_is_worse_than_any(tmp_path, monkeypatch):
  figures = iter([np.nan, -5.0, np.nan])
  monkeypatch.setattr(_Walk, 'validate', lambda self: {'size': next(figures)})
  training_loop.run(walk := _walk(tmp_path))
  assert walk.checkpoints.best_step() == 2 * _EVERY
  assert walk.checkpoints.best_value() == -5.0
  walk.checkpoints.close()
