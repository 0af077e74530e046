"""What faults cost, learned from the scores of the dives that are trained on.

The lost execution of a dive, that is perfect execution - execution, is taken
as a sum over its faults, size times cost, and of what any dive loses. The costs
are found by non-negative least squares: a fault never gives points.
"""

import dataclasses
import importlib
from collections.abc import Mapping

import ml_collections
import numpy as np

from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.predictions import Columns

# What names of the nested feature begin with.
PREFIX = 'faults/'
# Datasets whose package tells what each fault costs, and in which phase of the
# action it shows.
_SIMULATED = ('simulated_dives', 'simulated_vaults')


@dataclasses.dataclass(frozen=True)
class FaultCosts:
  """What faults cost.

  Attributes:
    by_fault: (name, below, above) of each fault: the points of the execution,
      0 or more, that a fault of size 1, in its own unit, costs below and above
      zero.
    always: points of the execution that a dive without faults loses.
    phases: (name, phase) of each fault whose phase is known: the part of the
      action in which it shows, such as 'entry'.
  """

  by_fault: tuple[tuple[str, float, float], ...]
  always: float
  phases: tuple[tuple[str, str], ...] = ()

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> 'FaultCosts | None':
    """Returns the costs of a config with `model.fault_costs`; else None."""
    if 'fault_costs' not in config.model:
      return None
    found = config.model.fault_costs
    return cls(
      tuple(
        (n, *map(float, found.by_fault[n])) for n in sorted(found.by_fault)
      ),
      float(found.always),
      tuple((name, found.phases[name]) for name in sorted(found.phases)),
    )

  def cost(self, name: str, sign: int) -> float:
    """Returns points of the execution per unit of a fault on a side of zero.

    Args:
      name: name of the fault.
      sign: 1 for values above zero, -1 for those below.
    """
    costs = {fault: sides for fault, *sides in self.by_fault}
    return costs[name][sign > 0] if name in costs else 0.0

  def phase(self, name: str) -> str:
    """Returns the phase in which a fault shows; '' where it is not known."""
    return dict(self.phases).get(name, '')

  def lost(self, faults: Columns) -> dict[str, np.ndarray]:
    """Returns the points of the execution that faults cost, [dives] each.

    Args:
      faults: name -> sizes, float [dives], in the fault's own unit.
    """
    return {
      name: self.cost(name, -1) * np.maximum(-np.asarray(sizes), 0)
      + self.cost(name, 1) * np.maximum(np.asarray(sizes), 0)
      for name, sizes in faults.items()
    }


def fit_costs(
  faults: Mapping[str, np.ndarray], lost: np.ndarray
) -> tuple[dict[str, tuple[float, float]], float]:
  """Returns what each fault costs, and what any dive loses.

  Args:
    faults: name -> sizes, float [dives]; dives with a size that is not finite
      count nothing.
    lost: float [dives], points that each dive has lost; the same.

  Returns:
    Name -> (points per unit below zero, above zero), 0 or more, and 0 where no
    dive has such a size; and the points that are always lost, 0 or more.
  """
  from scipy import optimize

  sizes = np.stack([np.asarray(each, np.float64) for each in faults.values()])
  sides = np.concatenate([np.maximum(-sizes, 0), np.maximum(sizes, 0)])
  known = np.isfinite(sides).all(axis=0) & np.isfinite(lost)
  # Of one size, whatever the units.
  units = sides[:, known].max(axis=1, initial=0.0)
  units[units == 0] = 1.0
  factors = np.vstack([sides[:, known] / units[:, None], np.ones(known.sum())])
  found, _ = optimize.nnls(factors.T, np.asarray(lost, np.float64)[known])
  below, above = (found[:-1] / units).reshape(2, -1).tolist()
  costs = dict(zip(faults, zip(below, above, strict=True), strict=True))
  return costs, float(found[-1])


def with_fault_costs(
  config: ml_collections.ConfigDict, labels: Columns, rule: ScoreRule
) -> ml_collections.ConfigDict:
  """Returns the config with `model.fault_costs`, where faults are a task.

  Args:
    config: one of `configs/`.
    labels: labels of the dives that are trained on; see `DiveSplit.labels`.
    rule: how a score follows from difficulty and execution.

  Returns:
    A copy with the fields of `FaultCosts`; the config as given without the
    task, or where the dataset has no faults or no difficulties.
  """
  names = [name for name in labels if name.startswith(PREFIX)]
  tasks = [name.strip() for name in config.tasks.split(',')]
  if 'faults' not in tasks or not names or 'difficulty' not in labels:
    return config
  score, difficulty = (
    np.asarray(labels[name], np.float64)
    for name in ('final_score', 'difficulty')
  )
  faults = {
    name.removeprefix(PREFIX): np.asarray(labels[name], np.float64)
    for name in names
  }
  lost = rule.perfect_execution - rule.execution(score, difficulty)
  by_fault, always = fit_costs(faults, lost)
  phases = _phases(config.dataset.name)
  config = config.copy_and_resolve_references().unlock()
  config.model.fault_costs = {
    'by_fault': by_fault,
    'always': always,
    'phases': {name: phases[name] for name in faults if name in phases},
  }
  return config.lock()


def _phases(dataset: str) -> dict[str, str]:
  """Returns fault -> phase, of a dataset that is simulated; else nothing."""
  kind = dataset.partition('/')[0].partition(':')[0]
  if kind not in _SIMULATED:
    return {}
  module = importlib.import_module(f'tfds_mtl_aqa.{kind}.faults')
  phases: dict[str, str] = module.PHASES
  return phases


def true_deductions(dataset: str, labels: Columns) -> Columns | None:
  """Returns what the faults cost by the rules of a simulated dataset.

  Args:
    dataset: name of the dataset, such as 'simulated_dives/quickstart'.
    labels: labels of dives; see `DiveSplit.labels`.

  Returns:
    Fault -> points that each judge subtracts for it, without noise, float64
    [dives]; None for a dataset that is not simulated.
  """
  kind = dataset.partition('/')[0].partition(':')[0]
  if kind not in _SIMULATED:
    return None
  faults = importlib.import_module(f'tfds_mtl_aqa.{kind}.faults')
  judging = importlib.import_module(f'tfds_mtl_aqa.{kind}.judging')
  columns = [np.asarray(labels[PREFIX + name]) for name in faults.NAMES]
  rows = [
    judging.deductions(faults.Faults(*map(float, values)))
    for values in zip(*columns, strict=True)
  ]
  return {
    name: np.array([row[name] for row in rows], np.float64)
    for name in faults.NAMES
  }
