"""Baselines: predictions without the video, which a model has to beat.

They are fitted on the labels of the training split and measured on the
evaluated dives. On MTL-AQA's test split event and class alone give a Spearman
of 0.69: the result of a model says little without these numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aqa_jax.evaluation import metrics
from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.evaluation.score_counts import score_counts
from aqa_jax.predictions import Predictions

Labels = Mapping[str, ArrayLike]
# Classification -> the names of its classes.
ClassNames = Mapping[str, Sequence[str]]

# Baseline -> its inputs; 'class' is all classifications.
RIDGE_BASELINES = {
  'difficulty': ('difficulty',),
  'class': ('class',),
  'difficulty+class': ('difficulty', 'class'),
  'event': ('event',),
  'difficulty+class+event': ('difficulty', 'class', 'event'),
  'difficulty+class+event+length': ('difficulty', 'class', 'event', 'length'),
}
_RIDGE_STRENGTH = 1.0
# Of predicted points. Equal inputs must have equal scores: without rounding,
# errors of the matrix product would rank the dives.
_PREDICTION_DECIMALS = 6


class Baselines(Evaluator):
  """The baselines of the score and of the classes, and the scores known."""

  def evaluate(self, predictions: Predictions) -> dict[str, Any]:
    """Returns baselines, majority_accuracy and training_scores.

    Args:
      predictions: predictions for at least one dive.

    Returns:
      baselines: baseline -> its measures; see `compute_baselines`.
      majority_accuracy: classification -> percent; see `majority_accuracies`.
      training_scores: the scores of the training split; see `score_counts`.
      Without predicted scores majority_accuracy alone.
    """
    names = predictions.schema.class_names
    majority = {
      'majority_accuracy': majority_accuracies(
        self.train_labels, predictions.labels, names
      )
    }
    if 'score' not in predictions.outputs:
      return majority
    return {
      'baselines': compute_baselines(
        self.train_labels, predictions.labels, names
      ),
      **majority,
      'training_scores': score_counts(
        _column(self.train_labels, 'final_score')
      ),
    }


def compute_baselines(
  train_labels: Labels, eval_labels: Labels, class_names: ClassNames
) -> dict[str, dict[str, float]]:
  """Fits every baseline on one split and measures it on another.

  The baselines are 'mean' and 'median' (the training split's, a constant) and
  ridge regressions of strength 1 with a free intercept on raw, unscaled
  inputs: the difficulty, one-hot classes, the one-hot event and the clip's
  length in frames (end_frame - start_frame). Those whose labels the dataset
  lacks are left out.

  Args:
    train_labels: feature name -> [dives], of the training split: final_score;
      difficulty, event, start_frame, end_frame and the classes, as far as the
      dataset has them.
    eval_labels: the same of the evaluated dives. For an event that the training
      split lacks all event inputs are 0.
    class_names: class names of each classification.

  Returns:
    baseline -> `metrics.score_metrics`; its `spearman` is NaN for a constant.

  Raises:
    ValueError: a feature is missing, empty, not finite or of another length
      than the rest, or a class id is out of range.
  """
  true = np.asarray(_column(eval_labels, 'final_score'), np.float64)
  train_true = np.asarray(_column(train_labels, 'final_score'), np.float64)
  if not train_true.size:
    raise ValueError('The baselines need at least one training dive.')
  baselines = {
    'mean': metrics.score_metrics(np.full_like(true, train_true.mean()), true),
    'median': metrics.score_metrics(
      np.full_like(true, np.median(train_true)), true
    ),
  }
  known = {'class': set(class_names), 'length': {'start_frame', 'end_frame'}}
  for name, parts in RIDGE_BASELINES.items():
    needed = set().union(*(known.get(part, {part}) for part in parts))
    if needed - set(train_labels) or ('class' in parts and not class_names):
      continue
    events = np.unique(train_labels.get('event', 0))
    inputs, eval_inputs = (
      _inputs(labels, parts, events, class_names)
      for labels in (train_labels, eval_labels)
    )
    weights, intercept = fit_ridge(inputs, train_true, _RIDGE_STRENGTH)
    predicted = eval_inputs @ weights + intercept
    baselines[name] = metrics.score_metrics(
      np.round(predicted, _PREDICTION_DECIMALS), true
    )
  return baselines


def majority_accuracies(
  train_labels: Labels, eval_labels: Labels, class_names: ClassNames
) -> dict[str, float]:
  """Returns the accuracy of always naming the training split's commonest class.

  Args:
    train_labels: feature name -> int [dives], with the class labels.
    eval_labels: the same of the evaluated dives.
    class_names: class names of each classification.

  Returns:
    task -> percent (0 to 100) of the evaluated dives. Among equally common
    classes the one of the lowest id is taken.

  Raises:
    ValueError: a label is missing or empty, or a class id is out of range.
  """
  predicted, true = {}, {}
  for task, names in class_names.items():
    train_ids = _class_ids(train_labels, task, len(names))
    true[task] = _class_ids(eval_labels, task, len(names))
    predicted[task] = np.full_like(true[task], np.bincount(train_ids).argmax())
  return metrics.class_accuracies(predicted, true)


def fit_ridge(
  inputs: np.ndarray, targets: np.ndarray, strength: float
) -> tuple[np.ndarray, float]:
  """Fits a linear regression with an L2 penalty on the weights.

  Minimises sum((targets - inputs @ weights - intercept)**2) + strength *
  sum(weights**2), in closed form; the intercept is not penalised.

  Args:
    inputs: float [examples, features].
    targets: float [examples].
    strength: strength of the penalty, positive.

  Returns:
    The weights, float64 [features], and the intercept.

  Raises:
    ValueError: the shapes do not fit, or the strength is not positive.
  """
  if inputs.ndim != 2 or targets.shape != inputs.shape[:1]:
    raise ValueError(
      f'Ridge inputs {inputs.shape} and targets {targets.shape} do not fit.'
    )
  if strength <= 0:
    raise ValueError(f'The ridge strength must be positive, got {strength}.')
  input_mean, target_mean = inputs.mean(0), targets.mean()
  centred = inputs - input_mean
  weights = np.linalg.solve(
    centred.T @ centred + strength * np.eye(inputs.shape[1]),
    centred.T @ (targets - target_mean),
  )
  return weights, float(target_mean - input_mean @ weights)


def _column(labels: Labels, name: str) -> np.ndarray:
  """Returns one feature, [dives]."""
  if name not in labels:
    raise ValueError(f'The baselines need the feature {name!r}.')
  column = np.asarray(labels[name])
  if column.ndim != 1:
    raise ValueError(f'{name!r} must have shape [dives], got {column.shape}.')
  return column


def _class_ids(labels: Labels, task: str, num_classes: int) -> np.ndarray:
  """Returns a task's class ids, int64 [dives], at least one."""
  ids = _column(labels, task).astype(np.int64)
  if not ids.size:
    raise ValueError(f'There is no dive with a class of {task!r}.')
  if ids.min() < 0 or ids.max() >= num_classes:
    raise ValueError(
      f'Class ids of {task!r} must be 0 to {num_classes - 1}, got '
      f'{ids.min()} to {ids.max()}.'
    )
  return ids


def _inputs(
  labels: Labels,
  parts: tuple[str, ...],
  events: np.ndarray,
  class_names: ClassNames,
) -> np.ndarray:
  """Returns the regression's inputs, float64 [dives, features]."""
  columns = []
  for part in parts:
    if part == 'class':
      columns += [
        np.eye(len(names))[_class_ids(labels, task, len(names))]
        for task, names in class_names.items()
      ]
    elif part == 'event':
      columns.append(_column(labels, 'event')[:, None] == events)
    elif part == 'length':
      frames = [
        _column(labels, name).astype(np.float64)
        for name in ('start_frame', 'end_frame')
      ]
      columns.append((frames[1] - frames[0])[:, None])
    else:
      columns.append(_column(labels, part)[:, None])
  return np.concatenate(columns, axis=1, dtype=np.float64)
