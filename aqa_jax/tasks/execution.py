"""The execution of a dive; its score follows by the difficulty.

Before a dive its difficulty is known: it is no matter of judging. So the
network learns the judges' part alone, and the score is difficulty x execution
(of vaults difficulty + execution), as in Tang et al. (CVPR 2020, section 3.4)
and Yu et al. (ICCV 2021, section 4.1), who give the difficulty. The loss is
that of the paper's score (equation 1); its unit is assumed.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.class_difficulty import ClassDifficulty
from aqa_jax.data.difficulty import HEIGHTS
from aqa_jax.data.dive_number import CLASSIFICATIONS
from aqa_jax.data.schema import Example, Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation.number_text import shortest
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.task import Batch
from aqa_jax.tasks.score import ScoreTask
from tfds_mtl_aqa.input_error import InputError

# The execution is regressed in units of 4.2 points: about its standard
# deviation over MTL-AQA, 4.195. No mean is subtracted.
EXECUTION_UNIT = 4.2
# Where the difficulty comes from.
SOURCES = ('given', 'predicted')


@dataclasses.dataclass(frozen=True)
class ExecutionTask(ScoreTask):
  """The execution, in points, and by the difficulty the score.

  Attributes:
    rule: how a score follows from difficulty and execution.
    source: 'given': the difficulty is the dataset's; of a video of a user what
      the user says, or else as 'predicted'. 'predicted': it is that of the
      likeliest dive by the classes that the network predicts; see
      `ClassDifficulty`.
    height: '10m' or '3m', from which the difficulty of predicted classes is;
      '' for the mean of both.
    dive_classes: names of the classes of each classification, where the network
      learns those of dives, too; else empty.
    initial_execution: execution of an untrained network, points.
  """

  rule: ScoreRule = ScoreRule.PRODUCT
  source: str = 'given'
  height: str = ''
  dive_classes: tuple[tuple[str, tuple[str, ...]], ...] = ()
  initial_execution: float = 0.0

  name = 'execution'
  head = 'execution_regressor'
  explains = 'execution'
  spread_words = '1'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'ExecutionTask':
    """Returns the task.

    Raises:
      InputError: the dataset has no difficulties; or they are to be predicted,
        and the network learns no classes of dives; or a choice is unknown.
    """
    return cls(**difficulty_options(config, schema))

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return {'execution': 1}

  @property
  def initial(self) -> float:
    """First value of the output layer's bias."""
    return self.initial_execution / EXECUTION_UNIT

  def output(self, layers: dict[str, jax.Array]) -> Any:
    """Returns the execution, float [batch], in units of EXECUTION_UNIT."""
    return layers['execution'][:, 0]

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'execution': ((), np.float32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the execution in points."""
    score, difficulty = (
      np.asarray(example[name], np.float64)
      for name in ('final_score', 'difficulty')
    )
    return {'execution': np.float32(self.rule.execution(score, difficulty))}

  def loss(self, output: Any, batch: Batch) -> jax.Array:
    """Returns squared plus absolute error, means over the batch, in units."""
    error = output - batch['execution'] / EXECUTION_UNIT
    return jnp.mean(error**2) + jnp.mean(jnp.abs(error))

  def predict(self, output: Any) -> dict[str, jax.Array]:
    """Returns execution, float [batch], in points."""
    return {'execution': output * EXECUTION_UNIT}

  def explained(self, output: Any) -> jax.Array:
    """Returns the execution, float [batch], in points."""
    return self.predict(output)['execution']

  @property
  def given(self) -> tuple[str, ...]:
    """The difficulty, unless the classes tell it."""
    return ('difficulty',) if self.source == 'given' else ()

  @property
  def required(self) -> tuple[str, ...]:
    """The difficulty, where there are no classes that tell it."""
    return () if self.dive_classes else self.given

  @functools.cached_property
  def _by_classes(self) -> ClassDifficulty:
    return ClassDifficulty(dict(self.dive_classes), self.height)

  def executions(self, outputs: Columns, difficulty: np.ndarray) -> np.ndarray:
    """Returns the executions, float [dives], from what `predict` gave.

    Args:
      outputs: see `complete`.
      difficulty: float64 [dives].
    """
    del difficulty
    return np.asarray(outputs['execution'])

  def execution_spreads(
    self, outputs: Columns, difficulty: np.ndarray
  ) -> np.ndarray:
    """Returns how unsure each execution is, float [dives], above 0.

    Here all are equally unsure: the error of the score grows with the
    difficulty alone. What a head says itself is in points, and not calibrated.

    Args:
      outputs: see `complete`.
      difficulty: float64 [dives].
    """
    del outputs
    return np.ones(len(difficulty))

  def complete(
    self, outputs: Columns, given: Columns, schema: Schema
  ) -> dict[str, Any]:
    """Returns execution, score, used_difficulty and score_spread, [dives] each.

    Raises:
      InputError: a difficulty is not given, and no classes tell it.
    """
    del schema
    if 'difficulty' in given:
      difficulty = np.array(given['difficulty'], np.float64)
    else:
      first, *_ = outputs['class_probabilities'].values()
      difficulty = np.full(len(first), np.nan)
    unknown = np.isnan(difficulty)
    if unknown.any():
      if not self.dive_classes:
        raise InputError(
          'the score of this model follows from the difficulty, which nothing '
          'tells; give the difficulty, such as --difficulty=3.2.'
        )
      found = self._by_classes.likeliest(outputs['class_probabilities'])
      difficulty[unknown] = found[unknown]
    execution = self.executions(outputs, difficulty)
    spread = self.execution_spreads(outputs, difficulty)
    return {
      'execution': execution,
      'score': np.float32(self.rule.joined(execution, difficulty)),
      'used_difficulty': difficulty,
      'score_spread': self.rule.spread(spread, difficulty),
    }

  def _measure(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    measured = super()._measure(predictions, dives)
    if self.source == 'predicted':
      used = predictions.outputs['used_difficulty'][dives]
      error = np.abs(used - predictions.label('difficulty')[dives])
      measured['difficulty_mae'] = float(error.mean())
    return measured

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns true and predicted score, predicted execution and difficulty."""
    outputs = predictions.outputs
    return super().columns(predictions, index) | {
      'predicted_execution': shortest(outputs['execution'][index]),
      'used_difficulty': shortest(outputs['used_difficulty'][index]),
    }


def difficulty_options(
  config: ml_collections.ConfigDict, schema: Schema
) -> dict[str, Any]:
  """Returns the fields of an `ExecutionTask`, of `config.heads`.

  Args:
    config: one of `configs/`.
    schema: which labels the dataset has.

  Raises:
    InputError: see `ExecutionTask.create`.
  """
  field = f"config.tasks='{config.tasks}'"
  if 'difficulty' not in schema.features:
    raise InputError(
      f'{field}: {config.dataset.name} has no difficulties, from which the '
      'score follows; give score instead.'
    )
  heads = config.get('heads', {})
  source, height = heads.get('difficulty', 'given'), heads.get('height', '')
  if source not in SOURCES:
    raise InputError(
      f"config.heads.difficulty='{source}': give {' or '.join(SOURCES)}."
    )
  if height not in ('', *HEIGHTS):
    raise InputError(
      f"config.heads.height='{height}': give {' or '.join(HEIGHTS)}, or '' for "
      'the mean of both.'
    )
  names = {name.strip() for name in config.tasks.split(',')}
  is_told = (
    'classes' in names
    and set(CLASSIFICATIONS) <= set(schema.class_names)
    and schema.score_rule is ScoreRule.PRODUCT
  )
  if source == 'predicted' and not is_told:
    raise InputError(
      f"config.heads.difficulty='predicted': {field} on {config.dataset.name} "
      'predicts no classes of dives; add classes to the tasks of a dataset of '
      "dives, or give 'given'."
    )
  return {
    'rule': schema.score_rule,
    'source': source,
    'height': height,
    'dive_classes': schema.classes if is_told else (),
    'initial_execution': heads.get('initial_execution', 0.0),
  }
