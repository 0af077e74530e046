import contextlib
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aqa_jax import sharding
from aqa_jax.configs import c3d_svr, quickstart
from aqa_jax.train_state import TrainState
from aqa_jax.weights.checkpoint import Checkpoints, read_best
from aqa_jax.workdir import check_workdir, local_folder
from tfds_mtl_aqa.input_error import InputError


def _state(step, value=0.0, devices=8):
  params = {'a': {'kernel': value + jnp.arange(6.0).reshape(2, 3)}}
  state = TrainState(
    step=jnp.int32(step),
    params=params,
    batch_stats={'mean': jnp.full(3, value)},
    opt_state=optax.adamw(1e-3).init(params),
  )
  mesh = sharding.make_mesh(devices)
  return jax.device_put(state, sharding.replicated(mesh))


def _assert_same(state, other):
  jax.tree.map(np.testing.assert_array_equal, state, other)


def test_a_new_workdir_has_no_checkpoint(tmp_path):
  checkpoints = Checkpoints(tmp_path)
  assert checkpoints.latest_step() is None
  assert checkpoints.best_step() is None
  assert checkpoints.best_value() is None
  for restore in (checkpoints.restore_latest, checkpoints.restore_best):
    with pytest.raises(InputError, match='holds no checkpoint; train first'):
      restore(_state(0))
  checkpoints.close()
  with pytest.raises(InputError, match='let the training go on'):
    read_best(tmp_path)


def test_what_is_saved_comes_back_after_a_restart(tmp_path):
  checkpoints = Checkpoints(tmp_path)
  for step in (2, 4, 6):
    checkpoints.save(_state(step, value=step))
  checkpoints.save_best(_state(4, value=4), 0.25)
  checkpoints.close()
  checkpoints = Checkpoints(tmp_path)
  assert checkpoints.latest_step() == 6
  assert checkpoints.best_step() == 4
  assert checkpoints.best_value() == 0.25
  # The values of the template are not used.
  _assert_same(checkpoints.restore_latest(_state(0)), _state(6, value=6))
  _assert_same(checkpoints.restore_best(_state(0)), _state(4, value=4))
  checkpoints.close()
  kept = sorted(
    int(p.name) for p in (tmp_path / 'checkpoints').iterdir() if p.is_dir()
  )
  assert kept == [4, 6]


@pytest.mark.parametrize('devices', [1, 8])
def test_steps_go_on_while_it_is_saved(tmp_path, devices):
  """The next step takes the buffers of the state that is being written."""
  mesh = sharding.make_mesh(devices)
  large = jax.device_put(jnp.arange(2.0**22), sharding.replicated(mesh))
  state = _state(1, devices=devices).replace(params={'large': large})
  expected = jax.device_get(state)
  step = jax.jit(
    lambda state: jax.tree.map(lambda leaf: leaf + 1, state), donate_argnums=0
  )
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(state)
  for _ in range(3):
    state = step(state)
  jax.block_until_ready(state)
  checkpoints.wait()
  assert not checkpoints.is_saving()
  _assert_same(checkpoints.restore_latest(state), expected)
  checkpoints.close()


def test_a_better_one_takes_the_place_of_the_best(tmp_path):
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save_best(_state(2, value=2), 0.5)
  checkpoints.save_best(_state(4, value=4), 0.75)
  assert (checkpoints.best_step(), checkpoints.best_value()) == (4, 0.75)
  _assert_same(checkpoints.restore_best(_state(0)), _state(4, value=4))
  checkpoints.close()


def test_one_with_other_parts_is_refused(tmp_path):
  """As of an optimizer that treats other layers apart."""
  params = _state(0).params
  masked = optax.masked(optax.sgd(1.0, momentum=0.9), {'a': {'kernel': False}})
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(_state(2))
  checkpoints.close()
  # As the next start sees it.
  checkpoints = Checkpoints(tmp_path)
  other = _state(0).replace(opt_state=masked.init(params))
  with pytest.raises(InputError, match=r'checkpoints/2: has other parts'):
    checkpoints.restore_latest(other)
  checkpoints.close()


@pytest.mark.parametrize(
  ('name', 'is_the_same'),
  [('dives/1.0.0', True), ('dives/1.2.0', True), ('dives/2.0.0', False)],
)
def test_versions_that_add_features_are_the_same_data(
  name, is_the_same, tmp_path
):
  def opened(dataset):
    return Checkpoints(
      tmp_path, {'dataset': {'name': dataset, 'training dives': 3}}
    )

  with contextlib.closing(opened('dives/1.1.0')) as checkpoints:
    checkpoints.save(_state(2))
  with contextlib.closing(opened(name)) as checkpoints:
    if is_the_same:
      _assert_same(checkpoints.restore_latest(_state(0)), _state(2))
      return
    with pytest.raises(InputError, match="dives/1' there, .*dives/2'"):
      checkpoints.restore_latest(_state(0))


def test_other_devices_can_go_on(tmp_path):
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(_state(2, value=1.5, devices=8))
  template = _state(0, devices=2)
  restored = checkpoints.restore_latest(template)
  checkpoints.close()
  _assert_same(restored, _state(2, value=1.5, devices=2))
  for leaf, like in zip(
    jax.tree.leaves(restored), jax.tree.leaves(template), strict=True
  ):
    assert leaf.sharding == like.sharding


def test_half_a_checkpoint_is_not_taken(tmp_path):
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(_state(2))
  checkpoints.close()
  # As a kill leaves it: Orbax renames a folder once it is whole.
  half = tmp_path / 'checkpoints/4.orbax-checkpoint-tmp'
  half.mkdir()
  (half / 'state').mkdir()
  checkpoints = Checkpoints(tmp_path)
  assert checkpoints.latest_step() == 2
  checkpoints.close()


