"""The score relative to exemplars: CoRe (Yu et al., ICCV 2021).

"Group-Aware Contrastive Regression for Action Quality Assessment": of a dive
and an exemplar of the same difficulty, whose execution is known, a tree tells
the group of the difference (a classification) and the place in the group (a
regression); the mean over ten exemplars, times the difficulty, is the score.
The defaults are those of the authors' code: ten votes, a depth of 5, 256 units,
Adam. How the exemplars are chosen is not theirs: see `ExemplarHead`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import DTypeLike as NumpyDTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.layers.exemplar_head import ExemplarHead
from aqa_jax.predictions import Columns
from aqa_jax.task import Batch
from aqa_jax.tasks import score_groups
from aqa_jax.tasks.execution import ExecutionTask, difficulty_options
from tfds_mtl_aqa.input_error import InputError

EXEMPLARS = 256
VOTES = 10
UNITS = 256


def tree_loss(
  log_leaves: jax.Array,
  places: jax.Array,
  relative: jax.Array,
  is_pair: jax.Array,
  bounds: tuple[float, ...],
) -> jax.Array:
  """Returns the loss of CoRe's tree, a scalar.

  As in the authors' code: the negative log-likelihood of the group, the mean
  over the pairs; and for each group the mean squared error of the place, over
  the pairs in it, summed over the groups. (The paper has a binary cross-entropy
  for each level of the tree, which sums up to the same.)

  Args:
    log_leaves: float [pairs, leaves].
    places: float [pairs, leaves].
    relative: float [pairs], the true relative scores.
    is_pair: bool [pairs]; what is False counts nothing.
    bounds: see `score_groups.edges`.
  """
  group, place = score_groups.place_in_group(relative, bounds)
  weight = is_pair.astype(places.dtype)
  own = jax.nn.one_hot(group, places.shape[-1], dtype=places.dtype)
  likelihood = (own * log_leaves).sum(axis=-1)
  classification = -(weight * likelihood).sum() / jnp.maximum(weight.sum(), 1)
  in_group = own * weight[:, None]
  squared = (in_group * (places - place[:, None]) ** 2).sum(axis=0)
  regression = squared / jnp.maximum(in_group.sum(axis=0), 1)
  return classification + regression.sum()


@dataclasses.dataclass(frozen=True)
class RelativeScoreTask(ExecutionTask):
  """The execution relative to exemplars, and by the difficulty the score.

  Attributes:
    bounds: of the groups of positive relative executions, from 0 up.
    exemplars: training dives that are remembered.
    votes: exemplars, those whose difficulty is the nearest, whose mean counts.
    units: units of each node of the tree.
  """

  bounds: tuple[float, ...] = score_groups.BOUNDS
  exemplars: int = EXEMPLARS
  votes: int = VOTES
  units: int = UNITS

  name = 'relative_score'
  head = 'relative_regressor'
  spread_words = 'sqrt(variance of the votes that count + 1 / 48)'
  has_own_head = True
  head_labels = ('execution', 'difficulty')

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'RelativeScoreTask':
    """Returns the task.

    Raises:
      InputError: a field of `config.heads` can't be; or see
        `ExecutionTask.create`.
    """
    heads = config.get('heads', {})
    task = cls(
      bounds=tuple(map(float, heads.get('groups', score_groups.BOUNDS))),
      exemplars=heads.get('exemplars', EXEMPLARS),
      votes=heads.get('votes', VOTES),
      units=heads.get('units', UNITS),
      **difficulty_options(config, schema),
    )
    half = len(task.bounds) - 1
    rises = (np.diff(task.bounds) > 0).all()
    if half < 1 or half & (half - 1) or task.bounds[0] or not rises:
      raise InputError(
        f'config.heads.groups={task.bounds}: give bounds that rise from 0, of '
        '1, 2, 4, 8 or more groups (a power of 2).'
      )
    if not 1 <= task.votes <= task.exemplars:
      raise InputError(
        f'config.heads.votes={task.votes}: give 1 or more, '
        f'config.heads.exemplars={task.exemplars} at most.'
      )
    return task

  @property
  def layers(self) -> dict[str, int]:
    """The tree, and how many leaves it has."""
    return {'tree': 2 * (len(self.bounds) - 1)}

  def head_module(self, dtype: DTypeLike) -> nn.Module:
    """Returns the head: an `ExemplarHead`."""
    return ExemplarHead(
      memory=self.exemplars,
      leaves=self.layers['tree'],
      units=self.units,
      # 30 in the authors' code: the most that three marks give.
      highest=10.0 if self.rule is ScoreRule.SUM else 30.0,
      dtype=dtype,
      name=self.head,
    )

  def output(self, layers: Any) -> Any:
    """Returns the outputs of the head as they are."""
    return layers

  def label_specs(
    self,
  ) -> dict[str, tuple[tuple[int, ...], NumpyDTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'execution': ((), np.float32), 'difficulty': ((), np.float32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns execution, in points, and difficulty."""
    return {
      **super().labels(example),
      'difficulty': np.float32(example['difficulty']),
    }

  def check_labels(self, labels: Columns) -> None:
    """Checks that the groups hold what can be.

    Raises:
      InputError: executions differ by more than the last bound.
    """
    execution = self.rule.execution(
      np.asarray(labels['final_score'], np.float64),
      np.asarray(labels['difficulty'], np.float64),
    )
    if (spread := float(np.ptp(execution))) > self.bounds[-1]:
      raise InputError(
        f'config.heads.groups: ends at {self.bounds[-1]:g}, and the executions '
        f'to train on differ by {spread:g}; give the largest difference that '
        'can be as the last.'
      )

  def loss(self, output: Any, batch: Batch) -> jax.Array:
    """Returns the sum of `tree_loss` both ways, a scalar.

    Args:
      output: see `ExemplarHead`.
      batch: is not needed.
    """
    del batch
    total = jnp.zeros(())
    for way in range(2):
      total += tree_loss(
        output['log_leaves'][way],
        output['places'][way],
        output['relative'][way],
        output['is_pair'],
        self.bounds,
      )
    return total

  def predict(self, output: Any) -> dict[str, jax.Array]:
    """Returns votes and exemplar_difficulty, float [batch, exemplars].

    A vote is the execution by an exemplar, points; an exemplar that is not
    there has a difficulty of 0.
    """
    relative = score_groups.relative_score(
      output['log_leaves'], output['places'], self.bounds
    )
    return {
      'votes': output['execution'] + relative,
      'exemplar_difficulty': output['difficulty'],
    }

  def explained(self, output: Any) -> jax.Array:
    """Returns the mean over all exemplars and groups, float [batch], points."""
    relative = score_groups.mean_relative_score(
      output['log_leaves'], output['places'], self.bounds
    )
    weight = (output['difficulty'] > 0).astype(relative.dtype)
    total = (weight * (output['execution'] + relative)).sum(axis=1)
    return total / jnp.maximum(weight.sum(axis=1), 1)

  def executions(self, outputs: Columns, difficulty: np.ndarray) -> np.ndarray:
    """Returns the mean of the votes that count, float [dives], points."""
    return self._counted(outputs, difficulty).mean(axis=1)

  def execution_spreads(
    self, outputs: Columns, difficulty: np.ndarray
  ) -> np.ndarray:
    """Returns how much the votes that count differ, float [dives], points.

    It is their standard deviation, with the variance of rounding to the half
    points of marks, so that it is never 0.
    """
    variance = self._counted(outputs, difficulty).var(axis=1)
    return np.sqrt(variance + 0.5**2 / 12)

  def _counted(self, outputs: Columns, difficulty: np.ndarray) -> np.ndarray:
    """Returns the votes that count, float [dives, votes], points."""
    own = np.asarray(outputs['exemplar_difficulty'])
    distance = np.abs(own - np.asarray(difficulty, np.float32)[:, None])
    # What is not there comes last. Differences are of tenths.
    distance = np.where(own > 0, np.round(distance, 3), np.inf)
    # Of equally near ones those that were seen last.
    chosen = np.argsort(distance, axis=1, kind='stable')[:, : self.votes]
    return np.take_along_axis(np.asarray(outputs['votes']), chosen, axis=1)
