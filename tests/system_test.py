"""How a system makes its network, and in which dtype."""

import types

import jax
import numpy as np
import pytest
from dive_tasks import dive_tasks

from aqa_jax.system import with_compute_dtype
from aqa_jax.systems.chosen_system import chosen_system
from tfds_mtl_aqa.input_error import InputError


@pytest.mark.parametrize(
  'platform, dtype',
  [('cpu', 'float32'), ('gpu', 'bfloat16'), ('tpu', 'bfloat16')],
)
def test_what_auto_stands_for(tiny_config, platform, dtype):
  config = with_compute_dtype(tiny_config, platform, None)
  assert config.compute_dtype == dtype
  assert tiny_config.compute_dtype == 'auto'
  tiny_config.compute_dtype = 'float32'
  for recorded in (None, {'compute_dtype': 'bfloat16'}):
    config = with_compute_dtype(tiny_config, platform, recorded)
    assert config.compute_dtype == 'float32'


def test_frames_that_can_not_be_cut_into_clips(tiny_config):
  tiny_config.input.frames = 17
  with pytest.raises(InputError, match='config.input.frames=17 can not be cut'):
    chosen_system('c3davg').create_network(tiny_config, dive_tasks())


@pytest.mark.parametrize(
  'capabilities, dtype, conv_impl',
  [
    (('9.0',), 'bfloat16', 'hopper'),
    (('9.0',), 'auto', 'hopper'),
    (('9.0',), 'float32', 'stacked_2d'),
    (('8.0',), 'bfloat16', 'stacked_2d'),
    (('10.0',), 'bfloat16', 'stacked_2d'),
    # Kernels are not spread over several.
    (('9.0', '9.0'), 'bfloat16', 'stacked_2d'),
  ],
)
@pytest.mark.parametrize('has_mesh', [True, False])
def test_convolutions_of_a_gpu(
  tiny_config, monkeypatch, capabilities, dtype, conv_impl, has_mesh
):
  devices = [
    types.SimpleNamespace(platform='gpu', compute_capability=capability)
    for capability in capabilities
  ]
  mesh = None
  if has_mesh:
    mesh = types.SimpleNamespace(
      devices=np.array(devices).reshape(-1, 1, 1),
      shape={'data': len(devices), 'clip': 1, 'fsdp': 1},
    )
  else:
    monkeypatch.setattr(jax, 'devices', lambda: devices)
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  tiny_config.compute_dtype = dtype
  network = chosen_system('c3davg').create_network(
    tiny_config, dive_tasks(), mesh
  )
  assert network.conv_impl == conv_impl


def test_convolutions_of_other_devices(tiny_config):
  tiny_config.compute_dtype = 'bfloat16'
  network = chosen_system('c3davg').create_network(tiny_config, dive_tasks())
  assert network.conv_impl == 'stacked_2d'
