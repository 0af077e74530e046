"""The classes of a dive: one cross-entropy each (paper, equation 2)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import ml_collections
import numpy as np
import optax
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.evaluation import metrics
from aqa_jax.predictions import Predictions
from aqa_jax.task import Batch, Section, Task
from aqa_jax.text_table import cell, line
from tfds_mtl_aqa.input_error import InputError

ByClass = Mapping[str, jax.Array]


def class_loss(logits: ByClass, labels: ByClass) -> jax.Array:
  """Returns the sum of the cross-entropies, batch means (equation 2).

  Args:
    logits: logits by classification, float [batch, classes].
    labels: class ids by classification, int [batch]; others are ignored.
  """
  return sum(
    optax.softmax_cross_entropy_with_integer_labels(
      logits[name], labels[name]
    ).mean()
    for name in logits
  )


def _mean(accuracies: Mapping[str, float]) -> float:
  return float(np.mean(list(accuracies.values())))


@dataclasses.dataclass(frozen=True)
class ClassesTask(Task):
  """All classifications of the dataset; of a dive, five.

  Attributes:
    classes: (name, number of classes) of each.
  """

  classes: tuple[tuple[str, int], ...]

  name = 'classes'
  head = 'dive_classifier'
  chooses_by = 'mean_accuracy'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'ClassesTask':
    """Returns the task.

    Raises:
      InputError: the dataset has no classes.
    """
    if not schema.classes:
      raise InputError(
        f"config.tasks='{config.tasks}': {config.dataset.name} has no classes; "
        'give other tasks, such as score.'
      )
    return cls(tuple((name, len(names)) for name, names in schema.classes))

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return dict(self.classes)

  def cues(self, output: ByClass) -> dict[str, jax.Array]:
    """Returns the probabilities of each classification."""
    return {name: nn.softmax(output[name]) for name, _ in self.classes}

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {name: ((), np.int32) for name, _ in self.classes}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the class id of each classification."""
    return {name: np.int32(example[name]) for name, _ in self.classes}

  def loss(self, output: ByClass, batch: Batch) -> jax.Array:
    """Returns `class_loss`."""
    # In the order of `classes`: a jitted function sorts the keys of a dict.
    return class_loss({name: output[name] for name, _ in self.classes}, batch)

  def predict(self, output: ByClass) -> dict[str, dict[str, jax.Array]]:
    """Returns classes, int32 [batch], and class_probabilities, both by name.

    The probabilities are float [batch, classes].
    """
    return {
      'classes': {k: logits.argmax(axis=-1) for k, logits in output.items()},
      'class_probabilities': {k: nn.softmax(v) for k, v in output.items()},
    }

  def measure(self, predictions: Predictions) -> dict[str, Any]:
    """Returns accuracy, by classification, and mean_accuracy, their mean.

    Both are percent (0 to 100).
    """
    accuracies = metrics.class_accuracies(
      predictions.outputs['classes'], predictions.labels
    )
    return {
      'accuracy': accuracies,
      'mean_accuracy': _mean(accuracies),
    }

  def resampled(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    """Returns accuracy_<name> and mean_accuracy, percent, of drawn dives."""
    predicted = predictions.outputs['classes']
    accuracies = {
      f'accuracy_{name}': 100
      * float(np.mean(predicted[name][dives] == predictions.label(name)[dives]))
      for name, _ in self.classes
    }
    return accuracies | {'mean_accuracy': _mean(accuracies)}

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns true_<name> and predicted_<name>, the names of the classes."""
    row = {}
    for name, _ in self.classes:
      names = predictions.schema.class_names[name]
      row[f'true_{name}'] = names[int(predictions.labels[name][index])]
      predicted = predictions.outputs['classes'][name][index]
      row[f'predicted_{name}'] = names[int(predicted)]
    return row

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the accuracies beside those of the commonest class."""
    accuracy = evaluation['accuracy']
    majority = evaluation.get('majority_accuracy', {})
    rows = {
      name: (right, majority.get(name)) for name, right in accuracy.items()
    }
    if len(rows) > 1:
      guessed = _mean(majority) if accuracy.keys() <= majority.keys() else None
      rows['mean'] = _mean(accuracy), guessed
    lines = ['', line('class, % correct', ['model', 'majority'])]
    return lines + [
      line(name, [cell(figure, 2) for figure in figures])
      for name, figures in rows.items()
    ]

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the mean accuracy, and the confusion matrices."""
    from aqa_jax.report import report_tables

    del shown
    mean = evaluation.get('mean_accuracy') if len(self.classes) > 1 else None
    content = {
      'mean': None if mean is None else report_tables.number(mean, 2),
      'tables': report_tables.confusion_tables(predictions, evaluation),
    }
    return [Section('classes', 'Classes', 'classes.html', content, 30)]

  def dive_section(self, predictions: Predictions, index: int) -> Section:
    """Returns true and predicted classes, with their probabilities."""
    from aqa_jax.report import report_tables

    rows = report_tables.class_rows(
      self.columns(predictions, index), predictions, index
    )
    return Section('', '', 'dive_classes.html', rows, 60)

  def curves(self) -> dict[str, Sequence[str]]:
    """Returns the chart of the accuracies."""
    return {
      'accuracy, percent': [
        'mean_accuracy',
        *(f'accuracy_{name}' for name, _ in self.classes),
      ]
    }
