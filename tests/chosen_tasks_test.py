"""The tasks that a config chooses."""

import pytest

from aqa_jax.tasks.chosen_tasks import chosen_classes, measure_to_choose_by
from tfds_mtl_aqa.input_error import InputError


def test_tasks_in_any_order(tiny_config):
  tiny_config.tasks = 'captions , score'
  names = [task.name for task in chosen_classes(tiny_config)]
  assert names == ['score', 'captions']


@pytest.mark.parametrize(
  'tasks, measure',
  [
    ('captions,classes,score', 'spearman'),
    ('captions,classes', 'mean_accuracy'),
    ('classes', 'mean_accuracy'),
    ('splash_task:SplashTask,classes', 'mean_accuracy'),
    ('captions,scoreless_test:ChoosingSplash', 'splash_spearman'),
  ],
)
def test_what_chooses_the_checkpoint(tiny_config, tasks, measure):
  tiny_config.tasks = tasks
  assert measure_to_choose_by(chosen_classes(tiny_config)) == measure


@pytest.mark.parametrize(
  'tasks',
  [
    'captions',
    'splash_task:SplashTask',
    'score,caption',
    '',
    'score,score',
    'score,json:dumps',
    'score,a:b',
    'score,ranked_score',
  ],
)
def test_tasks_that_can_not_be(tiny_config, tasks):
  tiny_config.tasks = tasks
  with pytest.raises(InputError, match='config.tasks='):
    chosen_classes(tiny_config)
