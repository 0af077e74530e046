import pathlib
import runpy

import pytest

from aqa_jax.config import check_config, check_values
from aqa_jax.configs import c3davg, mscadc
from aqa_jax.regression import fit
from tfds_mtl_aqa.input_error import InputError

_CONFIGS = sorted((pathlib.Path(__file__).parents[1] / 'configs').rglob('*.py'))


@pytest.mark.parametrize(
  'path', _CONFIGS, ids=lambda path: f'{path.parent.name}-{path.stem}'
)
def test_our_own_configs_pass(path):
  config = runpy.run_path(str(path))['get_config']()
  if 'regressor' in config:
    check_values(config)
    fit.check(config.regressor)
  else:
    check_config(config)


@pytest.mark.parametrize(
  'field, value, remedy',
  [
    ('batch_size', 0, 'give 1 or more'),
    ('eval_batch_size', -1, 'give 1 or more'),
    ('log_steps', 0, 'give 1 or more'),
    ('seed', -1, 'give 0 or more'),
    ('seed', 2**32, 'give less than 2**32'),
    ('validation.seed', -5, 'give 0 or more'),
    ('optimizer.muon_learning_rate', float('nan'), 'give a finite number'),
    ('optimizer.muon_learning_rate', 0.0, 'give more than 0'),
    ('model.initial_score', float('nan'), 'give a finite number'),
    ('test_splits', (1,), "such as ('test',)"),
    ('dataset.vocabulary_size', -1, 'give 0 or more'),
    ('model.width', 0, 'give 1 or more'),
    ('model.caption_length', 1, 'give 2 or more'),
    ('input.resize', ('a', 'b'), 'give whole numbers'),
    ('input.resize', (171.5, 128), 'give whole numbers'),
    ('duration', 'nan epochs', 'such as'),
    ('duration', '-1 epochs', 'such as'),
    ('duration', '3', 'such as'),
    ('duration', '0 steps', 'give more than 0'),
    ('checkpoint_every', '0 examples', 'give more than 0'),
    ('optimizer.warmup', '1 hour', 'such as'),
    ('accumulation', 0, 'give 1 or more'),
    ('max_corrupt_fraction', 1.0, 'a fraction from 0, below 1'),
    ('optimizer.learning_rate', float('inf'), 'give a finite number'),
    ('optimizer.clip_norm', -1.0, 'give 0 or more'),
    ('loss_weights.score', float('nan'), 'give a finite number'),
    ('validation.fraction', float('nan'), 'give a finite number'),
    ('validation.fraction', 1.0, 'a fraction from 0, below 1'),
    ('model.caption_dropout', 2.0, 'a fraction from 0, below 1'),
    ('compute_dtype', 'foo', 'give one of auto, float32, bfloat16'),
    ('init_scope', 'heads', 'give one of everything, backbone'),
  ],
)
def test_what_no_training_can_work_with(field, value, remedy):
  for module in (c3davg, mscadc):
    config = module.get_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError) as error:
      check_config(config)
    assert str(error.value).startswith(f'config.{field}=')
    assert remedy in str(error.value)


@pytest.mark.parametrize('accumulation, groups', [(1, 3), (2, 8)])
def test_parts_of_a_batch_that_statistics_groups_can_not_divide(
  accumulation, groups
):
  config = mscadc.get_config()
  config.batch_size = 8
  config.accumulation = accumulation
  config.model.statistics_groups = groups
  with pytest.raises(InputError) as error:
    check_config(config)
  message = f'config.model.statistics_groups={groups}: config.batch_size=8 '
  if accumulation > 1:
    message += 'in config.accumulation=2 parts '
  assert str(error.value).startswith(message + 'can not be divided')
