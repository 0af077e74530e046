"""Checks of a config before a training begins."""

import math

import ml_collections
from flax import traverse_util

from aqa_jax import duration
from aqa_jax.weights.pretrained import SCOPES
from tfds_mtl_aqa.input_error import InputError

# Field -> its smallest value. A network need not have every field.
_LEAST = {
  'batch_size': 1,
  'accumulation': 1,
  'eval_batch_size': 1,
  'log_steps': 1,
  'max_non_finite': 1,
  'profile': 0,
  'seed': 0,
  'validation.seed': 0,
  'dataset.vocabulary_size': 0,
  'model.width': 1,
  'model.kernel': 1,
  'model.hidden': 1,
  'model.lstm_deviation': 0,
  'model.fc1_deviation': 0,
  'model.score_unit': 0,
  'model.head_channels': 1,
  'model.channels': 1,
  'model.clips': 1,
  'model.fc6': 1,
  'model.caption_length': 2,
  'model.caption_hidden': 1,
  'model.caption_embedding': 1,
  'model.caption_layers': 1,
  'model.caption_heads': 1,
  'model.caption_beams': 1,
  'model.statistics_groups': 1,
  'heads.exemplars': 1,
  'heads.votes': 1,
  'heads.units': 1,
  'optimizer.reference_batch_size': 1,
  'optimizer.clip_norm': 0,
  'optimizer.weight_decay': 0,
  'optimizer.trunk_factor': 0,
  'progress_seconds': 0,
}
_DURATIONS = ('duration', 'checkpoint_every', 'optimizer.warmup')
_POSITIVE = ('optimizer.learning_rate', 'optimizer.muon_learning_rate')
# Random keys are made of 32 bits.
_SEEDS = ('seed', 'validation.seed')
_FRACTIONS = (
  'validation.fraction',
  'model.dropout',
  'model.caption_dropout',
  'max_corrupt_fraction',
)
# Lists of whole numbers.
_WHOLE = (
  'input.resize',
  'features.resize',
  'model.nodes',
  'heads.hidden',
)
_DTYPES = ('auto', 'float32', 'bfloat16')


def check_values(config: ml_collections.ConfigDict) -> None:
  """Checks the numbers and splits of a config, also of a regression's.

  Args:
    config: one of `configs/`.

  Raises:
    InputError: naming the first field that is wrong.
  """
  flat = traverse_util.flatten_dict(config.to_dict(), sep='.')
  for name, value in flat.items():
    if isinstance(value, float) and not math.isfinite(value):
      raise InputError(f'config.{name}={value}: give a finite number.')
  for split in flat.get('test_splits', ()):
    if not isinstance(split, str):
      raise InputError(
        f'config.test_splits={flat["test_splits"]}: give names of splits, such '
        "as ('test',)."
      )
  for name, least in _LEAST.items():
    if name in flat and flat[name] < least:
      raise InputError(f'config.{name}={flat[name]}: give {least} or more.')
  for name in _WHOLE:
    if not all(isinstance(number, int) for number in flat.get(name, ())):
      raise InputError(f'config.{name}={flat[name]}: give whole numbers.')
  for name in _SEEDS:
    if name in flat and flat[name] >= 2**32:
      raise InputError(f'config.{name}={flat[name]}: give less than 2**32.')


def check_config(config: ml_collections.ConfigDict) -> None:
  """Checks what can be checked of a training's config without the dataset.

  Args:
    config: one of `configs/`.

  Raises:
    InputError: naming the first field that is wrong.
  """
  check_values(config)
  flat = traverse_util.flatten_dict(config.to_dict(), sep='.')
  for name, value in flat.items():
    if name.startswith('loss_weights.') and value < 0:
      raise InputError(f'config.{name}={value}: give 0 or more.')
  for name in _DURATIONS:
    number, unit = duration.parse(flat[name], name)
    if not number and name != 'optimizer.warmup':
      raise InputError(
        f"config.{name}='{flat[name]}': give more than 0 {unit}s."
      )
  for name in _POSITIVE:
    if name in flat and flat[name] <= 0:
      raise InputError(f'config.{name}={flat[name]}: give more than 0.')
  for name in _FRACTIONS:
    if name in flat and not 0 <= flat[name] < 1:
      raise InputError(
        f'config.{name}={flat[name]}: give a fraction from 0, below 1.'
      )
  for name, choices in (('compute_dtype', _DTYPES), ('init_scope', SCOPES)):
    if name in flat and flat[name] not in choices:
      raise InputError(
        f"config.{name}='{flat[name]}': give one of {', '.join(choices)}."
      )
  groups = flat.get('model.statistics_groups', 1)
  if config.batch_size // config.accumulation % groups:
    parts = f'config.batch_size={config.batch_size}'
    if config.accumulation > 1:
      parts += f' in config.accumulation={config.accumulation} parts'
    raise InputError(
      f'config.model.statistics_groups={groups}: {parts} can not be divided by '
      'it; change one of them.'
    )
