"""From a prepared dataset to batches: a pure function of (seed, step).

A batch is a dict of arrays, one part of its rows:
  video: uint8 [batch, frames, crop, crop, 3], RGB; for frames that are on the
    device already (`DeviceFrames`), video_rows: int32 [batch, frames]; and
  flip: bool [batch], whether to mirror the video; or
  features: float32 [batch, steps, features], for a network on features.
  dive_id: int32 [batch, 2], the dive's event and its sample in it.
With the labels of the tasks, as `Task.label_specs` tells, such as
  score: float32 [batch], points.
  words: int32 [batch, length], caption ids, padded with <eos>.
Evaluation adds what `batches.in_order` does.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from numpy.typing import DTypeLike

from aqa_jax.data import batches
from aqa_jax.data.batches import HostBatch, Row, Source, Value
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.dive_input import DiveInput
from aqa_jax.data.dive_split import dive_key
from aqa_jax.data.encoded_frames import DecodeError
from aqa_jax.data.schema import Example
from tfds_mtl_aqa.input_error import InputError


class LabelReader(Protocol):
  """What a batch needs to know of a `Task`."""

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns an example's labels for a batch."""


def make_inputs(
  example: Example,
  dive_input: DiveInput,
  tasks: Sequence[LabelReader],
  rng: np.random.Generator | None,
) -> Row:
  """Returns one row of a batch.

  Args:
    example: a dive, `video` still JPEG.
    dive_input: what the network sees of it.
    tasks: tasks whose labels the row has.
    rng: draws the augmentation, once for the whole dive; None for none.

  Raises:
    InputError: a stored frame can't be decoded, or labels are not those that
      their task tells.
  """
  inputs = dive_input.read(example, rng)
  inputs['dive_id'] = np.array(dive_key(example), np.int32)
  for task in tasks:
    labels = task.labels(example)
    _check_labels(task, labels)
    inputs |= labels
  return inputs


def _check_labels(task: LabelReader, labels: Mapping[str, Value]) -> None:
  """Raises InputError where a row's labels are not those of `label_specs`."""
  told = {
    name: (shape, np.dtype(dtype))
    for name, (shape, dtype) in task.label_specs().items()
  }
  given = {
    name: (np.shape(value), np.asarray(value).dtype)
    for name, value in labels.items()
  }
  if given != told:
    raise InputError(
      f'{type(task).__name__}: labels() gives {_described(given)}, but '
      f'label_specs() tells {_described(told)}; let them agree.'
    )


def _described(
  labels: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
) -> str:
  """Returns names, dtypes and shapes as a text: 'splash: float32 []'."""
  return ', '.join(
    f'{name}: {dtype} {list(shape)}' for name, (shape, dtype) in labels.items()
  )


def abstract_batch(
  dive_input: DiveInput, tasks: Sequence[LabelReader], batch_size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the shapes and dtypes of a whole batch of `make_inputs`.

  Args:
    dive_input: what the network sees of a dive.
    tasks: tasks whose labels the batch has.
    batch_size: rows.
  """
  rows = {**dive_input.specs(), 'dive_id': ((2,), np.int32)}
  for task in tasks:
    rows |= task.label_specs()
  return {
    name: jax.ShapeDtypeStruct((batch_size, *shape), dtype)
    for name, (shape, dtype) in rows.items()
  }


def training_batches(
  dives: Source[Example],
  dive_input: DiveInput,
  tasks: Sequence[LabelReader],
  batch_size: int,
  part: tuple[int, int],
  seed: int,
  first_step: int,
  corrupt: CorruptRecords,
) -> Iterator[HostBatch]:
  """Yields a part of the batch of each step; see `batches.shuffled`.

  Args:
    dives: dives to train on.
    dive_input: what the network sees of a dive.
    tasks: tasks whose labels the batch has.
    batch_size: rows of the whole batch.
    part: number of the part, from 0, and number of parts.
    seed: seed of shuffling and augmentation.
    first_step: step to begin at.
    corrupt: counts the dives whose frames can't be decoded; another dive takes
      the place of each.
  """

  def make_row(example: Example, rng: np.random.Generator) -> Row:
    while True:
      try:
        return make_inputs(example, dive_input, tasks, rng)
      except DecodeError as e:
        corrupt.leave_out(e.name, e.reason)
        example = dives[int(rng.integers(len(dives)))]

  return batches.shuffled(
    dives,
    make_row,
    batch_size,
    part,
    seed,
    first_step,
  )


def evaluation_batches(
  dives: Source[Example],
  dive_input: DiveInput,
  tasks: Sequence[LabelReader],
  batch_size: int,
  part: tuple[int, int],
) -> Iterator[HostBatch]:
  """Yields a part of every batch; every dive comes exactly once.

  Args:
    dives: dives to evaluate on.
    dive_input: what the network sees of a dive.
    tasks: tasks whose labels the batch has.
    batch_size: rows of the whole batch.
    part: number of the part, from 0, and number of parts.
  """
  return batches.in_order(
    dives,
    lambda example: make_inputs(example, dive_input, tasks, rng=None),
    batch_size,
    part,
  )
