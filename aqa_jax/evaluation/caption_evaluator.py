"""All measures of captions, also for baselines without the video."""

import functools
from collections.abc import Sequence
from typing import Any

from aqa_jax.evaluation import caption_metrics
from aqa_jax.evaluation.caption_metrics import Captions
from aqa_jax.evaluation.caption_truth import caption_truth
from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.predictions import Predictions

# Of the draw of captions.
_SEED = 0


class CaptionEvaluator(Evaluator):
  """All measures of captions, and baselines; too slow for every validation."""

  def evaluate(self, predictions: Predictions) -> dict[str, Any]:
    """Measures the captions.

    Args:
      predictions: predictions for at least one dive.

    Returns:
      bleu_1 to bleu_4, meteor, rouge_l, cider: those that this machine can
        compute; see `caption_metrics.caption_metrics`.
      caption_notes: sentences on those that it can't compute, and why.
      caption_baselines: 'random training caption' and 'central training
        caption' -> the same measures.
    """
    if 'captions' not in predictions.outputs:
      return {}
    with_meteor = self.config.get('meteor', True)
    references = predictions.labels['caption_words']
    measured: dict[str, Any] = dict(
      caption_metrics.caption_metrics(
        predictions.outputs['captions'], references, with_meteor
      )
    )
    baselines = {
      'random training caption': caption_metrics.random_captions(
        self._train_captions, len(references), _SEED
      ),
      'central training caption': [self._central_caption] * len(references),
    }
    measured['caption_baselines'] = {
      name: caption_metrics.caption_metrics(captions, references, with_meteor)
      for name, captions in baselines.items()
    }
    missing: dict[str, list[str]] = {}
    for measure, reason in caption_metrics.unavailable_metrics().items():
      missing.setdefault(reason, []).append(caption_metrics.NAMES[measure])
    measured['caption_notes'] = [
      f'Not measured: {", ".join(names)}; {reason}.'
      for reason, names in missing.items()
    ]
    return measured | caption_truth(predictions)

  @property
  def _train_captions(self) -> Captions:
    return self.train_labels['caption_words']

  @functools.cached_property
  def _central_caption(self) -> Sequence[str]:
    # Cached: it takes seconds, and is the same for all splits.
    return caption_metrics.central_caption(self._train_captions, _SEED)
