"""One step of training, and one of evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh

from aqa_jax import sharding
from aqa_jax.layers.normalize import normalize
from aqa_jax.task import Batch, Task
from aqa_jax.train_state import TrainState, Variables

Scalars = dict[str, jax.Array]


class TrainStep(Protocol):
  """A jitted training step; see `make_train_step`."""

  def __call__(
    self, state: TrainState, batch: Batch, /
  ) -> tuple[TrainState, Scalars]:
    """Returns the next state, and the scalars of this step."""

  def lower(self, *arguments: Any) -> jax.stages.Lowered:
    """Traces it for arguments, which may be abstract; see `jax.jit`."""


class PredictStep(Protocol):
  """A jitted prediction step; see `make_predict_step`."""

  def __call__(
    self, params: Variables, batch_stats: Variables, batch: Batch, /
  ) -> dict[str, Any]:
    """Returns the predictions for a batch."""

  def lower(self, *arguments: Any) -> jax.stages.Lowered:
    """Traces it for arguments, which may be abstract; see `jax.jit`."""


def network_inputs(batch: Batch) -> jax.Array:
  """Returns what the network sees of a batch.

  Args:
    batch: see `input_pipeline`.

  Returns:
    The videos, normalised, float32 [batch, time, height, width, 3]; or the
    features, float32 [batch, steps, features].
  """
  if 'features' in batch:
    return batch['features']
  return normalize(batch['video'], batch['flip'])


def task_losses(
  tasks: Sequence[Task], outputs: Mapping[str, Any], batch: Batch
) -> dict[str, jax.Array]:
  """Returns the loss of each task, by its name.

  Args:
    tasks: tasks of the network.
    outputs: outputs of the network, by task, teacher-forced.
    batch: batch with the labels; see `input_pipeline`.
  """
  return {task.name: task.loss(outputs[task.name], batch) for task in tasks}


def total_loss(
  losses: Mapping[str, jax.Array], weights: Mapping[str, float]
) -> jax.Array:
  """Returns the weighted sum of the losses (equation 4).

  The paper's weights of score, classes and captions are 1, 1 and 0.01.

  Args:
    losses: by task, its loss, a scalar.
    weights: by task, its weight. A task that has none, as in pretraining,
      counts once.
  """
  # A network has at least one task: the sum is no bare 0.
  return sum(  # type: ignore[return-value]
    weights.get(task, 1.0) * loss for task, loss in losses.items()
  )


def make_train_step(
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  loss_weights: Mapping[str, float],
  seed: int,
  mesh: Mesh,
  accumulation: int = 1,
) -> TrainStep:
  """Returns the jitted training step.

  The step takes the state, which it consumes, and a batch as
  `input_pipeline.training_batches` makes it, and returns the new state and
  scalars, each float32 []: 'loss', the weighted sum; the loss of each task
  under its name; 'gradient_norm'; and 'is_finite', 1 or 0. If loss or gradient
  are not finite, the new state is the old one with the next step number. Among
  the scalars is also 'dive_id', int32 [batch, 2], of the whole batch.

  Args:
    model: network to train; its `tasks` give the losses.
    optimizer: optimizer of its parameters.
    loss_weights: weight of the loss by task.
    seed: seed of dropout.
    mesh: mesh of devices.
    accumulation: parts of the batch that are computed one after the other, to
      save memory. The gradient is the mean of theirs; BatchNorm normalises each
      part on its own.
  """
  everywhere = sharding.replicated(mesh)
  head_labels = {name for task in model.tasks for name in task.head_labels}

  def loss_of(
    params: Variables,
    batch_stats: Variables,
    batch: Batch,
    dropout_key: jax.Array,
  ) -> tuple[jax.Array, tuple[Scalars, Variables]]:
    # The names of the scopes are what `benchmarks.breakdown` looks for.
    with jax.named_scope('normalize'):
      inputs = network_inputs(batch)
    # A network of someone else need not take labels.
    options: dict[str, Any] = {}
    if head_labels:
      options['labels'] = {name: batch[name] for name in head_labels}
    outputs, updated = model.apply(
      {'params': params, 'batch_stats': batch_stats},
      inputs,
      batch.get('words'),
      train=True,
      rngs={'dropout': dropout_key},
      mutable=['batch_stats'],
      **options,
    )
    with jax.named_scope('losses'):
      by_task = task_losses(model.tasks, outputs, batch)
      loss = total_loss(by_task, loss_weights)
    scalars = {'loss': loss, **by_task}
    return loss, (scalars, updated.get('batch_stats', {}))

  def differentiate(
    params: Variables,
    batch_stats: Variables,
    batch: Batch,
    dropout_key: jax.Array,
  ) -> tuple[tuple[Variables, Scalars], Variables]:
    gradients, (scalars, batch_stats) = jax.grad(loss_of, has_aux=True)(
      params, batch_stats, batch, dropout_key
    )
    # Each device keeps its part of the gradient. If the gradient were not whole
    # first, XLA would send the activations of all devices to compute each part.
    gradients = lax.with_sharding_constraint(gradients, everywhere)
    gradients = lax.with_sharding_constraint(
      gradients, sharding.state_sharding(mesh, gradients)
    )
    return (gradients, scalars), batch_stats

  def accumulate(
    params: Variables,
    batch_stats: Variables,
    batch: Batch,
    dropout_key: jax.Array,
  ) -> tuple[tuple[Variables, Scalars], Variables]:
    """Does the same as `differentiate`, part by part."""
    # [parts, batch / parts, ...], of each device's own rows.
    parts = jax.tree.map(
      lambda rows: rows.reshape(
        -1, accumulation, *rows.shape[1:]
      ).swapaxes(0, 1),
      dict(batch),
    )  # fmt: skip
    keys = jax.random.split(dropout_key, accumulation)

    def add(
      carry: tuple[tuple[Variables, Scalars], Variables],
      part: tuple[Batch, jax.Array],
    ) -> tuple[tuple[tuple[Variables, Scalars], Variables], None]:
      sums, batch_stats = carry
      found, batch_stats = differentiate(params, batch_stats, *part)
      return (jax.tree.map(jnp.add, sums, found), batch_stats), None

    one = jax.tree.map(lambda rows: rows[0], (parts, keys))
    shapes, _ = jax.eval_shape(differentiate, params, batch_stats, *one)
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    (sums, batch_stats), _ = lax.scan(
      add,
      (zeros, batch_stats),
      (parts, keys),
      # XLA's CPU backend has no fast convolutions within a loop.
      unroll=sharding.platform(mesh) == 'cpu',
    )
    return jax.tree.map(lambda total: total / accumulation, sums), batch_stats

  def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Scalars]:
    (gradients, scalars), batch_stats = (
      accumulate if accumulation > 1 else differentiate
    )(
      # Gathers the parameters that are split over devices.
      lax.with_sharding_constraint(state.params, everywhere),
      state.batch_stats,
      batch,
      jax.random.fold_in(jax.random.key(seed), state.step),
    )
    with jax.named_scope('optimizer'):
      scalars['gradient_norm'] = optax.tree.norm(gradients)
      is_finite = jnp.isfinite(scalars['loss'] + scalars['gradient_norm'])
      updates, opt_state = optimizer.update(
        gradients, state.opt_state, state.params
      )
      new_state = TrainState(
        step=state.step,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
      )
      new_state = jax.tree.map(
        lambda new, old: jnp.where(is_finite, new, old), new_state, state
      ).replace(step=state.step + 1)
    scalars['is_finite'] = is_finite.astype(jnp.float32)
    if 'dive_id' in batch:
      scalars['dive_id'] = batch['dive_id']
    return (
      lax.with_sharding_constraint(
        new_state, sharding.state_sharding(mesh, new_state)
      ),
      lax.with_sharding_constraint(scalars, everywhere),
    )

  return jax.jit(train_step, donate_argnums=0)


def make_predict_step(model: nn.Module, mesh: Mesh) -> PredictStep:
  """Returns the jitted prediction step.

  The step takes params, batch_stats and a batch as
  `input_pipeline.evaluation_batches` makes it, and returns, on every process
  whole: index int32 [batch] and is_real bool [batch], as given; and what
  `Task.predict` gives for each of the model's tasks.

  Args:
    model: network that predicts.
    mesh: mesh of devices.
  """

  def predict_step(
    params: Variables, batch_stats: Variables, batch: Batch
  ) -> dict[str, Any]:
    outputs = model.apply(
      {'params': params, 'batch_stats': batch_stats},
      network_inputs(batch),
    )
    predictions = {'index': batch['index'], 'is_real': batch['is_real']}
    for task in model.tasks:
      predictions |= task.predict(outputs[task.name])
    return predictions

  return jax.jit(predict_step, out_shardings=sharding.replicated(mesh))
