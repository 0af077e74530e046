"""The faults of a dive, of datasets that know them, as simulated ones do."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.evaluation import metrics
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.task import Batch, Section, Task
from aqa_jax.text_table import cell, line
from tfds_mtl_aqa.input_error import InputError

# What names of the nested feature begin with.
_PREFIX = 'faults/'


def with_fault_units(
  config: ml_collections.ConfigDict, labels: Columns
) -> ml_collections.ConfigDict:
  """Returns the config with `model.fault_units`, where faults are a task.

  The unit of a fault is the root of its mean square among the dives that are
  trained on, for its values below and above zero apart: a training that goes on
  finds the same.

  Args:
    config: one of `configs/`.
    labels: labels of the dives that are trained on; see `DiveSplit.labels`.

  Returns:
    A copy with fault name -> (unit below zero, unit above zero), 0 where the
    fault has no such value; the config as given without the task or without
    faults.
  """
  names = [name for name in labels if name.startswith(_PREFIX)]
  if FaultsTask.name not in config.tasks.split(',') or not names:
    return config
  units = {}
  for name in names:
    values = np.asarray(labels[name], np.float64)
    sides = np.stack([np.minimum(values, 0), np.maximum(values, 0)])
    below, above = np.sqrt((sides**2).mean(axis=1)).tolist()
    units[name.removeprefix(_PREFIX)] = (below, above)
  config = config.copy_and_resolve_references().unlock()
  config.model.fault_units = units
  return config.lock()


@dataclasses.dataclass(frozen=True)
class FaultSide:
  """The values of a fault on one side of zero.

  Attributes:
    name: name of the fault.
    sign: 1 for values above zero, -1 for those below.
    unit: of the network's output, in the fault's own unit.
  """

  name: str
  sign: int
  unit: float


@dataclasses.dataclass(frozen=True)
class FaultsTask(Task):
  """How large each fault of a dive is.

  A fault with values on both sides of zero, as too much and too little rotation
  are, has an output for each side: where the video does not show the side, it
  still shows that there is a fault.

  Attributes:
    sides: the outputs.
  """

  sides: tuple[FaultSide, ...]

  name = 'faults'
  head = 'fault_regressor'
  chooses_by = 'mean_fault_spearman'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'FaultsTask':
    """Returns the task.

    Raises:
      InputError: the dataset does not know the faults.
    """
    names = [
      name.removeprefix(_PREFIX)
      for name in schema.features
      if name.startswith(_PREFIX)
    ]
    if not names:
      raise InputError(
        f"config.tasks='{config.tasks}': {config.dataset.name} does not know "
        'the faults of its dives; leave faults out.'
      )
    # A program that is only compiled knows no labels.
    units = config.model.get('fault_units', dict.fromkeys(names, (0.0, 1.0)))
    return cls(
      tuple(
        FaultSide(name, sign, unit)
        for name in sorted(units)
        for sign, unit in zip((-1, 1), units[name], strict=True)
        if unit
      )
    )

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return {'severities': len(self.sides)}

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns float [batch, sides], in the unit of each side."""
    return layers['severities']

  def cues(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns the severities, in the unit of each side."""
    return {'severities': output}

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {'faults': ((len(self.sides),), np.float32)}

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the faults, 0 or more, in the unit of each side."""
    sides = [
      max(side.sign * float(example['faults'][side.name]), 0.0) / side.unit
      for side in self.sides
    ]
    return {'faults': np.array(sides, np.float32)}

  def check_labels(self, labels: Columns) -> None:
    """Raises InputError where a fault is not finite, or none ever occurs."""
    for side in self.sides:
      values = np.asarray(labels[_PREFIX + side.name], np.float64)
      if not np.isfinite(values).all():
        raise InputError(
          f'{_PREFIX}{side.name} of some dives to train on is not finite; mend '
          'the dataset, or leave faults out of config.tasks.'
        )
    if not self.sides:
      raise InputError(
        'the dives to train on have no faults, all are 0; leave faults out of '
        'config.tasks.'
      )

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns the mean squared error, in units of each side."""
    return jnp.mean((output - batch['faults']) ** 2)

  def predict(self, output: jax.Array) -> dict[str, dict[str, jax.Array]]:
    """Returns faults: name -> float [batch], in the fault's own unit."""
    faults: dict[str, jax.Array] = {}
    for i, side in enumerate(self.sides):
      value = side.sign * side.unit * output[:, i]
      faults[side.name] = faults.get(side.name, jnp.zeros_like(value)) + value
    return {'faults': faults}

  def measure(self, predictions: Predictions) -> dict[str, Any]:
    """Returns fault_spearman, by fault, and mean_fault_spearman, their mean."""
    return self._measure(predictions, np.arange(len(predictions)))

  def _measure(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, Any]:
    found = {
      name: metrics.spearman(
        predicted[dives], predictions.label(_PREFIX + name)[dives]
      )
      for name, predicted in predictions.outputs['faults'].items()
    }
    return {
      'fault_spearman': found,
      'mean_fault_spearman': float(np.mean(list(found.values()))),
    }

  def resampled(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    """Returns fault_spearman_<name> and mean_fault_spearman of drawn dives."""
    measured = self._measure(predictions, dives)
    by_name = measured.pop('fault_spearman')
    return measured | {f'fault_spearman_{k}': v for k, v in by_name.items()}

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns true_<name> and predicted_<name>, in the fault's own unit."""
    row = {}
    for name, predicted in predictions.outputs['faults'].items():
      true = predictions.label(_PREFIX + name)[index]
      row[f'true_{name}'] = round(float(true), 4)
      row[f'predicted_{name}'] = round(float(predicted[index]), 4)
    return row

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the rank correlation of each fault."""
    rows = dict(evaluation['fault_spearman'])
    if len(rows) > 1:
      rows['mean'] = evaluation['mean_fault_spearman']
    lines = ['', line('fault', ['Spearman'])]
    return lines + [
      line(name.replace('_', ' '), [cell(value, 3)])
      for name, value in rows.items()
    ]

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the rank correlation of each fault."""
    from aqa_jax.report import report_tables

    del predictions, shown
    rows = [
      (name.replace('_', ' '), report_tables.number(value, 3))
      for name, value in (
        *evaluation['fault_spearman'].items(),
        ('mean', evaluation['mean_fault_spearman']),
      )
    ]
    note = 'Rank correlation of predicted and true faults; of a guess, 0.'
    content = {'note': note, 'rows': rows}
    return [Section('faults', 'Faults', 'measures.html', content, 35)]

  def dive_section(self, predictions: Predictions, index: int) -> Section:
    """Returns predicted and true faults."""
    rows = [
      (
        name.replace('_', ' '),
        _three_digits(predicted[index]),
        _three_digits(predictions.label(_PREFIX + name)[index]),
      )
      for name, predicted in predictions.outputs['faults'].items()
    ]
    return Section('', '', 'dive_numbers.html', rows, 65)

  def curves(self) -> dict[str, Sequence[str]]:
    """Returns the chart of the rank correlations."""
    names = dict.fromkeys(side.name for side in self.sides)
    return {
      'faults, rank correlation': [
        'mean_fault_spearman',
        *(f'fault_spearman_{name}' for name in names),
      ]
    }


def _three_digits(value: float) -> str:
  """Returns a fault as text, with three digits."""
  return f'{float(value):.3g}'
