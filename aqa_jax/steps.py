"""One step of training, and one of evaluation."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from aqa_jax import losses, sharding
from aqa_jax.train_state import TrainState

Batch = Mapping[str, jax.Array]

# The ImageNet statistics of RGB in [0, 1], as in the official code.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def normalize(video: jax.Array, flip: jax.Array) -> jax.Array:
  """Returns the video as the network sees it.

  Args:
    video: uint8 [batch, time, height, width, 3], RGB.
    flip: bool [batch], which videos to mirror left to right.

  Returns:
    float32 of the same shape, about zero mean and unit variance.
  """
  flip = flip[:, None, None, None, None]
  video = jnp.where(flip, video[:, :, :, ::-1], video)
  video = video.astype(jnp.float32) / 255
  return (video - jnp.array(_MEAN)) / jnp.array(_STD)


def make_train_step(
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  loss_weights: Mapping[str, float],
  seed: int,
  mesh: Mesh,
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
  """Returns the jitted training step.

  The step takes the state, which it consumes, and a batch as
  `input_pipeline.training_batches` makes it, and returns the new state and the
  losses: 'loss', the weighted sum, and each task's own, float32 []; and
  'gradient_norm'.

  Args:
    model: that is trained.
    optimizer: of its parameters.
    loss_weights: by task.
    seed: of dropout.
    mesh: of devices.
  """

  def train_step(state, batch):
    dropout_key = jax.random.fold_in(jax.random.key(seed), state.step)
    video = normalize(batch['video'], batch['flip'])

    def loss_of(params):
      outputs, updated = model.apply(
        {'params': params, 'batch_stats': state.batch_stats},
        video,
        batch.get('words'),
        train=True,
        rngs={'dropout': dropout_key},
        mutable=['batch_stats'],
      )
      by_task = losses.task_losses(outputs, batch)
      loss = losses.total_loss(by_task, loss_weights)
      return loss, (by_task, updated.get('batch_stats', {}))

    (loss, (by_task, batch_stats)), gradients = jax.value_and_grad(
      loss_of, has_aux=True
    )(state.params)
    updates, opt_state = optimizer.update(
      gradients, state.opt_state, state.params
    )
    new_state = TrainState(
      step=state.step + 1,
      params=optax.apply_updates(state.params, updates),
      batch_stats=batch_stats,
      opt_state=opt_state,
    )
    scalars = {'loss': loss, **by_task}
    scalars['gradient_norm'] = optax.tree.norm(gradients)
    return new_state, scalars

  everywhere = sharding.replicated(mesh)
  return jax.jit(
    train_step,
    in_shardings=(everywhere, sharding.by_example(mesh)),
    out_shardings=(everywhere, everywhere),
    donate_argnums=0,
  )


def make_predict_step(
  model: nn.Module, mesh: Mesh
) -> Callable[[dict, dict, Batch], dict[str, object]]:
  """Returns the jitted prediction step.

  The step takes params, batch_stats and a batch as
  `input_pipeline.evaluation_batches` makes it, and returns, on every process
  whole: index int32 [batch] and is_real bool [batch], as given; and for each of
  the model's tasks score float32 [batch] in points, classes int32 [batch] and
  class_probabilities float32 [batch, classes], both by task, captions int32
  [batch, length - 1], actions int32 [batch].

  Args:
    model: that predicts.
    mesh: of devices.
  """

  def predict_step(params, batch_stats, batch):
    outputs = model.apply(
      {'params': params, 'batch_stats': batch_stats},
      normalize(batch['video'], batch['flip']),
    )
    predictions = {'index': batch['index'], 'is_real': batch['is_real']}
    if 'score' in outputs:
      predictions['score'] = outputs['score'] * losses.SCORE_UNIT
    if 'classes' in outputs:
      predictions['classes'] = {
        task: logits.argmax(axis=-1)
        for task, logits in outputs['classes'].items()
      }
      predictions['class_probabilities'] = jax.tree.map(
        nn.softmax, outputs['classes']
      )
    if 'captions' in outputs:
      predictions['captions'] = outputs['captions']
    if 'actions' in outputs:
      predictions['actions'] = outputs['actions'].argmax(axis=-1)
    return predictions

  everywhere = sharding.replicated(mesh)
  return jax.jit(
    predict_step,
    in_shardings=(everywhere, everywhere, sharding.by_example(mesh)),
    out_shardings=everywhere,
  )
