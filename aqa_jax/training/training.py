"""What a training is: setup, state, data, and what chooses its checkpoint."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ml_collections
import numpy as np
from jax.sharding import Mesh

from aqa_jax import sharding
from aqa_jax.data import batches
from aqa_jax.data.batches import Example, Row, Source
from aqa_jax.evaluation import predict
from aqa_jax.task import Batch
from aqa_jax.train_state import TrainState
from aqa_jax.training.setup import Setup
from aqa_jax.weights.checkpoint import Checkpoints


@dataclasses.dataclass
class Training:
  """What the loop needs of a training; a subclass adds its data.

  Attributes:
    setup: network, optimizer and steps.
    workdir: folder of the run.
    state: present state; abstract until it is created or restored.
    checkpoints: checkpoints of the workdir.
    started: `time.monotonic()` when the program was started.
  """

  setup: Setup
  workdir: pathlib.Path
  state: TrainState
  checkpoints: Checkpoints
  started: float

  @property
  def config(self) -> ml_collections.ConfigDict:
    """One of `configs/`."""
    return self.setup.config

  @property
  def mesh(self) -> Mesh:
    """The devices."""
    return self.setup.mesh

  @property
  def num_steps(self) -> int:
    """Steps of the whole training."""
    return self.setup.num_steps

  @property
  def measure(self) -> str:
    """What checkpoints are chosen by; higher is better, NaN the worst."""
    raise NotImplementedError

  def batches(self, first_step: int) -> Iterator[Mapping[str, np.ndarray]]:
    """Yields this process's part of the batch of each step.

    Args:
      first_step: steps that are done already.
    """
    raise NotImplementedError

  def place(self, batch: Mapping[str, np.ndarray]) -> Batch:
    """Puts this process's part of a batch on its devices.

    Args:
      batch: a part that `batches` has yielded.
    """
    return sharding.shard(batch, self.mesh)

  def validate(self) -> dict[str, float]:
    """Returns the validation measures of the present state.

    Returns:
      Measure -> value; `measure`, which checkpoints are chosen by, is one.
    """
    raise NotImplementedError

  def outputs(
    self, source: Source[Example], make_row: Callable[[Example], Row]
  ) -> dict[str, Any]:
    """Returns the outputs of the present state for every example.

    Args:
      source: examples.
      make_row: makes a row of a batch of an example.

    Returns:
      See `predict.collect`.
    """
    return predict.collect(
      self.setup.predict_step,
      self.state,
      batches.in_order(
        source,
        make_row,
        sharding.rounded_up(self.config.eval_batch_size, self.mesh),
        sharding.batch_part(self.mesh),
      ),
      len(source),
      self.mesh,
    )

  def summary(self) -> str:
    """Returns the training and the validation data, in words."""
    raise NotImplementedError

  def close(self) -> None:
    """Waits for what is being written, and closes the checkpoints."""
    self.checkpoints.close()
