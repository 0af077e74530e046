"""The numbers of the official PyTorch code, at full size, in float32.

`tests/goldens` holds what the official code gave for seeded weights and a
seeded batch. AQA_GOLDENS names another folder of the same files, of any seed.
"""

import functools
import os
import pathlib
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import seeded_weights
from flax import traverse_util

from aqa_jax import losses, optimizer, pretrained, sharding, steps
from aqa_jax.network import create_model
from aqa_jax.official_names import official_name, to_official
from aqa_jax.torch_file import write_torch_file
from aqa_jax.train_state import TrainState

_ROOT = pathlib.Path(__file__).parents[1]
_GOLDENS = pathlib.Path(
  os.environ.get('AQA_GOLDENS', _ROOT / 'tests' / 'goldens')
)
_CLASSES = ('position', 'armstand', 'rotation_type', 'somersaults', 'twists')
_VOCABULARY_SIZE = 5779
_NUDGES = 5
# What conftest.py turns off, if it does.
_AS_USERS_COMPILE = {}
if 'fusion_emitters' in os.environ.get('XLA_FLAGS', ''):
  _AS_USERS_COMPILE['xla_cpu_use_fusion_emitters'] = True
# Frames and crop of the recorded videos.
_SIZES = {'c3davg': (96, 112), 'mscadc': (16, 180)}


@pytest.fixture(scope='module', autouse=True)
def fixture_optimizations():
  """At full size it is running that takes the time, not compiling."""
  name = 'jax_disable_most_optimizations'
  before = jax.config.read(name)
  jax.config.update(name, False)
  yield
  jax.config.update(name, before)


@pytest.fixture(name='network', scope='module', params=_SIZES)
def fixture_network(request, tmp_path_factory):
  """A network with the seeded weights, read from official files."""
  network = _Network(request.param, tmp_path_factory.mktemp('official'))
  yield network
  jax.clear_caches()


class _Network:
  """What was recorded of a network, and the network."""

  def __init__(self, name, folder):
    self.golden = dict(np.load(_GOLDENS / f'{name}.npz'))
    self.seed = int(self.golden['seed'])
    self.config = runpy.run_path(str(_ROOT / f'configs/{name}.py'))[
      'get_config'
    ]()
    # On GPU and TPU it would be bfloat16.
    self.config.compute_dtype = 'float32'
    self.batch = seeded_weights.batch(*_SIZES[name], self.seed)
    self.official = {
      str(entry): seeded_weights.weights(
        str(entry), tuple(map(int, _integers(shape))), self.seed
      )
      for entry, shape in zip(
        self.golden['names'], self.golden['shapes'], strict=True
      )
    }
    for module in {entry.split('.')[0] for entry in self.official}:
      write_torch_file(
        folder / f'{module}_94.pth',
        {
          entry.removeprefix(f'{module}.'): array
          for entry, array in self.official.items()
          if entry.startswith(f'{module}.')
        },
      )
    self.model = create_model(self.config, _VOCABULARY_SIZE)
    shapes = jax.eval_shape(
      lambda: self.model.init(
        jax.random.key(0), self.batch['video'][:1], self.batch['words'][:1]
      )
    )
    self.variables, self.table = pretrained.initialize(
      shapes, str(folder), 'everything'
    )

    # A bias that a BatchNorm takes away again has a gradient of rounding only.
    self.without_gradient = {
      entry
      for entry in self.official
      if name == 'mscadc'
      and entry.endswith('.bias')
      and 'conv' in entry
      and 'head_conv3' not in entry
    }

  def without_dropout(self):
    return self.model.clone(
      **{
        field: 0.0
        for field in ('dropout', 'caption_dropout')
        if hasattr(self.model, field)
      }
    )

  def features(self, outputs):
    """Returns what is recorded of the inside, by its name there."""
    inside = outputs['intermediates']
    found = {
      name: inside[name]['__call__'][0]
      for name in ('c3d', 'fc6')
      if name in inside
    }
    if 'fc6' not in found:  # [batch, channels, time, height, width]
      return {'features': found['c3d'].transpose(0, 4, 1, 2, 3)}
    clips = found['c3d'].reshape(2, 6, -1)
    return {'clip_features': clips, 'fc6': jax.nn.relu(found['fc6'])}


def _integers(shape):
  return str(shape).strip('()').replace(',', ' ').split()


def _error(ours, recorded):
  """Returns the relative error in the L2 norm."""
  ours = np.asarray(ours, np.float64)
  assert ours.shape == recorded.shape
  return np.linalg.norm(ours - recorded) / np.linalg.norm(recorded)


