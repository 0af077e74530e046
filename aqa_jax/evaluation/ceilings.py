"""Ceilings of the score: predictions from the judges' own marks."""

from collections.abc import Mapping

import numpy as np

from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.evaluation import metrics
from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.predictions import Predictions


class JudgeCeilings(Evaluator):
  """The measures of one judge, and of the panel."""

  def evaluate(
    self, predictions: Predictions
  ) -> dict[str, dict[str, dict[str, float]]]:
    """Returns ceilings, see `judge_ceilings`, of scores that are predicted.

    Args:
      predictions: predictions for at least one dive.
    """
    needed = {'judge_scores', 'difficulty'}
    if 'score' not in predictions.outputs or needed - set(predictions.labels):
      return {}
    rule = predictions.schema.score_rule
    return {'ceilings': judge_ceilings(predictions.labels, rule)}


def judge_ceilings(
  labels: Mapping[str, np.ndarray],
  rule: ScoreRule = ScoreRule.PRODUCT,
) -> dict[str, dict[str, float]]:
  """Measures how well the judges' own marks predict the score.

  Args:
    labels: feature name -> [dives], with final_score, difficulty and
      judge_scores [dives, 7], NaN where unknown.
    rule: how scores follow from difficulty and marks.

  Returns:
    'one judge': `metrics.score_metrics` of the score if all judges gave one's
    mark, the mean over the seven judges. 'panel': those of the score of the
    middle three marks. Both also have num_dives, the dives whose marks are
    known. Empty if there are none.
  """
  known = np.isfinite(labels['judge_scores']).all(axis=1)
  if not known.any():
    return {}
  marks = np.sort(labels['judge_scores'][known], axis=1)
  difficulty = labels['difficulty'][known]
  true = labels['final_score'][known]
  by_judge = [
    metrics.score_metrics(rule.score(3 * judge, difficulty), true)
    for judge in labels['judge_scores'][known].T
  ]
  one_judge = {
    name: float(np.mean([figures[name] for figures in by_judge]))
    for name in by_judge[0]
  }
  middle = marks[:, 2:5].sum(axis=1)
  panel = metrics.score_metrics(rule.score(middle, difficulty), true)
  count = {'num_dives': int(known.sum())}
  return {'one judge': count | one_judge, 'panel': count | panel}
