"""Batches of a source of examples: a pure function of (seed, step)."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import grain
import numpy as np

from tfds_mtl_aqa.cores import available_cores

# A value of a row: an array, or a scalar that has a dtype.
Value = np.ndarray | np.generic
Row = dict[str, Value]
# Of many examples, [batch, ...], in the memory of the host.
HostBatch = dict[str, np.ndarray]

Example = TypeVar('Example')
Example_co = TypeVar('Example_co', covariant=True)

# As good as no end. With no number Grain takes sys.maxsize rows, and its
# rounding of that overflows where a process has one row of a batch.
_EPOCHS = 1 << 30
# Batches that are read ahead: at least so many; more, to keep all cores busy,
# up to so many rows: 0.9 GB of videos of the paper.
_LEAST_AHEAD = 4
_ROWS_AHEAD = 256


class Source(Protocol[Example_co]):
  """Examples that can be read in any order."""

  def __len__(self) -> int:
    """Returns the number of examples."""

  def __getitem__(self, index: int, /) -> Example_co:
    """Returns an example."""


def shuffled(
  source: Source[Example],
  make_row: Callable[[Example, np.random.Generator], Row],
  batch_size: int,
  part: tuple[int, int],
  seed: int,
  first_step: int,
) -> Iterator[HostBatch]:
  """Yields a part of the rows of the batch of each step, without end.

  The batch of a step depends on seed and step alone: not on how many processes
  there are, nor on where training was interrupted.

  Args:
    source: source of examples.
    make_row: makes a row of an example; it draws from the generator alone.
    batch_size: rows of the whole batch.
    part: number of the part, from 0, and number of parts; see
      `sharding.batch_part`.
    seed: seed of shuffling and augmentation.
    first_step: step to begin at.
  """
  dataset = (
    grain.MapDataset.source(source)
    .seed(seed)
    .shuffle()
    .repeat(_EPOCHS)
    .random_map(make_row)
  )
  iterator = iter(_in_parts(dataset, batch_size, part))
  grain.experimental.set_next_index(iterator, first_step)
  return iterator


def in_order(
  source: Source[Example],
  make_row: Callable[[Example], Row],
  batch_size: int,
  part: tuple[int, int],
) -> Iterator[HostBatch]:
  """Yields a part of the rows of every batch; each example exactly once.

  The last batch is filled up with the last example. Added to each row are
    index: int32 [batch], the example's place in the source;
    is_real: bool [batch], False where the last batch was filled up.

  Args:
    source: source of examples.
    make_row: makes a row of an example.
    batch_size: rows of the whole batch.
    part: number of the part, from 0, and number of parts; see
      `sharding.batch_part`.
  """

  def row_at(index: int) -> Row:
    row = make_row(source[min(index, len(source) - 1)])
    row['index'] = np.int32(index)
    row['is_real'] = np.bool_(index < len(source))
    return row

  num_batches = -(-len(source) // batch_size)
  dataset = grain.MapDataset.range(num_batches * batch_size).map(row_at)
  return iter(_in_parts(dataset, batch_size, part))


def _in_parts(
  dataset: grain.MapDataset, batch_size: int, part: tuple[int, int]
) -> grain.IterDataset:
  """Makes batches, and keeps one part of every batch."""
  index, parts = part
  rows = batch_size // parts
  pieces = dataset.batch(rows)
  # Slicing before batching would give the rows another order.
  cores = available_cores()
  return pieces[index::parts].to_iter_dataset(
    grain.ReadOptions(
      num_threads=cores,
      # A thread makes a whole batch.
      prefetch_buffer_size=max(_LEAST_AHEAD, min(cores, _ROWS_AHEAD // rows)),
    )
  )
