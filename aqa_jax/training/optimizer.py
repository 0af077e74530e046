"""The optimizer: Adam, as in the paper; Muon, from scratch; or RMSprop."""

import functools
import math
from collections.abc import Collection

import jax
import ml_collections
import optax
from optax import contrib

from aqa_jax import duration
from tfds_mtl_aqa.input_error import InputError

# The modules of the trunks, in the networks that see videos.
_TRUNKS = ('c3d', 'i3d')


def scaled(
  config: ml_collections.ConfigDict, learning_rate: float, batch_size: int
) -> float:
  """Returns the learning rate for a batch of another size.

  Args:
    config: `config.optimizer`, with scaling: 'none'; 'linear', in proportion to
      the batch (Goyal et al., 2017; made for SGD); or 'sqrt', to its root
      (Krizhevsky, 2014; for Adam, Malladi et al., 2022); and
      reference_batch_size, for which the config's learning rates are.
    learning_rate: learning rate for reference_batch_size.
    batch_size: examples of a training step.

  Raises:
    InputError: the rule is unknown.
  """
  ratio = batch_size / config.reference_batch_size
  rules = {'none': 1.0, 'linear': ratio, 'sqrt': math.sqrt(ratio)}
  if config.scaling not in rules:
    raise InputError(
      f"config.optimizer.scaling='{config.scaling}': give {', '.join(rules)}."
    )
  return learning_rate * rules[config.scaling]


def learning_rate_schedule(
  config: ml_collections.ConfigDict,
  learning_rate: float,
  num_steps: int,
  warmup: int,
) -> optax.Schedule:
  """Returns the learning rate by step.

  Args:
    config: `config.optimizer`, with schedule: 'constant', as in the paper;
      'cosine', to zero; or 'halved', half of it in the second half.
    learning_rate: after the warm-up.
    num_steps: steps of the whole training.
    warmup: steps of a linear rise from zero.

  Raises:
    InputError: the schedule is unknown.
  """
  if config.schedule == 'constant':
    after = optax.constant_schedule(learning_rate)
  elif config.schedule == 'cosine':
    after = optax.cosine_decay_schedule(
      learning_rate, max(num_steps - warmup, 1)
    )
  elif config.schedule == 'halved':
    after = optax.piecewise_constant_schedule(
      learning_rate, {max(num_steps // 2 - warmup, 0): 0.5}
    )
  else:
    raise InputError(
      f"config.optimizer.schedule='{config.schedule}': give 'constant', "
      "'cosine' or 'halved'."
    )
  if not warmup:
    return after
  ramp = optax.linear_schedule(0.0, learning_rate, warmup)
  return optax.join_schedules([ramp, after], [warmup])


def create_optimizer(
  config: ml_collections.ConfigDict,
  num_steps: int,
  batch_size: int,
  num_examples: int,
  output_layers: Collection[tuple[str, ...]] = (),
) -> optax.GradientTransformation:
  """Returns the optimizer of `config.optimizer`.

  Args:
    config: the fields of `scaled` and `learning_rate_schedule`, and
      warmup: duration of a linear rise of the learning rate from zero.
      name: 'adam' (beta 0.9 and 0.999, epsilon 1e-8), as in the paper; or
        'muon' for the kernels, with Adam for the rest, both with Nesterov
        momentum; or 'rmsprop' (decay 0.9, epsilon 1e-8), as Keras has it.
      learning_rate: Adam's and RMSprop's.
      muon_learning_rate: Muon's.
      clip_norm: largest norm of the whole gradient; 0 for no clipping.
      weight_decay: decoupled, as AdamW's; 0 in the paper.
      trunk_factor: of the trunk's updates, of every optimizer; 1 where the
        config does not have it.
    num_steps: steps of the whole training.
    batch_size: examples of a step.
    num_examples: examples of an epoch.
    output_layers: paths of the modules that Adam trains even with Muon: the
      output layers and the embeddings.

  Raises:
    InputError: a name, schedule or rule is unknown, or `warmup` is no duration.
  """
  warmup = duration.to_steps(
    config.warmup, 'optimizer.warmup', batch_size, num_examples
  )

  def schedule_of(learning_rate: float) -> optax.Schedule:
    return learning_rate_schedule(
      config, scaled(config, learning_rate, batch_size), num_steps, warmup
    )

  transforms = []
  if config.clip_norm:
    transforms.append(optax.clip_by_global_norm(config.clip_norm))
  schedule = schedule_of(config.learning_rate)
  if config.name == 'adam':
    transforms.append(optax.adamw(schedule, weight_decay=config.weight_decay))
  elif config.name == 'rmsprop':
    transforms += [
      optax.scale_by_rms(decay=0.9, eps=1e-8, eps_in_sqrt=False),
      optax.add_decayed_weights(config.weight_decay),
      optax.scale_by_learning_rate(schedule),
    ]
  elif config.name == 'muon':
    transforms.append(
      contrib.muon(
        schedule_of(config.muon_learning_rate),
        weight_decay=config.weight_decay,
        adam_learning_rate=schedule,
        adam_weight_decay=config.weight_decay,
        muon_weight_dimension_numbers=functools.partial(
          muon_dimensions, output_layers=frozenset(output_layers)
        ),
      )
    )
  else:
    raise InputError(
      f"config.optimizer.name='{config.name}': give 'adam', 'muon' or "
      "'rmsprop'."
    )
  trunk_factor = config.get('trunk_factor', 1.0)
  if trunk_factor != 1.0:
    transforms.append(optax.masked(optax.scale(trunk_factor), _is_trunk))
  return optax.chain(*transforms)


def _is_trunk(params: optax.Params) -> dict[str, bool]:
  """Returns which modules of a network are its trunk."""
  return {name: name in _TRUNKS for name in params}


def muon_dimensions(
  params: optax.Params, output_layers: Collection[tuple[str, ...]]
) -> optax.Params:
  """Returns for each parameter the axes of Muon's matrix; None for Adam.

  Embeddings and the layers that give the outputs are not for Muon (Jordan et
  al., 2024); neither are biases and BatchNorm's scales.

  Args:
    params: parameters of a model of this package.
    output_layers: see `create_optimizer`.
  """

  def dimensions(
    path: tuple[jax.tree_util.DictKey, ...], parameter: jax.Array
  ) -> contrib.MuonDimensionNumbers | None:
    modules = [key.key for key in path]
    if modules[-1] != 'kernel' or tuple(modules[:-1]) in output_layers:
      return None
    *reduced, output = range(parameter.ndim)
    if 'gru' in modules:  # [inputs, gate, hidden]: each gate is a matrix.
      reduced = [0]
    return contrib.MuonDimensionNumbers(tuple(reduced), output)

  return jax.tree_util.tree_map_with_path(dimensions, params)
