"""The optimizer: Adam, as in the paper, or Muon, for training from scratch."""

import jax
import ml_collections
import optax
from optax import contrib

from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

# Embeddings and the layers that give the outputs are not for Muon (Jordan et
# al., 2024); neither are biases and BatchNorm's scales.
_ADAM_LAYERS = (
  'embed',
  'out',
  'final_score',
  'conv3',
  'actions',
  *CLASS_NAMES,
  *(f'conv3_{task}' for task in CLASS_NAMES),
)


def learning_rate_schedule(
  config: ml_collections.ConfigDict, learning_rate: float, num_steps: int
) -> optax.Schedule:
  """Returns the learning rate by step.

  Args:
    config: `config.optimizer`, with schedule ('constant' as in the paper, or
      'cosine' to zero) and warmup_steps (linear, from zero).
    learning_rate: after the warm-up.
    num_steps: steps of the whole training.

  Raises:
    InputError: an unknown schedule.
  """
  warmup = config.warmup_steps
  if config.schedule == 'constant':
    after = optax.constant_schedule(learning_rate)
  elif config.schedule == 'cosine':
    after = optax.cosine_decay_schedule(
      learning_rate, max(num_steps - warmup, 1)
    )
  else:
    raise InputError(
      f"config.optimizer.schedule='{config.schedule}': give 'constant' or "
      "'cosine'."
    )
  if not warmup:
    return after
  ramp = optax.linear_schedule(0.0, learning_rate, warmup)
  return optax.join_schedules([ramp, after], [warmup])


def create_optimizer(
  config: ml_collections.ConfigDict, num_steps: int
) -> optax.GradientTransformation:
  """Returns the optimizer of `config.optimizer`.

  Args:
    config: as for `learning_rate_schedule`, and
      name: 'adam' (beta 0.9 and 0.999, epsilon 1e-8), as in the paper; or
        'muon' for the kernels, with Adam for the rest, both with Nesterov
        momentum.
      learning_rate: Adam's.
      muon_learning_rate: Muon's.
      clip_norm: of the whole gradient; 0 for no clipping.
      weight_decay: AdamW's and Muon's; 0 in the paper.
    num_steps: steps of the whole training.

  Raises:
    InputError: an unknown name or schedule.
  """
  transforms = []
  if config.clip_norm:
    transforms.append(optax.clip_by_global_norm(config.clip_norm))
  schedule = learning_rate_schedule(config, config.learning_rate, num_steps)
  if config.name == 'adam':
    transforms.append(optax.adamw(schedule, weight_decay=config.weight_decay))
  elif config.name == 'muon':
    transforms.append(
      contrib.muon(
        learning_rate_schedule(config, config.muon_learning_rate, num_steps),
        weight_decay=config.weight_decay,
        adam_learning_rate=schedule,
        adam_weight_decay=config.weight_decay,
        muon_weight_dimension_numbers=muon_dimensions,
      )
    )
  else:
    raise InputError(
      f"config.optimizer.name='{config.name}': give 'adam' or 'muon'."
    )
  return optax.chain(*transforms)


def muon_dimensions(params: optax.Params) -> optax.Params:
  """Returns how Muon is to see each parameter as a matrix; None for Adam.

  Args:
    params: of a model of this package.
  """

  def dimensions(path, parameter):
    modules = [key.key for key in path]
    if modules[-1] != 'kernel' or modules[-2] in _ADAM_LAYERS:
      return None
    *reduced, output = range(parameter.ndim)
    if 'gru' in modules:  # [inputs, gate, hidden]: each gate for itself.
      reduced = [0]
    return contrib.MuonDimensionNumbers(tuple(reduced), output)

  return jax.tree_util.tree_map_with_path(dimensions, params)
