"""The score of a dive, told after each of its clips (Parmar & Morris, 2017)."""

import dataclasses

import jax
import jax.numpy as jnp
import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.task import Batch
from aqa_jax.tasks.score import SCORE_UNIT, ScoreTask
from tfds_mtl_aqa.input_error import InputError

LABELS = ('final', 'incremental')


@dataclasses.dataclass(frozen=True)
class StepScoresTask(ScoreTask):
  """The final score, which the last of several outputs tells.

  Attributes:
    unit: points of an output of 1.
    labels_of_steps: what the outputs learn: 'final', the last one the score; or
      'incremental', output k of n, from 1, k / n of the score.
  """

  unit: float = SCORE_UNIT
  labels_of_steps: str = 'final'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'StepScoresTask':
    """Returns the task; see `ScoreTask`.

    Raises:
      InputError: `config.model.labels` is none of LABELS.
    """
    del schema
    model = config.model
    if model.labels not in LABELS:
      raise InputError(
        f"config.model.labels='{model.labels}': give {' or '.join(LABELS)}."
      )
    return cls(model.initial_score, model.score_unit, model.labels)

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns the scores after each step, float [batch, steps], in units."""
    return layers['final_score'][..., 0]

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns the mean squared error, of the last step or of all, in units."""
    wanted = batch['score'][:, None] / self.unit
    if self.labels_of_steps == 'final':
      return jnp.mean((output[:, -1:] - wanted) ** 2)
    steps = output.shape[1]
    return jnp.mean((output - wanted * jnp.arange(1, steps + 1) / steps) ** 2)

  def predict(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns score, float [batch], in points."""
    return {'score': output[:, -1] * self.unit}
