"""Predictions of a trained model for every dive of a split, and measures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from aqa_jax import sharding
from aqa_jax.data.batches import Source
from aqa_jax.data.dive_input import DiveInput
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.input_pipeline import evaluation_batches
from aqa_jax.data.schema import Example, Schema
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.task import Task, finish
from aqa_jax.train_state import TrainState, Variables
from tfds_mtl_aqa.input_error import InputError

# Given params, batch_stats and a batch, returns the predictions for it.
PredictStep = Callable[
  [Variables, Variables, Mapping[str, jax.Array]], dict[str, Any]
]


def collect(
  predict_step: PredictStep,
  state: TrainState,
  batches: Iterable[Mapping[str, np.ndarray]],
  count: int,
  mesh: Mesh,
) -> dict[str, Any]:
  """Returns the outputs of a model for every example, in their order.

  Args:
    predict_step: step from `steps.make_predict_step`.
    state: state with the parameters to use.
    batches: batches from `batches.in_order`.
    count: number of examples.
    mesh: mesh of devices.

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
    raise RuntimeError('an example was evaluated twice, or not at all')
  order = np.argsort(index)
  return jax.tree.map(lambda *rows: np.concatenate(rows)[order], *collected)


def predict(
  predict_step: PredictStep,
  state: TrainState,
  split: DiveSplit,
  dive_input: DiveInput,
  schema: Schema,
  tasks: Sequence[Task],
  batch_size: int,
  mesh: Mesh,
  dives: Source[Example] | None = None,
) -> Predictions:
  """Returns the predictions of a model for every dive of a split.

  Args:
    predict_step: step from `steps.make_predict_step`.
    state: state with the parameters to use.
    split: dives to predict for.
    dive_input: what the model sees of a dive.
    schema: schema of the dataset.
    tasks: tasks of the model.
    batch_size: dives at once; rounded up to a multiple of the devices.
    mesh: mesh of devices.
    dives: the same dives with frames that are decoded; None to read those of
      `split`.

  Raises:
    FloatingPointError: a prediction is not finite.
  """
  batches = evaluation_batches(
    split if dives is None else dives,
    dive_input,
    tasks,
    sharding.rounded_up(batch_size, mesh),
    sharding.batch_part(mesh),
  )
  outputs = collect(predict_step, state, batches, len(split), mesh)
  bad = np.zeros(len(split), bool)
  for column in jax.tree.leaves(outputs):
    # As many rows as dives, of any shape; whole numbers are finite.
    bad |= ~np.isfinite(column).reshape(len(split), -1).all(axis=1)
  if bad.any():
    raise FloatingPointError(
      f'the predictions for {bad.sum()} of {len(split)} dives are not '
      f'finite at step {int(state.step)}; the checkpoint before it is kept. A '
      'lower config.optimizer.learning_rate may help.'
    )
  labels: Columns = split.labels
  outputs = finish(tasks, outputs, labels, schema)
  if any(task.num_words for task in tasks):
    # Decoding the true captions takes time at every validation.
    labels = with_caption_words(labels, schema)
  return Predictions(labels, outputs, schema)


def with_caption_words(labels: Columns, schema: Schema) -> Columns:
  """Returns labels with caption_words, the captions as lists of words.

  Args:
    labels: labels of a `DiveSplit`.
    schema: schema of the dataset; without captions the labels are returned as
      given.
  """
  if schema.vocabulary is None:
    return labels
  words = [schema.vocabulary.decode(ids) for ids in labels['caption_ids']]
  return {**labels, 'caption_words': words}


def measure(tasks: Sequence[Task], predictions: Predictions) -> dict[str, Any]:
  """Returns the measures of each validation.

  Args:
    tasks: tasks of the model.
    predictions: predictions for at least one dive.

  Returns:
    num_dives, and what each task's `measure` gives.
  """
  measured: dict[str, Any] = {'num_dives': len(predictions)}
  for task in tasks:
    add_figures(measured, task.measure(predictions), type(task).__name__)
  return measured


def add_figures(
  figures: dict[str, Any], more: Mapping[str, Any], source: str
) -> None:
  """Adds figures, none of which may take the place of another.

  Args:
    figures: figures by name; they are changed.
    more: figures to add. One that is there with the same value is no error.
    source: what has measured them, for the error.

  Raises:
    InputError: a name is taken.
  """
  for name, value in more.items():
    if name in figures and repr(figures[name]) != repr(value):
      raise InputError(
        f'{source}: measures {name}, which is measured already; give its '
        'figure another name.'
      )
    figures[name] = value
