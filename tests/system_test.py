"""How a system makes its network, and in which dtype."""

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
