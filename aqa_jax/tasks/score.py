"""The score of a dive: a regression in points (paper, equation 1)."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.evaluation import metrics
from aqa_jax.evaluation.number_text import shortest
from aqa_jax.predictions import Predictions
from aqa_jax.task import Batch, Section, Task
from aqa_jax.text_table import cell, interval, line
from tfds_mtl_aqa.input_error import InputError

# The score is regressed in units of 17 points: about its standard deviation
# over MTL-AQA, as in the official code. No mean is subtracted.
SCORE_UNIT = 17.0

_DECIMALS = {'spearman': 4, 'relative_l2': 3, 'mae': 2}


def score_loss(predicted: jax.Array, points: jax.Array) -> jax.Array:
  """Returns squared plus absolute error, means over the batch (equation 1).

  Args:
    predicted: float [batch], in units of SCORE_UNIT points.
    points: float [batch], the true score in points.
  """
  error = predicted - points / SCORE_UNIT
  return jnp.mean(error**2) + jnp.mean(jnp.abs(error))


def _interval_lines(measured: Mapping[str, Any]) -> list[str]:
  """Returns how wide the intervals of scores are, and how many dives hold."""
  lines = [
    f'{100 * measured["coverage_wanted"]:g} % interval of a score: '
    + _held(measured)
  ]
  if 'one_width' in measured:
    lines.append(f'  all of one width: {_held(measured["one_width"])}')
  for name, groups in (
    *measured.get('by_class', {}).items(),
    ('difficulty', measured.get('by_difficulty', {})),
  ):
    if groups:
      shares = ', '.join(
        f'{100 * group["coverage"]:.0f} % {key}'
        for key, group in groups.items()
      )
      lines.append(f'  by {name.replace("_", " ")}: {shares}')
  return lines


def _held(measured: Mapping[str, Any]) -> str:
  half = cell(measured['half_width'], 2)
  return f'+- {half} points, holds {100 * measured["coverage"]:.1f} % of these'


def with_score_unit(
  config: ml_collections.ConfigDict, scores: ArrayLike
) -> ml_collections.ConfigDict:
  """Returns the config with a number for a `model.score_unit` of 0.

  It is the standard deviation of the scores that are trained on: a training
  that goes on finds the same.

  Args:
    config: one of `configs/`; a network need not have the field.
    scores: the scores that are trained on, points.

  Raises:
    InputError: the scores are all the same.
  """
  if config.model.get('score_unit', 1.0):
    return config
  unit = float(np.std(np.asarray(scores, np.float64)))
  if not unit:
    raise InputError(
      'config.model.score_unit=0: the scores to train on are all the same; '
      'give the points of an output of 1.'
    )
  config = config.copy_and_resolve_references()
  config.model.score_unit = unit
  return config


@dataclasses.dataclass(frozen=True)
class ScoreTask(Task):
  """The final score, in points.

  Attributes:
    initial_score: score of an untrained network, in units of
      SCORE_UNIT points; 0 for PyTorch's initialisation of the bias.
  """

  initial_score: float = 0.0

  name = 'score'
  head = 'score_regressor'
  chooses_by = 'spearman'
  gives_score = True

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'ScoreTask':
    """Returns the task; every dataset has scores."""
    del schema
    return cls(config.model.get('initial_score', 0.0))

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return {'final_score': 1}

  @property
  def initial(self) -> float:
    """First value of the output layer's bias."""
    return self.initial_score

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns the score, float [batch], in units of SCORE_UNIT points."""
    return layers['final_score'][:, 0]

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'score': ((), np.float32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the score in points."""
    return {'score': np.float32(example['final_score'])}

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns `score_loss`."""
    return score_loss(output, batch['score'])

  def predict(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns score, float [batch], in points."""
    return {'score': output * SCORE_UNIT}

  def measure(self, predictions: Predictions) -> dict[str, float]:
    """Returns `metrics.score_metrics`, execution_spearman and spread_tau.

    A dataset without difficulties has no execution_spearman, a head that tells
    not how unsure it is no spread_tau.
    """
    return self._measure(predictions, np.arange(len(predictions)))

  def _measure(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    scores = predictions.outputs['score'][dives]
    true = predictions.label('final_score')[dives]
    measured = metrics.score_metrics(scores, true)
    if 'difficulty' in predictions.labels:
      measured['execution_spearman'] = metrics.execution_spearman(
        scores,
        true,
        predictions.label('difficulty')[dives],
        predictions.schema.score_rule,
      )
    if 'score_spread' in predictions.outputs:
      measured['spread_tau'] = metrics.spread_tau(
        scores, true, predictions.outputs['score_spread'][dives]
      )
    return measured

  def resampled(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    """Returns the measures of drawn dives."""
    measured = self._measure(predictions, dives)
    # Relative to the range of the whole split: that of a draw depends on two
    # dives.
    spread = float(np.ptp(predictions.label('final_score')))
    if spread:
      measured['relative_l2'] = 100 * measured['mse'] / spread**2
    return measured

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns true_score and predicted_score, points.

    And score_spread, interval_low and interval_high, where there are any.
    """
    outputs = predictions.outputs
    found = {
      'true_score': shortest(predictions.label('final_score')[index]),
      'predicted_score': shortest(outputs['score'][index]),
    }
    if 'score_spread' in outputs:
      found['score_spread'] = float(f'{outputs["score_spread"][index]:.6g}')
    half = outputs.get('score_half_width')
    if half is not None and math.isfinite(half[index]):
      score = float(outputs['score'][index])
      # No dive has less than 0 points.
      found['interval_low'] = round(max(score - half[index], 0.0), 2)
      found['interval_high'] = round(score + half[index], 2)
    return found

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the model above the baselines and the ceilings."""
    intervals = evaluation.get('intervals', {})
    rows = {'model': evaluation}
    for kind in ('baseline', 'ceiling'):
      found = evaluation.get(f'{kind}s', {})
      rows |= {f'{kind}: {name}': figures for name, figures in found.items()}
    lines = ['', line('score', ['Spearman', 'rel. L2', 'MAE'])]
    for name, figures in rows.items():
      cells = [cell(figures[key], n) for key, n in _DECIMALS.items()]
      lines.append(line(name, cells))
      if name == 'model' and 'spearman' in intervals:
        ends = [interval(intervals[key], n) for key, n in _DECIMALS.items()]
        lines.append(line('  95 % interval', ends))
    if 'score_interval' in evaluation:
      lines += _interval_lines(evaluation['score_interval'])
    for name, key in (
      ('model, execution alone', 'execution_spearman'),
      ('model, within an event', 'spearman_within_events'),
      ("stated spread and error, Kendall's tau", 'spread_tau'),
    ):
      if key in evaluation:
        lines.append(line(name, [cell(evaluation[key], 4)]))
    return lines

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the headline, the scatter plots and the errors."""
    # It imports Matplotlib, which only a report needs.
    from aqa_jax.report import score_sections

    return score_sections.sections(predictions, evaluation, shown)

  def dive_section(self, predictions: Predictions, index: int) -> Section:
    """Returns true and predicted score and the error between."""
    from aqa_jax.report import score_sections

    return score_sections.dive_section(predictions, index)

  def curves(self) -> dict[str, Sequence[str]]:
    """Returns the chart of the rank correlations."""
    return {
      'rank correlation': (
        'spearman',
        'kendall_tau',
        'execution_spearman',
        'spearman_within_events',
        'spread_tau',
      )
    }
