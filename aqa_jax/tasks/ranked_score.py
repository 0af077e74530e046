"""The score of a dive, learned with the ranks of the dives of a batch.

After Li, Chai and Chen, "End-to-End Learning for Action Quality Assessment"
(PCM 2018), who add a ranking loss to the squared error. Its weight and its
margin, and over which pairs it is, are not public: those here are assumed.
"""

import dataclasses

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from aqa_jax.data.schema import Schema
from aqa_jax.task import Batch
from aqa_jax.tasks.score import SCORE_UNIT, ScoreTask
from tfds_mtl_aqa.input_error import InputError


def ranking_loss(
  predicted: jax.Array, true: jax.Array, margin: float
) -> jax.Array:
  """Returns the mean hinge of the pairs of a batch, a scalar.

  Of a pair whose true scores differ, the better dive is to be predicted better
  by the margin: max(0, margin - (better - worse)). It is 0 where all true
  scores are the same.

  Args:
    predicted: float [batch].
    true: float [batch].
    margin: 0 or more, in the unit of `predicted`.
  """
  is_better = true[:, None] > true[None, :]
  difference = predicted[:, None] - predicted[None, :]
  hinges = jnp.where(is_better, jax.nn.relu(margin - difference), 0.0)
  return hinges.sum() / jnp.maximum(is_better.sum(), 1)


@dataclasses.dataclass(frozen=True)
class RankedScoreTask(ScoreTask):
  """The final score in points, by squared error and ranks.

  The pairs are those of the whole batch, on however many devices it lies; with
  `config.accumulation` those of each part of it.

  Attributes:
    ranking_weight: weight of `ranking_loss` beside the squared error.
    ranking_margin: its margin, in units of SCORE_UNIT points.
  """

  ranking_weight: float = 1.0
  ranking_margin: float = 0.1

  name = 'ranked_score'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'RankedScoreTask':
    """Returns the task; every dataset has scores.

    Raises:
      InputError: weight or margin is negative or not finite.
    """
    del schema
    task = cls(
      config.model.get('initial_score', 0.0),
      config.model.get('ranking_weight', cls.ranking_weight),
      config.model.get('ranking_margin', cls.ranking_margin),
    )
    for field in ('ranking_weight', 'ranking_margin'):
      value = getattr(task, field)
      if not value >= 0 or not np.isfinite(value):
        raise InputError(f'config.model.{field}={value}: give 0 or more.')
    return task

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns squared error plus weighted `ranking_loss`, a scalar.

    Args:
      output: float [batch], in units of SCORE_UNIT points.
      batch: has score, float32 [batch], points.
    """
    true = batch['score'] / SCORE_UNIT
    squared = jnp.mean((output - true) ** 2)
    ranks = ranking_loss(output, true, self.ranking_margin)
    return squared + self.ranking_weight * ranks
