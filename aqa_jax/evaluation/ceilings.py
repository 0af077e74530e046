"""How well the judges' own marks give the score."""

from collections.abc import Mapping

import numpy as np

from aqa_jax.evaluation import metrics
from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.predictions import Predictions


class JudgeCeilings(Evaluator):
  """What one judge, and the panel, would get."""

  def evaluate(
    self, predictions: Predictions
  ) -> dict[str, dict[str, dict[str, float]]]:
    """Returns ceilings; see `judge_ceilings`.

    Args:
      predictions: of at least one dive.
    """
    if {'judge_scores', 'difficulty'} - set(predictions.labels):
      return {}
    return {'ceilings': judge_ceilings(predictions.labels)}


def judge_ceilings(
  labels: Mapping[str, np.ndarray],
) -> dict[str, dict[str, float]]:
  """Returns how well the judges' own marks give the score.

  Args:
    labels: feature name -> [dives], with final_score, difficulty and
      judge_scores [dives, 7], NaN where unknown.

  Returns:
    'one judge': three times each judge's mark times the difficulty, the mean
    over the seven judges of `metrics.score_metrics`; 'panel': the middle three
    marks times the difficulty. Each with num_dives, those whose marks are
    known; nothing where there are none.
  """
  known = np.isfinite(labels['judge_scores']).all(axis=1)
  if not known.any():
    return {}
  marks = np.sort(labels['judge_scores'][known], axis=1)
  difficulty = labels['difficulty'][known]
  true = labels['final_score'][known]
  by_judge = [
    metrics.score_metrics(3 * judge * difficulty, true)
    for judge in labels['judge_scores'][known].T
  ]
  one_judge = {
    name: float(np.mean([figures[name] for figures in by_judge]))
    for name in by_judge[0]
  }
  panel = metrics.score_metrics(marks[:, 2:5].sum(axis=1) * difficulty, true)
  count = {'num_dives': int(known.sum())}
  return {'one judge': count | one_judge, 'panel': count | panel}
