"""What training carries from step to step."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from aqa_jax import sharding

# Module -> ... -> leaf -> array.
Variables = dict[str, Any]


class TrainState(flax.struct.PyTreeNode):
  """All that a checkpoint holds of a training.

  There is no random key in it: seed and step give the key of each step.

  Attributes:
    step: int32 [], steps done.
    params: parameters of the model.
    batch_stats: BatchNorm's running statistics; empty without BatchNorm.
    opt_state: state of the optimizer.
  """

  step: jax.Array
  params: Variables
  batch_stats: Variables
  opt_state: optax.OptState


def _initializer(
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  input_shape: tuple[int, ...],
  caption_length: int,
) -> Callable[[jax.Array], TrainState]:
  def initialize(key: jax.Array) -> TrainState:
    variables = model.init(
      key,
      jnp.zeros((1, *input_shape), jnp.float32),
      jnp.zeros((1, caption_length), jnp.int32),
    )
    return TrainState(
      step=jnp.zeros((), jnp.int32),
      params=variables['params'],
      batch_stats=variables.get('batch_stats', {}),
      opt_state=optimizer.init(variables['params']),
    )

  return initialize


def abstract_train_state(
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  input_shape: tuple[int, ...],
  caption_length: int,
) -> TrainState:
  """Returns the shapes and dtypes of a state; computes nothing.

  Args:
    model: network to train.
    optimizer: optimizer of its parameters.
    input_shape: shape of what the network sees of an example.
    caption_length: tokens of a padded caption.
  """
  initialize = _initializer(model, optimizer, input_shape, caption_length)
  return jax.eval_shape(initialize, jax.random.key(0))


def create_train_state(
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  seed: int,
  input_shape: tuple[int, ...],
  caption_length: int,
  mesh: Mesh,
) -> TrainState:
  """Returns the state before the first step, made on the mesh.

  Args:
    model: network to train.
    optimizer: optimizer of its parameters.
    seed: seed of the parameters.
    input_shape: shape of what the network sees of an example.
    caption_length: tokens of a padded caption.
    mesh: mesh of devices, over which `sharding.state_sharding` spreads it.
  """
  initialize = _initializer(model, optimizer, input_shape, caption_length)
  key = jax.random.key(seed)
  shardings = sharding.state_sharding(mesh, jax.eval_shape(initialize, key))
  options = {}
  disabled = jax.config.read('jax_disable_most_optimizations')
  if sharding.platform(mesh) == 'cpu' and not disabled:
    # It runs once. At level 1 LLVM compiles it in a quarter of the time, and
    # the numbers are the same to the bit, which at level 0 they are not. Level
    # 0 takes half as long again, where the user has chosen it for everything.
    options['xla_backend_optimization_level'] = 1
  return jax.jit(initialize, out_shardings=shardings, compiler_options=options)(
    key
  )
