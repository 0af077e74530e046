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
from aqa_jax.tasks import points_lost
from aqa_jax.tasks.fault_costs import PREFIX, FaultCosts
from aqa_jax.text_table import cell, line
from tfds_mtl_aqa.input_error import InputError


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
  names = [name for name in labels if name.startswith(PREFIX)]
  if FaultsTask.name not in config.tasks.split(',') or not names:
    return config
  units = {}
  for name in names:
    values = np.asarray(labels[name], np.float64)
    sides = np.stack([np.minimum(values, 0), np.maximum(values, 0)])
    below, above = np.sqrt((sides**2).mean(axis=1)).tolist()
    units[name.removeprefix(PREFIX)] = (below, above)
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
    costs: what faults cost; None where it is not known, as in a config of an
      earlier version: then no points lost are predicted.
    dataset: name of the dataset, which tells what is known of the truth.
  """

  sides: tuple[FaultSide, ...]
  costs: FaultCosts | None = None
  dataset: str = ''

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
      name.removeprefix(PREFIX)
      for name in schema.features
      if name.startswith(PREFIX)
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
      ),
      FaultCosts.of(config),
      config.dataset.name,
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
      values = np.asarray(labels[PREFIX + side.name], np.float64)
      if not np.isfinite(values).all():
        raise InputError(
          f'{PREFIX}{side.name} of some dives to train on is not finite; mend '
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
    """Returns sizes and costs, name -> float [batch] each.

    Returns:
      faults: in the fault's own unit; and, where the costs are known,
      execution_lost: points of the execution that the fault costs.
    """
    faults: dict[str, jax.Array] = {}
    lost: dict[str, jax.Array] = {}
    for i, side in enumerate(self.sides):
      value = side.sign * side.unit * output[:, i]
      faults[side.name] = faults.get(side.name, jnp.zeros_like(value)) + value
      if self.costs is None:
        continue
      # Both sides count: where the video does not show which one it is, each
      # has a part of the fault.
      cost = self.costs.cost(side.name, side.sign) * side.unit
      points = cost * jnp.maximum(output[:, i], 0)
      lost[side.name] = lost.get(side.name, jnp.zeros_like(points)) + points
    return {'faults': faults} | ({'execution_lost': lost} if lost else {})

  def magnitudes(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns how large each fault is, on either side: name -> float [batch].

    In the fault's own unit, and not cut off at zero: it always has a gradient.

    Args:
      output: output of the network, in evaluation.
    """
    sizes: dict[str, jax.Array] = {}
    for i, side in enumerate(self.sides):
      size = side.unit * output[:, i]
      sizes[side.name] = sizes.get(side.name, jnp.zeros_like(size)) + size
    return sizes

  @property
  def given(self) -> tuple[str, ...]:
    """The difficulty, by which costs become points of the score."""
    return () if self.costs is None else ('difficulty',)

  def complete(
    self, outputs: Columns, given: Columns, schema: Schema
  ) -> dict[str, Any]:
    """Returns what the faults cost.

    Returns:
      points_lost: fault -> points of the score, [dives]; perfect_score: the
      score where every judge gives 10, [dives]. NaN where the difficulty is not
      known. Nothing where the costs are not known.
    """
    if 'execution_lost' not in outputs:
      return {}
    # Of the task that gives the score, which may take it from the classes.
    difficulty = np.asarray(
      outputs.get('used_difficulty', given['difficulty']), np.float64
    )
    rule = schema.score_rule
    perfect = np.full(len(difficulty), rule.perfect_execution)
    return {
      'points_lost': {
        name: rule.points(np.asarray(points), difficulty)
        for name, points in outputs['execution_lost'].items()
      },
      'perfect_score': rule.joined(perfect, difficulty),
    }

  def measure(self, predictions: Predictions) -> dict[str, Any]:
    """Returns fault_spearman, by fault, and mean_fault_spearman, their mean.

    And points_lost, where the costs are known: see `points_lost.measure`.
    """
    measured = self._measure(predictions, np.arange(len(predictions)))
    if self.costs is not None:
      measured['points_lost'] = points_lost.measure(
        predictions, self.costs, self.dataset
      )
    return measured

  def _measure(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, Any]:
    found = {
      name: metrics.spearman(
        predicted[dives], predictions.label(PREFIX + name)[dives]
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
    """Returns true_<name> and predicted_<name>, in the fault's own unit.

    And what `points_lost.columns` returns, where the costs are known.
    """
    row: dict[str, Any] = {}
    for name, predicted in predictions.outputs['faults'].items():
      true = predictions.label(PREFIX + name)[index]
      row[f'true_{name}'] = round(float(true), 4)
      row[f'predicted_{name}'] = round(float(predicted[index]), 4)
    if self.costs is not None:
      row |= points_lost.columns(predictions, self.costs, self.dataset, index)
    return row

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the rank correlation of each fault, and the points lost."""
    rows = dict(evaluation['fault_spearman'])
    if len(rows) > 1:
      rows['mean'] = evaluation['mean_fault_spearman']
    lines = ['', line('fault', ['Spearman'])]
    lines += [
      line(name.replace('_', ' '), [cell(value, 3)])
      for name, value in rows.items()
    ]
    if 'points_lost' in evaluation:
      lines += points_lost.table(evaluation['points_lost'])
    return lines

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the rank correlation of each fault, and the points lost."""
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
    sections = [Section('faults', 'Faults', 'measures.html', content, 35)]
    if self.costs is not None:
      lost = points_lost.section(evaluation['points_lost'], self.costs)
      sections.append(
        Section('points-lost', 'Points lost', 'points_lost.html', lost, 36)
      )
    return sections

  def dive_section(self, predictions: Predictions, index: int) -> Section:
    """Returns predicted and true faults, with the points that they cost."""
    if self.costs is not None:
      content = points_lost.dive_section(
        predictions, self.costs, self.dataset, index
      )
      return Section('', '', 'dive_points_lost.html', content, 65)
    rows = [
      (
        name.replace('_', ' '),
        _three_digits(predicted[index]),
        _three_digits(predictions.label(PREFIX + name)[index]),
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