@pytest.mark.parametrize(
  'damage', [lambda path: path.write_bytes(b'\0'), lambda path: path.unlink()]
)
def test_a_damaged_one_is_named_and_the_earlier_is_left(tmp_path, damage):
  checkpoints = Checkpoints(tmp_path)
  for step in (2, 4):
    checkpoints.save(_state(step, value=step))
  checkpoints.close()
  newest = tmp_path / 'checkpoints/4'
  for path in (newest / 'state').rglob('*'):
    if path.is_file():
      damage(path)
  checkpoints = Checkpoints(tmp_path)
  with pytest.raises(InputError) as error:
    checkpoints.restore_latest(_state(0))
  checkpoints.close()
  assert str(error.value).startswith(f'{newest}: the checkpoint is damaged (')
  assert str(error.value).endswith('remove that folder to go on from step 2.')
  assert len(str(error.value).splitlines()) == 1
  shutil.rmtree(newest)
  checkpoints = Checkpoints(tmp_path)
  _assert_same(checkpoints.restore_latest(_state(0)), _state(2, value=2))
  checkpoints.close()


@pytest.mark.parametrize('name', ['_METADATA', '*'])
@pytest.mark.parametrize(
  'damage', [lambda path: path.write_bytes(b'\0'), lambda path: path.unlink()]
)
def test_a_damaged_best_one_is_named(tmp_path, name, damage):
  """To begin another training with."""
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save_best(_state(2), 0.5)
  checkpoints.close()
  variables, step = read_best(tmp_path)
  assert step == 2
  _assert_same(variables['params'], _state(2).params)
  damaged = [p for p in (tmp_path / 'best/2/state').rglob(name) if p.is_file()]
  assert damaged
  for path in damaged:
    damage(path)
  with pytest.raises(InputError, match='best/2: the checkpoint is damaged'):
    read_best(tmp_path)


def _config(**changes):
  config = quickstart.get_config()
  config.update_from_flattened_dict(changes)
  return config.to_dict()


def _begin(workdir):
  """Leaves behind what a training with a checkpoint does."""
  check_workdir(workdir, _config())
  (workdir / 'checkpoints/3').mkdir(parents=True)


def test_a_start_without_a_checkpoint_binds_nobody(tmp_path):
  check_workdir(tmp_path, _config())
  (tmp_path / 'checkpoints').mkdir()
  check_workdir(tmp_path, _config(seed=5))
  recorded = json.loads((tmp_path / 'config.json').read_text())
  assert recorded['seed'] == 5
  (tmp_path / 'best/2').mkdir(parents=True)
  with pytest.raises(InputError, match='seed: 5 there, 0 now'):
    check_workdir(tmp_path, _config())


def test_a_home_folder(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  assert local_folder('workdir', '~/run') == tmp_path / 'run'


def test_a_workdir_remembers_its_config(tmp_path):
  workdir = tmp_path / 'a/b'
  check_workdir(workdir, _config())
  recorded = json.loads((workdir / 'config.json').read_text())
  assert recorded['model']['width'] == _config()['model']['width']
  check_workdir(workdir, _config())


@pytest.mark.parametrize(
  'changes',
  [
    {'dataset.data_dir': '/elsewhere'},
    {'mesh.data': 2},
    {'progress_seconds': 1.0},
    {'tensorboard': False},
    {'test_splits': ('test', 'test_shared_events')},
  ],
)
def test_what_may_change(tmp_path, changes):
  _begin(tmp_path)
  check_workdir(tmp_path, _config(**changes))


def test_what_must_not_change(tmp_path):
  _begin(tmp_path)
  with pytest.raises(InputError) as error:
    check_workdir(tmp_path, _config(**{'seed': 5, 'model.width': 9}))
  width = _config()['model']['width']
  assert (
    f'another config (model.width: {width} there, 9 now; seed: 0 there, 5 now)'
    in str(error.value)
  )


def test_a_quite_other_config_is_told_in_short(tmp_path):
  _begin(tmp_path)
  config = c3d_svr.get_config().to_dict()
  with pytest.raises(InputError, match=r'and \d\d more fields\); ') as error:
    check_workdir(tmp_path, config)
  assert len(str(error.value)) < 700


def test_a_workdir_that_is_a_file(tmp_path):
  path = tmp_path / 'file'
  path.write_text('')
  with pytest.raises(InputError, match=f'--workdir={path}: '):
    check_workdir(path, _config())
  with pytest.raises(InputError, match=f'--workdir={path}/below: '):
    check_workdir(path / 'below', _config())


@pytest.mark.parametrize(
  'content', [b'{"seed": ', b'', b'\xff\xfe', b'[]', b'3', b'{}', b'null']
)
def test_a_damaged_config(tmp_path, content):
  (tmp_path / 'config.json').write_bytes(content)
  with pytest.raises(InputError, match='config.json: is damaged'):
    check_workdir(tmp_path, _config())


def test_only_who_trains_removes_what_is_half_saved(tmp_path):
  """Another start in the workdir, or an evaluation, leaves a save alone."""
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(_state(2))
  checkpoints.wait()
  half = tmp_path / 'checkpoints/4.orbax-checkpoint-tmp'
  (half / 'state').mkdir(parents=True)
  other = Checkpoints(tmp_path)
  assert other.latest_step() == 2
  other.close()
  assert half.exists()
  checkpoints.clean_up()
  assert not half.exists()
  checkpoints.save(_state(4, value=1.0))
  _assert_same(checkpoints.restore_latest(_state(0)), _state(4, value=1.0))
  checkpoints.close()
