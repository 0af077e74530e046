"""The stages of a dive, for each frame of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from numpy.typing import DTypeLike

from aqa_jax.data import stage_labels
from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.evaluation import stage_segmentation
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.task import Batch, Section, Task
from aqa_jax.text_table import cell, line
from tfds_mtl_aqa.labels import STAGES


@dataclasses.dataclass(frozen=True)
class StagesTask(Task):
  """One of five stages for each stored frame: four that end, and the rest.

  Attributes:
    dataset: name of the dataset, for errors.
  """

  dataset: str = ''

  name = 'stages'
  head = 'stages'
  chooses_by = 'stage_accuracy'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'StagesTask':
    """Returns the task.

    Raises:
      InputError: the dataset has no stages.
    """
    stage_labels.check_features(schema.features, config.dataset.name)
    return cls(config.dataset.name)

  @property
  def layers(self) -> dict[str, int]:
    """Units of the output layer."""
    return {'stages': len(STAGES) + 1}

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns the logits, float [batch, frames, stages]."""
    return layers['stages']

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'stage_ends': ((len(STAGES),), np.int32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the ends of the stages, stored frames."""
    return {'stage_ends': np.asarray(example['stage_ends'], np.int32)}

  def check_labels(self, labels: Columns) -> None:
    """Raises InputError where the stages of a dive are not known."""
    stage_labels.checked(labels, self.dataset)

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns the cross-entropy, the mean over dives and frames."""
    frames = jnp.arange(output.shape[1])
    ends = batch['stage_ends'][:, None, :]
    stages = (ends <= frames[:, None]).sum(axis=-1)
    return optax.softmax_cross_entropy_with_integer_labels(
      output, stages
    ).mean()

  def predict(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns stages, int32 [batch, frames], from 0."""
    return {'stages': output.argmax(axis=-1).astype(jnp.int32)}

  def decode(self, outputs: Columns, schema: Schema) -> dict[str, np.ndarray]:
    """Returns stage_ends, int64 [dives, 4]; see `stage_segmentation`."""
    del schema
    return {
      'stage_ends': stage_segmentation.ends_of(outputs['stages'], len(STAGES))
    }

  def measure(self, predictions: Predictions) -> dict[str, Any]:
    """Returns stage_accuracy and stage_end_mae; see `stage_segmentation`."""
    return self._measure(predictions, np.arange(len(predictions)))

  def _measure(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, Any]:
    return stage_segmentation.measure(
      predictions.outputs['stages'][dives],
      predictions.label('stage_ends')[dives],
      STAGES,
    )

  def resampled(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    """Returns stage_accuracy, and stage_end_mae_<name>, of drawn dives."""
    measured = self._measure(predictions, dives)
    errors = measured.pop('stage_end_mae')
    return measured | {f'stage_end_mae_{k}': v for k, v in errors.items()}

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns true_<name>_end and predicted_<name>_end, stored frames."""
    row = {}
    for side, columns in (
      ('true', predictions.labels),
      ('predicted', predictions.outputs),
    ):
      for name, end in zip(STAGES, columns['stage_ends'][index], strict=True):
        row[f'{side}_{name}_end'] = int(end)
    return row

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the share of the frames, and the errors of the ends."""
    lines = [
      '',
      line('frames right, %', [cell(evaluation['stage_accuracy'], 1)]),
      'end of a stage, frames off',
    ]
    return lines + [
      line(f'  {name}', [cell(error, 2)])
      for name, error in evaluation['stage_end_mae'].items()
    ]

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the figures as a table."""
    del predictions, shown
    rows = [('frames right, %', f'{evaluation["stage_accuracy"]:.1f}')]
    rows += [
      (f'end of the {name}, frames off', f'{error:.2f}')
      for name, error in evaluation['stage_end_mae'].items()
    ]
    note = 'Which stored frames are of which stage of the dive.'
    content = {'note': note, 'rows': rows}
    return [Section('stages', 'Stages', 'measures.html', content, 10)]

  def dive_section(self, predictions: Predictions, index: int) -> Section:
    """Returns predicted and true ends."""
    row = self.columns(predictions, index)
    rows = [
      (
        f'end of the {name}',
        str(row[f'predicted_{name}_end']),
        str(row[f'true_{name}_end']),
      )
      for name in STAGES
    ]
    return Section('', '', 'dive_numbers.html', rows, 0)

  def curves(self) -> dict[str, Sequence[str]]:
    """Returns the charts of the frames right and of the ends."""
    return {
      'frames right, percent': ['stage_accuracy'],
      'stage ends, frames off': [f'stage_end_mae_{name}' for name in STAGES],
    }
