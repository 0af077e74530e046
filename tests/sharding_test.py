"""The mesh: the same losses on whatever devices, and nothing moved in vain."""

import functools

import jax
import numpy as np
import optax
import pytest
import steps_test
from dive_tasks import dive_tasks

from aqa_jax import sharding
from aqa_jax.profiling.collectives import find_collectives
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.train_state import create_train_state
from aqa_jax.training import steps

_AXES = ('data', 'clip', 'fsdp')
_BATCH, _FRAMES, _CROP, _LENGTH = 8, 6, 16, 8
# A step of MSCADC takes ten times as long; topologies_test has 20.
_STEPS = {'c3davg': 10, 'mscadc': 5}
_WEIGHTS = {'score': 1.0, 'classes': 1.0, 'captions': 0.01}
# In MSCADC a ReLU or max pool that all but ties soon decides by rounding; small
# steps keep what follows from it small. They move its losses by 1e-3.
_OPTIMIZERS = {'c3davg': optax.adam(1e-4), 'mscadc': optax.adam(2e-6)}


def _model(network, mesh):
  if network == 'c3davg':
    return steps_test._model(
      example_shards=sharding.num_example_shards(mesh),
      clip_shards=mesh.shape['clip'],
    )
  return MSCADC(
    # The head of classes is that of the score, but for its last layer.
    dive_tasks(('score', 'captions'), words=11, length=_LENGTH),
    width=2,
    head_channels=3,
    dropout=0.5,
    conv_impl='stacked_2d',
    caption_length=_LENGTH,
    caption_hidden=8,
    caption_embedding=5,
    caption_dropout=0.5,
  )


def _sizes(network):
  return (_FRAMES, _CROP) if network == 'c3davg' else (12, 24)


def _batch(network):
  frames, crop = _sizes(network)
  shape = (_BATCH, frames, crop, crop, 3)
  video = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
  return steps_test._batch(_BATCH) | {'video': video}


@functools.cache
def _initial_state(network):
  mesh = sharding.make_mesh(1)
  frames, crop = _sizes(network)
  return jax.device_get(
    create_train_state(
      _model(network, mesh),
      _OPTIMIZERS[network],
      0,
      (frames, crop, crop, 3),
      _LENGTH,
      mesh,
    )
  )


@functools.cache
def _losses(network, data, clip, fsdp):
  """Returns the losses of some steps, and the program of a step."""
  mesh = sharding.make_mesh(data, clip, fsdp)
  step = steps.make_train_step(
    _model(network, mesh), _OPTIMIZERS[network], _WEIGHTS, 0, mesh
  )
  state = _initial_state(network)
  state = jax.device_put(state, sharding.state_sharding(mesh, state))
  batch = sharding.shard(_batch(network), mesh)
  compiled = step.lower(state, batch).compile()
  rows = []
  for _ in range(_STEPS[network]):
    state, scalars = compiled(state, batch)
    del scalars['gradient_norm']  # No loss; rounding shows more in it.
    rows.append([float(scalars[name]) for name in sorted(scalars)])
  return np.array(rows), compiled.as_text()


@pytest.mark.parametrize(
  'network, data, clip, fsdp',
  [
    ('c3davg', 8, 1, 1),
    ('c3davg', 2, 3, 1),
    ('c3davg', 1, 1, 4),
    ('c3davg', 1, 3, 2),
    ('mscadc', 8, 1, 1),
    ('mscadc', 2, 1, 4),
  ],
)
def test_the_same_losses_on_other_devices(network, data, clip, fsdp):
  one, _ = _losses(network, 1, 1, 1)
  many, _ = _losses(network, data, clip, fsdp)
  assert len(np.unique(one, axis=0)) == _STEPS[network]
  np.testing.assert_allclose(many, one, rtol=1e-5)


@pytest.mark.parametrize(
  'devices, clip, fsdp',
  [
    (8, 6, 1),
    (8, 3, 1),
    (4, 6, 1),
    (4, 3, 1),
    (2, 1, 2),
    (8, 2, 3),
    (8, 2, 2),
    (6, 1, 1),
  ],
)
def test_every_process_loads_the_rows_of_its_devices(
  monkeypatch, devices, clip, fsdp
):
  """24 devices, here all of one process, as if several had some each."""
  mesh = jax.sharding.AbstractMesh((24 // clip // fsdp, clip, fsdp), _AXES)
  rows = np.arange(mesh.shape['data'] * fsdp)
  # [data, clip, fsdp]: the row of each device.
  of_device = np.broadcast_to(
    rows.reshape(-1, 1, fsdp), (mesh.shape['data'], clip, fsdp)
  ).reshape(-1)
  for first in range(0, 24, devices):
    own = of_device[first : first + devices]
    monkeypatch.setattr(
      jax.sharding.NamedSharding,
      'addressable_devices_indices_map',
      lambda self, shape, own=own: {
        i: (slice(row, row + 1),) for i, row in enumerate(own)
      },
    )
    part, parts = sharding.batch_part(mesh)
    (loaded,) = np.split(rows, parts)[part : part + 1]
    assert set(own) <= set(loaded)


def _bytes_sent(network, data, clip, fsdp):
  """Returns the bytes of a step's collectives by kind, and the parameters'."""
  _, program = _losses(network, data, clip, fsdp)
  sent = {}
  for collective in find_collectives(program):
    sent[collective.kind] = sent.get(collective.kind, 0) + collective.num_bytes
  leaves = jax.tree.leaves(_initial_state(network).params)
  return sent, sum(leaf.nbytes for leaf in leaves)


@pytest.mark.parametrize('network', ['c3davg', 'mscadc'])
def test_data_parallel_training_sums_gradients_and_moves_no_activations(
  network,
):
  sent, of_params = _bytes_sent(network, 8, 1, 1)
  # MSCADC's padding of an empty border passes some zeros on.
  assert sent.pop('collective-permute', 0) < 1024
  assert set(sent) == {'all-reduce'}
  # Besides the gradients there are BatchNorm's sums, and losses. The kernels of
  # convolutions are summed tap by tap in a loop here, which is counted once.
  features = jax.tree.leaves(_initial_state(network).batch_stats)
  of_statistics = sum(leaf.nbytes for leaf in features)
  assert 0 < sent['all-reduce'] <= of_params + 8 * of_statistics + 200


def test_fsdp_gathers_no_more_than_the_parameters():
  sent, of_params = _bytes_sent('c3davg', 1, 1, 4)
  assert sent['all-gather'] <= of_params + _BATCH * 2 * 4
