"""Predictions of a trained model for every dive of a split."""

from collections.abc import Callable, Iterable, Mapping

import jax
import numpy as np
from jax.sharding import Mesh

from aqa_jax import sharding
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.input_pipeline import VideoInput, evaluation_batches
from aqa_jax.data.vocabulary import Vocabulary
from aqa_jax.evaluation.evaluation_files import Predictions
from aqa_jax.train_state import TrainState


def collect(
  predict_step: Callable,
  state: TrainState,
  batches: Iterable[Mapping[str, np.ndarray]],
  count: int,
  mesh: Mesh,
) -> dict[str, object]:
  """Returns what a model says about every example, in their order.

  Args:
    predict_step: from `steps.make_predict_step`.
    state: with the parameters to use.
    batches: from `batches.in_order`.
    count: examples there are.
    mesh: of devices.

  Returns:
    The outputs of `predict_step`, arrays [examples, ...].
  """
  seen, collected = [], []
  for batch in batches:
    outputs = predict_step(
      state.params, state.batch_stats, sharding.shard(batch, mesh)
    )
    outputs = jax.device_get(outputs)
    real = outputs.pop('is_real')
    seen.append(outputs.pop('index')[real])
    collected.append(jax.tree.map(lambda rows, real=real: rows[real], outputs))
  index = np.concatenate(seen)
  if not np.array_equal(np.sort(index), np.arange(count)):
    raise RuntimeError('an example was evaluated never or twice')
  order = np.argsort(index)
  return jax.tree.map(lambda *rows: np.concatenate(rows)[order], *collected)


def predict(
  predict_step: Callable,
  state: TrainState,
  split: DiveSplit,
  video_input: VideoInput,
  vocabulary: Vocabulary,
  caption_length: int,
  batch_size: int,
  mesh: Mesh,
) -> Predictions:
  """Returns what the model says about every dive of a split, each once.

  Args:
    predict_step: from `steps.make_predict_step`.
    state: with the parameters to use.
    split: to predict for.
    video_input: which pixels the model sees.
    vocabulary: of its captions.
    caption_length: tokens of a padded caption.
    batch_size: dives at once; rounded up to a multiple of the devices.
    mesh: of devices.

  Raises:
    FloatingPointError: a predicted score is not finite.
  """
  batches = evaluation_batches(
    split,
    video_input,
    caption_length,
    sharding.rounded_up(batch_size, mesh),
    sharding.batch_part(mesh),
  )
  outputs = collect(predict_step, state, batches, len(split), mesh)
  bad = np.flatnonzero(~np.isfinite(outputs.get('score', np.zeros(0))))
  if bad.size:
    raise FloatingPointError(
      f'the predicted scores of {bad.size} of {len(split)} dives are not '
      f'finite at step {int(state.step)}; the checkpoint before it is kept. A '
      'lower config.optimizer.learning_rate may help.'
    )
  captions = references = None
  if 'captions' in outputs:
    captions = [vocabulary.decode(ids) for ids in outputs['captions']]
    references = [vocabulary.decode(ids) for ids in split.labels['caption_ids']]
  return Predictions(
    labels={
      name: values
      for name, values in split.labels.items()
      if name != 'caption_ids'
    },
    scores=outputs.get('score'),
    classes=outputs.get('classes', {}),
    captions=captions,
    reference_captions=references,
    class_probabilities=outputs.get('class_probabilities', {}),
  )
