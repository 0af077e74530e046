"""A training that others repeat: on several devices, at another time."""

import json
import shutil
import time

import pytest

from aqa_jax import train
from aqa_jax.configs import quickstart
from aqa_jax.training import preemption

# The seventh of them is the last before other devices go on.
_STEPS = 12


def _for_devices(overrides, **mesh):
  """Returns a config of some steps for a mesh."""
  fields = {f'mesh.{name}': size for name, size in mesh.items()}
  steps = f'{_STEPS} steps'
  fields = {'duration': steps, 'checkpoint_every': steps} | fields
  config = quickstart.get_config()
  config.update_from_flattened_dict(overrides | fields)
  return config


def _losses(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [
    {k: v for k, v in line.items() if k != 'train/gradient_norm'}
    for line in map(json.loads, text.splitlines())
    if 'train/loss' in line
  ]


@pytest.fixture(name='on_one_device', scope='module')
def fixture_on_one_device(tmp_path_factory, tiny_overrides):
  """Workdirs of some steps on one device: whole, and ended at the seventh."""
  folder = tmp_path_factory.mktemp('on_one_device')
  config = _for_devices(tiny_overrides, data=1)
  train.train_and_evaluate(config, folder / 'whole')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(preemption.Notice, 'has_come', lambda self, step: step == 7)
    with pytest.raises(preemption.PreemptedError, match='step 7 is saved'):
      train.train_and_evaluate(config, folder / 'ended')
  return folder


def _assert_same_losses(workdir, other, count):
  losses = _losses(workdir)
  assert [line['step'] for line in losses] == list(range(1, count + 1))
  for line, expected in zip(losses, _losses(other), strict=False):
    assert line == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('axes', [{'data': 8}, {'data': 2, 'fsdp': 4}])
def test_going_on_with_other_devices(
  tmp_path, tiny_overrides, on_one_device, axes
):
  """The checkpoint of one device, on eight: the same losses."""
  workdir = tmp_path / 'ended'
  shutil.copytree(on_one_device / 'ended', workdir)
  train.train_and_evaluate(_for_devices(tiny_overrides, **axes), workdir)
  _assert_same_losses(workdir, on_one_device / 'whole', _STEPS)


def test_clips_and_parameters_in_parts_get_to_the_report(
  tmp_path, tiny_overrides, on_one_device
):
  """2 x 2 devices, from the first step on; BatchNorm spans the clips."""
  config = _for_devices(tiny_overrides, data=1, clip=2, fsdp=2)
  config.duration = '3 steps'
  train.train_and_evaluate(config, tmp_path)
  _assert_same_losses(tmp_path, on_one_device / 'whole', 3)
  assert (tmp_path / 'report_test.html').exists()


def test_a_clock_that_is_set_back(
  tmp_path, tiny_overrides, on_one_device, monkeypatch
):
  """A day earlier from the second start on: as if it had not been."""
  whole, workdir = on_one_device / 'whole', tmp_path / 'ended'
  shutil.copytree(on_one_device / 'ended', workdir)
  right = time.time
  monkeypatch.setattr(time, 'time', lambda: right() - 86400)
  train.train_and_evaluate(_for_devices(tiny_overrides, data=1), workdir)
  for name in ('metrics.jsonl', 'predictions_test.csv'):
    assert (workdir / name).read_bytes() == (whole / name).read_bytes()
