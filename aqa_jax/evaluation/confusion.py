"""Confusion matrices of the classes."""

from typing import Any

import numpy as np

from aqa_jax.evaluation import metrics
from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.predictions import Predictions


class Confusion(Evaluator):
  """Confusion matrix and recall of each classification."""

  def evaluate(self, predictions: Predictions) -> dict[str, Any]:
    """Returns confusion and recall.

    Args:
      predictions: predictions for at least one dive.

    Returns:
      confusion: classification -> [[dives]], a row for each true class.
      recall: classification -> class name -> percent; NaN without a dive.
    """
    confusion, recall = {}, {}
    for name, ids in predictions.outputs.get('classes', {}).items():
      names = predictions.schema.class_names[name]
      matrix = metrics.confusion_matrix(
        ids, np.asarray(predictions.labels[name]), len(names)
      )
      confusion[name] = matrix.tolist()
      recall[name] = dict(
        zip(names, metrics.recall(matrix).tolist(), strict=True)
      )
    return {'confusion': confusion, 'recall': recall} if confusion else {}
