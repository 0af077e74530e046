"""The measures of one evaluation: score and classes.

NaN means "not defined on these dives" (a rank correlation of constants); the
files that `evaluation_files` writes show it as null.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from aqa_jax.data.score_rule import ScoreRule

# Executions are sums of half points, and many are equal. Rounding to so many
# decimals makes them equal again, which float32 scores do not.
_EXECUTION_DECIMALS = 3


def score_metrics(predicted: ArrayLike, true: ArrayLike) -> dict[str, float]:
  """Compares predicted scores with the true ones.

  Args:
    predicted: float [dives], points.
    true: float [dives], points (0 to about 105).

  Returns:
    spearman: rank correlation, -1 to 1, ties at their mean rank; NaN where
      either side is constant.
    kendall_tau: Kendall's tau-b, -1 to 1; NaN likewise.
    relative_l2: mean(((predicted - true) / (max true - min true))**2) * 100,
      "R-l2 (x100)" of CoRe (Yu et al., ICCV 2021); NaN where all true scores
      are equal.
    mse: mean squared error, points squared.
    mae: mean absolute error, points.

  Raises:
    ValueError: the arrays are empty, differ in shape, are not one-dimensional,
      or hold a NaN or an infinity.
  """
  predicted, true = _checked(predicted=predicted, true=true)
  error = predicted - true
  spread = np.ptp(true)
  mse = float(np.mean(error**2))
  return {
    'spearman': float(spearman(predicted, true)),
    'kendall_tau': _kendall_tau(predicted, true),
    'relative_l2': 100 * mse / float(spread) ** 2 if spread else float('nan'),
    'mse': mse,
    'mae': float(np.mean(np.abs(error))),
  }


def execution_spearman(
  predicted: ArrayLike,
  true: ArrayLike,
  difficulty: ArrayLike,
  rule: ScoreRule = ScoreRule.PRODUCT,
) -> float:
  """Returns the rank correlation of the execution alone.

  A score is execution times difficulty, or plus it. The difficulty is known
  before the dive; the rest is what the judges saw.

  Args:
    predicted: float [dives], predicted scores in points.
    true: float [dives], true scores in points.
    difficulty: float [dives], degree of difficulty (1.5 to 4.1).
    rule: how scores follow from difficulty and execution.

  Returns:
    Spearman's correlation of the executions of predicted and true scores, -1 to
    1; NaN where either side is constant.

  Raises:
    ValueError: see `score_metrics`; or a difficulty is not positive.
  """
  predicted, true, difficulty = _checked(
    predicted=predicted, true=true, difficulty=difficulty
  )
  if np.any(difficulty <= 0):
    raise ValueError(
      f'Difficulties must be positive, got {np.min(difficulty):g}.'
    )
  return float(
    spearman(
      rule.execution(predicted, difficulty),
      np.round(rule.execution(true, difficulty), _EXECUTION_DECIMALS),
    )
  )


def spread_tau(
  predicted: ArrayLike, true: ArrayLike, spread: ArrayLike
) -> float:
  """Returns whether the scores that are said to be unsure are wrong by more.

  Args:
    predicted: float [dives], points.
    true: float [dives], points.
    spread: float [dives], how unsure each score is, in any unit.

  Returns:
    Kendall's tau-b of the spreads and the absolute errors, -1 to 1; NaN where
    one of them is constant.

  Raises:
    ValueError: see `score_metrics`.
  """
  predicted, true, spread = _checked(
    predicted=predicted, true=true, spread=spread
  )
  return _kendall_tau(spread, np.abs(predicted - true))


def class_accuracies(
  predicted: Mapping[str, ArrayLike], true: Mapping[str, ArrayLike]
) -> dict[str, float]:
  """Returns the accuracy of each predicted task, in percent (0 to 100).

  Args:
    predicted: task -> int [dives], predicted class ids.
    true: task -> int [dives], true class ids; other entries are ignored.

  Returns:
    task -> percent, for the tasks of `predicted`, in their order.

  Raises:
    ValueError: a predicted task has no true ids, or the arrays of a task are
      empty, differ in shape or are not one-dimensional integers.
  """
  accuracies = {}
  for task, ids in predicted.items():
    if task not in true:
      raise ValueError(f'Task {task!r} has predictions but no true classes.')
    ids, true_ids = np.asarray(ids), np.asarray(true[task])
    if ids.shape != true_ids.shape or ids.ndim != 1 or not ids.size:
      raise ValueError(
        f'Task {task!r} needs two [dives] arrays that are not empty, got '
        f'shapes {ids.shape} and {true_ids.shape}.'
      )
    if ids.dtype.kind not in 'iu' or true_ids.dtype.kind not in 'iu':
      raise ValueError(
        f'Task {task!r} needs integer class ids, got {ids.dtype} and '
        f'{true_ids.dtype}.'
      )
    accuracies[task] = 100 * float(np.mean(ids == true_ids))
  return accuracies


def confusion_matrix(
  predicted: ArrayLike, true: ArrayLike, num_classes: int
) -> np.ndarray:
  """Returns how often each true class was predicted as each class.

  Args:
    predicted: int [dives], predicted class ids.
    true: int [dives], true class ids.
    num_classes: classes of the task.

  Returns:
    int [num_classes, num_classes]: a row for each true class, a column for
    each predicted one.

  Raises:
    ValueError: an id is no integer from 0 to num_classes - 1, or the arrays
      differ in shape.
  """
  predicted, true = np.asarray(predicted), np.asarray(true)
  if predicted.shape != true.shape or true.ndim != 1:
    raise ValueError(
      f'Classes need [dives] arrays of one length, got {predicted.shape} and '
      f'{true.shape}.'
    )
  for ids in (predicted, true):
    if ids.size and (
      ids.dtype.kind not in 'iu' or ids.min() < 0 or ids.max() >= num_classes
    ):
      raise ValueError(f'Class ids must be integers, 0 to {num_classes - 1}.')
  matrix = np.zeros((num_classes, num_classes), np.int64)
  np.add.at(matrix, (true, predicted), 1)
  return matrix


def recall(confusion: np.ndarray) -> np.ndarray:
  """Returns what part of each class was recognised.

  Args:
    confusion: int [classes, classes], of `confusion_matrix`.

  Returns:
    float [classes], percent (0 to 100); NaN for a class without a dive.
  """
  dives = confusion.sum(axis=1)
  with np.errstate(invalid='ignore'):
    return 100 * np.diag(confusion) / dives


def _checked(**arrays: ArrayLike) -> list[np.ndarray]:
  """Returns the arrays as float64 [dives], equally long, finite."""
  checked = [np.asarray(array, np.float64) for array in arrays.values()]
  shape = checked[0].shape
  for name, array in zip(arrays, checked, strict=True):
    if array.ndim != 1 or array.shape != shape or not array.size:
      raise ValueError(
        'Score metrics need [dives] arrays of one length, not empty; got '
        f'{[array.shape for array in checked]} for {", ".join(arrays)}.'
      )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
      raise ValueError(
        f'{bad.size} of {array.size} values of {name!r} are not finite, first '
        f'at index {bad[0]}: {array[bad[0]]}.'
      )
  return checked


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """Returns Spearman's rank correlation, ties at their mean rank.

  Args:
    first: float [..., dives], finite.
    second: float [..., dives], finite.

  Returns:
    float [...], -1 to 1; NaN where one side is constant.
  """
  # Half a second, for which who only judges videos need not wait.
  from scipy import stats

  ranks = [stats.rankdata(side, axis=-1) for side in (first, second)]
  first, second = (r - r.mean(axis=-1, keepdims=True) for r in ranks)
  products = (first * second).sum(axis=-1)
  norms = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
  with np.errstate(invalid='ignore'):
    return np.clip(products / norms, -1, 1)


def _kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
  """Returns Kendall's tau-b, NaN where one side is constant."""
  if not np.ptp(first) or not np.ptp(second):
    return float('nan')
  from scipy import stats

  return float(stats.kendalltau(first, second).statistic)
