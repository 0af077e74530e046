"""Predictions of a model for some dives, with the true labels."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aqa_jax.data.schema import Schema

# Of many dives: arrays [dives, ...], lists, or dicts of them.
Columns = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Predictions:
  """Predictions of a model for the dives of a split.

  Attributes:
    labels: the truth, feature name -> [dives], as `DiveSplit.labels` has it.
    outputs: what the tasks' `predict` and `decode` give, [dives] each.
    schema: which labels the dataset has.
  """

  labels: Columns
  outputs: Columns
  schema: Schema

  def __post_init__(self) -> None:
    """Checks that all columns have the same number of dives.

    Raises:
      ValueError: a column has another number of dives.
    """
    leaves = jax.tree_util.tree_leaves_with_path(
      {'labels': dict(self.labels), 'outputs': dict(self.outputs)},
      is_leaf=lambda leaf: isinstance(leaf, Sequence),
    )
    sizes = {jax.tree_util.keystr(path): len(leaf) for path, leaf in leaves}
    if len(set(sizes.values())) > 1:
      raise ValueError(f'The numbers of dives differ: {sizes}.')

  def __len__(self) -> int:
    return len(self.labels['final_score'])

  def label(self, name: str) -> np.ndarray:
    """Returns a label as an array [dives].

    Args:
      name: name of the feature.
    """
    return np.asarray(self.labels[name])
