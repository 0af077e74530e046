"""The losses of the paper (section 4, equations 1 to 4)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from tfds_mtl_aqa.labels import CLASS_NAMES

# The score is regressed in units of 17 points: about its standard deviation
# over MTL-AQA, as in the official code. No mean is subtracted.
SCORE_UNIT = 17.0

TASKS = ('score', 'classes', 'captions')


def score_loss(predicted: jax.Array, points: jax.Array) -> jax.Array:
  """Returns squared plus absolute error, the mean over the batch (eq. 1).

  Args:
    predicted: float [batch], in units of SCORE_UNIT points.
    points: float [batch], the true score in points.
  """
  error = predicted - points / SCORE_UNIT
  return jnp.mean(error**2) + jnp.mean(jnp.abs(error))


def class_loss(
  logits: Mapping[str, jax.Array], labels: Mapping[str, jax.Array]
) -> jax.Array:
  """Returns the sum of the five cross-entropies, batch means (eq. 2).

  Args:
    logits: by task, float [batch, classes].
    labels: by task, int [batch].
  """
  return sum(
    optax.softmax_cross_entropy_with_integer_labels(
      logits[task], labels[task]
    ).mean()
    for task in CLASS_NAMES
  )


def caption_loss(
  logits: jax.Array, words: jax.Array, mask: jax.Array
) -> jax.Array:
  """Returns the negative log-likelihood of the captions (eq. 3).

  Summed over the words of a caption, averaged over the batch.

  Args:
    logits: float [batch, length - 1, vocabulary].
    words: int [batch, length], beginning with <sos>.
    mask: float [batch, length], 1 for <sos> through the first <eos>.
  """
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, words[:, 1:])
  return jnp.sum(losses * mask[:, 1:]) / words.shape[0]


def task_losses(
  outputs: Mapping[str, object], batch: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
  """Returns the loss of each task that the model has an output for.

  Args:
    outputs: of the model, teacher-forced.
    batch: see `input_pipeline`.
  """
  losses = {}
  if 'score' in outputs:
    losses['score'] = score_loss(outputs['score'], batch['score'])
  if 'classes' in outputs:
    losses['classes'] = class_loss(outputs['classes'], batch)
  if 'captions' in outputs:
    losses['captions'] = caption_loss(
      outputs['captions'], batch['words'], batch['word_mask']
    )
  if 'actions' in outputs:
    losses['actions'] = optax.softmax_cross_entropy_with_integer_labels(
      outputs['actions'], batch['action']
    ).mean()
  return losses


def total_loss(
  losses: Mapping[str, jax.Array], weights: Mapping[str, float]
) -> jax.Array:
  """Returns the weighted sum (eq. 4); 1, 1 and 0.01 in the paper."""
  return sum(weights[task] * loss for task, loss in losses.items())