class _Report:
  """Errors against a tolerance; recorded, to be printed, then asserted.

  `exceptions` is how many may exceed it, up to five times, if at least half of
  all are ten times better.
  """

  def __init__(self, title, tolerance, exceptions=0):
    self.title, self.tolerance, self.errors = title, tolerance, {}
    self.exceptions = exceptions

  def compare(self, name, ours, recorded):
    """Notes the error, or the least of several."""
    error = _error(ours, np.asarray(recorded, np.float64))
    self.errors[name] = min(error, self.errors.get(name, np.inf))

  def passes(self):
    errors = np.array(list(self.errors.values()))
    failures = np.sum(~(errors <= self.tolerance))
    return failures == 0 or (
      failures <= self.exceptions
      and errors.max() <= 5 * self.tolerance
      and np.median(errors) <= self.tolerance / 10
    )

  def record(self, record_property):
    worst = sorted(self.errors, key=self.errors.get, reverse=True)
    record_property(
      'measured',
      f'{self.title}: worst relative errors of {len(worst)}, tolerance '
      f'{self.tolerance:g}: '
      + ', '.join(f'{name} {self.errors[name]:.1e}' for name in worst[:3]),
    )


def _compare_outputs(network, mode, outputs, record_property):
  golden = network.golden
  report = _Report(f'{mode} mode', 1e-4)
  answers, inside = outputs
  for name, values in network.features(inside).items():
    if f'{mode}/{name}/head' not in golden:
      continue
    flat = np.asarray(values).reshape(2, -1)
    head = flat[:, :: max(1, flat.shape[1] // 512)][:, :512]
    assert values.shape == tuple(golden[f'{mode}/{name}/shape'])
    report.compare(name, head, golden[f'{mode}/{name}/head'])
    report.compare(f'{name} mean', flat.mean(), golden[f'{mode}/{name}/mean'])
    report.compare(
      f'{name} std', flat.std(ddof=1), golden[f'{mode}/{name}/std']
    )
  report.compare('score', answers['score'], golden[f'{mode}/score'])
  for task in _CLASSES:
    report.compare(task, answers['classes'][task], golden[f'{mode}/{task}'])
  log_probabilities = np.take_along_axis(
    np.asarray(jax.nn.log_softmax(answers['captions'])),
    network.batch['words'][:, 1:, None],
    axis=2,
  )[..., 0]
  report.compare(
    'captions', log_probabilities, golden[f'{mode}/caption_logp_at_target']
  )
  if mode == 'eval':
    by_task = losses.task_losses(answers, network.batch)
    total = losses.total_loss(by_task, network.config.loss_weights)
    for ours, theirs in _LOSSES.items():
      value = total if ours == 'loss' else by_task[ours]
      report.compare(ours, value, golden[f'eval/loss/{theirs}'].squeeze())
  report.record(record_property)
  assert report.passes()


_LOSSES = {'score': 'aqa', 'classes': 'cls', 'captions': 'cap', 'loss': 'total'}


def _apply(network, model, train_mode):
  def capture(module, method):
    return method == '__call__' and module.name in ('c3d', 'fc6')

  @functools.partial(jax.jit, compiler_options=_AS_USERS_COMPILE)
  def apply(variables, video, words):
    return model.apply(
      variables,
      video,
      words,
      train=train_mode,
      capture_intermediates=capture,
      mutable=['intermediates', 'batch_stats'],
      rngs={'dropout': jax.random.key(0)},
    )

  return apply(
    network.variables, network.batch['video'], network.batch['words']
  )


def test_every_entry_has_its_place(network):
  """Nothing is left new, and what we would export is what we read."""
  assert 'new' not in network.table
  flat = traverse_util.flatten_dict(network.variables)
  ours = {
    '.'.join(official_name(path)): to_official(path, array)
    for path, array in flat.items()
  }
  assert ours.keys() == network.official.keys()
  for name, array in network.official.items():
    np.testing.assert_array_equal(ours[name], array, name)


def test_evaluation_mode(network, record_property):
  outputs = _apply(network, network.model, False)
  _compare_outputs(network, 'eval', outputs, record_property)


def test_training_mode(network, record_property):
  outputs = _apply(network, network.without_dropout(), True)
  _compare_outputs(network, 'train', outputs, record_property)


def test_greedy_captions(network):
  @functools.partial(jax.jit, compiler_options=_AS_USERS_COMPILE)
  def greedy(variables, video):
    return network.model.apply(variables, video)['captions']

  ours = greedy(network.variables, network.batch['video'])
  theirs = network.golden['eval/greedy_ids']
  different = np.asarray(ours) != theirs
  if not different.any():
    return
  # Only where the two best words are as good as equal may they part.
  said = np.concatenate([np.ones((2, 1), np.int32), theirs], axis=1)
  logits = network.model.apply(network.variables, network.batch['video'], said)
  best = np.sort(jax.nn.log_softmax(logits['captions']), axis=-1)
  for row in np.flatnonzero(different.any(axis=1)):
    first = different[row].argmax()
    assert best[row, first, -1] - best[row, first, -2] < 1e-4


def test_three_steps_of_adam(network, record_property, monkeypatch):
  """Losses, gradients, changes and running statistics over three steps.

  Where two values all but tie in front of a ReLU or a max pool, rounding
  decides which way the gradient goes, in the official code as here: PyTorch's
  own gradient norms of MSCADC move by up to 0.2 % when its video is changed by
  1e-7, those of 2 to 5 parameters of 123 by more than 0.1 %. So each figure is
  held against a few videos that differ by rounding, until all but two of each
  kind are within the tolerance. In float64 the gradient norms of a PyTorch
  replica and of this network agree to 2.3e-12.
  """
  # The videos were recorded as the network sees them.
  monkeypatch.setattr(steps, 'normalize', lambda video, flip: video)
  train_step, create_state = _training(network)
  reports = (
    _Report('gradient norms', 1e-3, exceptions=2),
    _Report('losses before three steps', 1e-3),
    _Report('norms of the changes', 1e-2, exceptions=2),
  )
  if network.variables.get('batch_stats'):
    reports += (_Report('running statistics', 1e-4),)
  for nudge in range(_NUDGES):
    # The gradient is that of the first step.
    others_pass = nudge and all(report.passes() for report in reports[1:])
    _compare_steps(
      network,
      train_step,
      create_state(),
      1 if others_pass else 3,
      nudge,
      {report.title: report for report in reports},
    )
    if all(report.passes() for report in reports):
      break
  record_property('measured', f'{nudge + 1} of {_NUDGES} videos needed')
  for report in reports:
    report.record(record_property)
  assert all(report.passes() for report in reports)


def _training(network):
  """Returns the step of the training loop, and what makes its first state."""
  config = network.config.copy_and_resolve_references()
  with config.unlocked():
    config.optimizer.learning_rate = float(network.golden['adam_learning_rate'])
  tx = optimizer.create_optimizer(config.optimizer, 3, 2, 2)
  mesh = sharding.make_mesh(1)
  step = steps.make_train_step(
    network.without_dropout(), tx, config.loss_weights, 0, mesh
  )

  def create_state():
    params = network.variables['params']
    state = TrainState(
      step=jnp.int32(0),
      params=params,
      batch_stats=network.variables.get('batch_stats', {}),
      opt_state=tx.init(params),
    )
    return jax.device_put(state, sharding.replicated(mesh))

  batch = sharding.to_devices(network.batch, mesh)
  compiled = step.lower(create_state(), batch).compile(_AS_USERS_COMPILE)
  return compiled, create_state


def _compare_steps(network, train_step, state, num_steps, nudge, reports):
  golden = network.golden
  gradient_norms = reports['gradient norms']
  video = network.batch['video']
  if nudge:
    noise = np.random.default_rng(nudge).standard_normal(
      video.shape, np.float32
    )
    video = video * (1 + np.float32(1e-7) * noise)
  batch = sharding.to_devices(
    network.batch | {'video': video}, sharding.make_mesh(1)
  )
  for step in range(num_steps):
    state, scalars = train_step(state, batch)
    for ours, theirs in _LOSSES.items():
      recorded = golden[f'step{step}/loss/{theirs}'].squeeze()
      reports['losses before three steps'].compare(
        f'{ours} {step}', scalars[ours], recorded
      )
    if step == 0:
      # Adam's first moment after one step is a tenth of the gradient.
      gradients = _by_official_name(
        {'params': optax.tree.get(jax.device_get(state.opt_state), 'mu')}
      )
  after = _by_official_name(
    jax.device_get({'params': state.params, 'batch_stats': state.batch_stats})
  )
  for name, gradient in gradients.items():
    norm, recorded = 10 * np.linalg.norm(gradient), golden[f'grad_norm/{name}']
    if name in network.without_gradient:
      assert norm < 1e-3 and recorded < 1e-3, name
      continue
    gradient_norms.compare(name, norm, recorded.squeeze())
    if num_steps < 3:
      continue
    change = np.linalg.norm(
      after[name].astype(np.float64) - network.official[name]
    )
    reports['norms of the changes'].compare(
      name, change, golden[f'after3/delta_norm/{name}'].squeeze()
    )
  if num_steps < 3:
    return
  for name, values in after.items():
    if f'after3/buffer/{name}' in golden:
      reports['running statistics'].compare(
        name, values, golden[f'after3/buffer/{name}']
      )


def _by_official_name(variables):
  return {
    '.'.join(official_name(path)): to_official(path, array)
    for path, array in traverse_util.flatten_dict(variables).items()
  }
