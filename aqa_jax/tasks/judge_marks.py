"""The marks of seven judges: MUSDL (Tang et al., CVPR 2020, section 3.3).

Each judge has output layers of its own, which give the probabilities of the 21
marks, 0 to 10 in half points; see `label_distribution`. The score is made of
the likeliest marks by the rules: the two highest and the two lowest are
cancelled, the sum of the others is multiplied by the difficulty, which is given
(section 3.4). The defaults are those of the authors' code.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from numpy.typing import DTypeLike

from aqa_jax.data import judges_marks
from aqa_jax.data.batches import Value
from aqa_jax.data.judges_marks import HIGHEST_MARK, NUM_JUDGES
from aqa_jax.data.schema import Example, Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.task import Batch, Section
from aqa_jax.tasks import label_distribution
from aqa_jax.tasks.execution import ExecutionTask, difficulty_options
from aqa_jax.text_table import cell, line
from tfds_mtl_aqa.input_error import InputError

NUM_MARKS = 21


@dataclasses.dataclass(frozen=True)
class JudgeMarksTask(ExecutionTask):
  """The marks of seven judges, and by the difficulty the score.

  Attributes:
    label_std: of the labels' Gaussians, in half points.
    readout: 'mode', the likeliest mark, or 'mean'.
    hidden_units: units of the hidden layers of each judge.
  """

  label_std: float = label_distribution.LABEL_STD
  readout: str = 'mode'
  hidden_units: tuple[int, ...] = label_distribution.HIDDEN

  name = 'judge_marks'
  head = 'judges'
  spread_words = 'three times the mean of mark_spread'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'JudgeMarksTask':
    """Returns the task.

    Raises:
      InputError: the dataset has no marks; or see `ExecutionTask.create`.
    """
    if 'judge_scores' not in schema.features:
      raise InputError(
        f"config.tasks='{config.tasks}': {config.dataset.name} has no marks of "
        'the judges (judge_scores); give execution or score instead.'
      )
    std, kind, hidden = label_distribution.distribution_options(config)
    return cls(
      label_std=std,
      readout=kind,
      hidden_units=hidden,
      **difficulty_options(config, schema),
    )

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer, one for each judge."""
    return {f'judge{n}': NUM_MARKS for n in range(1, NUM_JUDGES + 1)}

  @property
  def hidden(self) -> tuple[int, ...]:
    """Units of the hidden layers."""
    return self.hidden_units

  @property
  def initial(self) -> float:
    """First value of the biases: PyTorch's."""
    return 0.0

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns the logits of the marks, float [batch, 7, 21]."""
    return jnp.stack([layers[name] for name in self.layers], axis=1)

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'marks': ((NUM_JUDGES,), np.float32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the marks; -1 for one that is unknown."""
    marks = np.asarray(example['judge_scores'], np.float32)
    return {'marks': np.where(np.isfinite(marks), marks, np.float32(-1))}

  def check_labels(self, labels: Columns) -> None:
    """Checks that there are marks to learn from.

    Raises:
      InputError: no dive has seven marks, or a mark is not 0 to 10.
    """
    marks = np.asarray(labels['judge_scores'], np.float64)
    known = np.isfinite(marks)
    if not known.all(axis=1).any():
      raise InputError(
        "config.tasks: judge_marks needs the judges' marks, and no dive to "
        'train on has all seven; prepare the dataset with them, or give '
        'execution instead.'
      )
    if ((marks[known] < 0) | (marks[known] > HIGHEST_MARK)).any():
      raise InputError(
        "config.tasks: judge_marks takes marks from 0 to 10, and the dives' "
        f'judge_scores are {np.nanmin(marks):g} to {np.nanmax(marks):g}; mend '
        'the dataset, or give execution instead.'
      )

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns the sum over the judges of the mean divergences, a scalar.

    A mark that is unknown counts nothing.

    Args:
      output: logits, float [batch, 7, 21].
      batch: has marks, float32 [batch, 7], -1 where unknown.
    """
    marks = batch['marks']
    target = label_distribution.gaussian_labels(
      marks, HIGHEST_MARK, NUM_MARKS, self.label_std
    )
    by_mark = label_distribution.divergence(target, output)
    return jnp.where(marks < 0, 0.0, by_mark).sum(axis=1).mean()

  def predict(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns marks and mark_spread, float [batch, 7], by judge.

    Marks are 0 to 10; a spread is the standard deviation of a distribution,
    which contains that of the labels.
    """
    return {
      'marks': label_distribution.readout(output, HIGHEST_MARK, self.readout),
      'mark_spread': label_distribution.spread(output, HIGHEST_MARK),
    }

  def explained(self, output: jax.Array) -> jax.Array:
    """Returns the execution of the mean marks, which has a gradient, points."""
    means = label_distribution.readout(output, HIGHEST_MARK, 'mean')
    middle = jnp.sort(means, axis=1)[:, 2:-2].sum(axis=1)
    return middle / 3 if self.rule is ScoreRule.SUM else middle

  def executions(self, outputs: Columns, difficulty: np.ndarray) -> np.ndarray:
    """Returns the executions of the marks, float [dives], points."""
    del difficulty
    middle = judges_marks.trimmed_sum(outputs['marks'])
    return self.rule.execution_of_marks(middle)

  def execution_spreads(
    self, outputs: Columns, difficulty: np.ndarray
  ) -> np.ndarray:
    """Returns three times the mean spread of the marks, float [dives], points.

    So it is for judges that are wrong together, as they see the same dive.
    """
    del difficulty
    spread = np.asarray(outputs['mark_spread']).mean(axis=1)
    return self.rule.execution_of_marks(3 * spread)

  def _measure(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    measured = super()._measure(predictions, dives)
    true = np.asarray(predictions.label('judge_scores')[dives], np.float64)
    error = np.abs(predictions.outputs['marks'][dives] - true)
    known = np.isfinite(error)
    if known.any():
      measured['mark_mae'] = float(error[known].mean())
      measured['marks_within_half'] = 100 * float((error[known] <= 0.5).mean())
    return measured

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns those of the execution, true_marks and predicted_marks."""
    true, predicted = (
      ' '.join(f'{mark:g}' for mark in marks)
      for marks in (
        predictions.labels['judge_scores'][index],
        predictions.outputs['marks'][index],
      )
    )
    return super().columns(predictions, index) | {
      'true_marks': true,
      'predicted_marks': predicted,
    }

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the score's lines, and one about the marks."""
    lines = super().table(evaluation)
    if 'mark_mae' in evaluation:
      lines += [
        '',
        line('marks of the judges', ['MAE', 'within 0.5']),
        line(
          'model',
          [
            cell(evaluation['mark_mae'], 3),
            f'{cell(evaluation["marks_within_half"], 1)} %',
          ],
        ),
      ]
    return lines

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the score's sections, and the errors of the marks by judge."""
    from aqa_jax.report import marks_sections

    return [
      *super().sections(predictions, evaluation, shown),
      *marks_sections.sections(predictions, evaluation),
    ]

  def dive_section(self, predictions: Predictions, index: int) -> Section:
    """Returns the score's section, and the marks as on the scoreboard."""
    from aqa_jax.report import marks_sections

    section = super().dive_section(predictions, index)
    return marks_sections.dive_section(section, predictions, index)
