"""The tasks that a config chooses."""

import pytest

from aqa_jax.tasks.chosen_tasks import chosen_classes
from tfds_mtl_aqa.input_error import InputError


def test_tasks_in_any_order(tiny_config):
  tiny_config.tasks = 'captions , score'
  names = [task.name for task in chosen_classes(tiny_config)]
  assert names == ['score', 'captions']


@pytest.mark.parametrize(
  'tasks',
  [
    'classes',
    'score,caption',
    '',
    'score,score',
    'score,json:dumps',
    'score,a:b',
  ],
)
def test_tasks_that_can_not_be(tiny_config, tasks):
  tiny_config.tasks = tasks
  with pytest.raises(InputError, match='config.tasks='):
    chosen_classes(tiny_config)
