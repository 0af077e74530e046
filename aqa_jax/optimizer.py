"""The optimizer: Adam, as in the paper, with what a toy needs besides."""

import ml_collections
import optax

from tfds_mtl_aqa.input_error import InputError


def learning_rate_schedule(
  config: ml_collections.ConfigDict, num_steps: int
) -> optax.Schedule:
  """Returns the learning rate by step.

  Args:
    config: `config.optimizer`, with learning_rate, schedule ('constant' as in
      the paper, or 'cosine' to zero) and warmup_steps (linear, from zero).
    num_steps: steps of the whole training.

  Raises:
    InputError: an unknown schedule.
  """
  warmup = config.warmup_steps
  if config.schedule == 'constant':
    after = optax.constant_schedule(config.learning_rate)
  elif config.schedule == 'cosine':
    after = optax.cosine_decay_schedule(
      config.learning_rate, max(num_steps - warmup, 1)
    )
  else:
    raise InputError(
      f"config.optimizer.schedule='{config.schedule}': give 'constant' or "
      "'cosine'."
    )
  if not warmup:
    return after
  ramp = optax.linear_schedule(0.0, config.learning_rate, warmup)
  return optax.join_schedules([ramp, after], [warmup])


def create_optimizer(
  config: ml_collections.ConfigDict, num_steps: int
) -> optax.GradientTransformation:
  """Returns Adam (beta 0.9 and 0.999, epsilon 1e-8).

  Args:
    config: `config.optimizer`: as for `learning_rate_schedule`, and clip_norm
      (of the whole gradient; 0 for no clipping) and weight_decay (AdamW's; 0 in
      the paper).
    num_steps: steps of the whole training.

  Raises:
    InputError: an unknown schedule.
  """
  schedule = learning_rate_schedule(config, num_steps)
  transforms = []
  if config.clip_norm:
    transforms.append(optax.clip_by_global_norm(config.clip_norm))
  transforms.append(optax.adamw(schedule, weight_decay=config.weight_decay))
  return optax.chain(*transforms)
