"""Whether captions are true: of the classes, and of faults that are known.

Captions of other dives tell what a figure is worth: the same captions, dealt to
the dives at random.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aqa_jax.data.spoken_classes import contradicted
from aqa_jax.evaluation.caption_diversity import distinct_share, self_bleu
from aqa_jax.evaluation.caption_metrics import Captions
from aqa_jax.predictions import Predictions
from tfds_mtl_aqa.simulated_dives import spoken_faults
from tfds_mtl_aqa.simulated_dives.commentary import MENTIONED
from tfds_mtl_aqa.simulated_dives.faults import NAMES

# Measure -> its name for the reader, in the order of the tables.
MEASURES = {
  'distinct': 'distinct captions',
  'self_bleu': 'self-BLEU',
  'against_predicted_classes': 'contradict the predicted classes',
  'against_classes': 'contradict the true classes',
  'against_faults': 'contradict the true faults',
  'remark_f1': 'F1 of remarks on faults',
  'remark_precision': 'remarks whose fault is there',
  'remark_recall': 'faults that are remarked on',
}
COLUMNS = ('model', 'other dives', 'true captions')
# Of the remarks on one fault.
REMARKS = {
  'precision': 'precision',
  'recall': 'recall',
  'f1': 'F1',
  'f1_by_chance': 'by chance',
}
# Of the draws of other dives.
_SEED, _SHUFFLES = 0, 100


def caption_truth(predictions: Predictions) -> dict[str, Any]:
  """Returns how true the captions are, and how much they differ.

  Args:
    predictions: has captions among its outputs, `caption_words` among its
      labels.

  Returns:
    caption_truth: 'model', 'other dives' (the model's captions, of other
      dives) and 'true captions' -> the measures of `MEASURES` that are known,
      0 to 1. The first two measures are those of `caption_diversity`; the next
      three the shares of captions that contradict something; the last three
      are of `spoken_faults`, where the dataset has the faults of simulated
      dives.
    remarks: fault -> precision, recall and f1 of the captions that name it
      against the true captions that do, and f1_by_chance, of other dives.
  """
  said = predictions.outputs['captions']
  true = predictions.labels['caption_words']
  found: dict[str, dict[str, float]] = {
    name: {
      'distinct': distinct_share(captions),
      'self_bleu': self_bleu(captions),
    }
    for name, captions in (('model', said), ('true captions', true))
  }
  found['other dives'] = {}
  rng = np.random.default_rng(_SEED)
  shuffles = [rng.permutation(len(said)) for _ in range(_SHUFFLES)]
  classes = _class_rows(predictions.labels, predictions)
  if classes[0]:
    found['model']['against_classes'] = _contradicting(said, classes)
    found['true captions']['against_classes'] = _contradicting(true, classes)
    # Slower than the other figures: fewer shuffles.
    found['other dives']['against_classes'] = float(
      np.mean(
        [
          _contradicting([said[i] for i in order], classes)
          for order in shuffles[:10]
        ]
      )
    )
  if 'classes' in predictions.outputs:
    rows = _class_rows(predictions.outputs['classes'], predictions)
    found['model']['against_predicted_classes'] = _contradicting(said, rows)
  measured: dict[str, Any] = {'caption_truth': found}
  if all(f'faults/{name}' in predictions.labels for name in NAMES):
    measured['remarks'] = _add_remarks(found, predictions, shuffles)
  return measured


def _class_rows(
  ids: Mapping[str, Any], predictions: Predictions
) -> list[dict[str, str]]:
  """Returns the names of the classes of each dive."""
  return [
    {
      name: names[int(ids[name][index])]
      for name, names in predictions.schema.classes
      if name in ids
    }
    for index in range(len(predictions))
  ]


def _contradicting(captions: Captions, classes: list[dict[str, str]]) -> float:
  """Returns the share of captions that say another class."""
  return float(
    np.mean(
      [
        bool(contradicted(words, row))
        for words, row in zip(captions, classes, strict=True)
      ]
    )
  )


def _add_remarks(
  found: dict[str, dict[str, float]],
  predictions: Predictions,
  shuffles: list[np.ndarray],
) -> dict[str, dict[str, float]]:
  """Adds the measures of remarks to `found`; returns those of each fault."""
  severities = spoken_faults.severities(
    {name: predictions.label(f'faults/{name}') for name in NAMES}
  )
  named, praised = {}, {}
  for name, captions in (
    ('model', predictions.outputs['captions']),
    ('true captions', predictions.labels['caption_words']),
  ):
    texts = [' '.join(words) for words in captions]
    named[name] = np.stack([spoken_faults.spoken_faults(t) for t in texts])
    praised[name] = np.stack([spoken_faults.praised_faults(t) for t in texts])
  truth = named['true captions']

  def measures(
    remarks: np.ndarray, praise: np.ndarray
  ) -> tuple[float, float, float, float]:
    wrong = spoken_faults.contradictions(remarks, praise, severities)
    happened = severities >= MENTIONED
    right = (remarks & happened).sum()
    return (
      float(wrong.mean()),
      float(spoken_faults.agreement(truth, remarks)),
      float(right / remarks.sum()) if remarks.any() else float('nan'),
      float(right / happened.sum()) if happened.any() else float('nan'),
    )

  keys = ('against_faults', 'remark_f1', 'remark_precision', 'remark_recall')
  for name in named:
    found[name] |= dict(
      zip(keys, measures(named[name], praised[name]), strict=True)
    )
  said, praise = named['model'], praised['model']
  drawn = np.array([measures(said[order], praise[order]) for order in shuffles])
  found['other dives'] |= dict(
    zip(keys, drawn.mean(axis=0).tolist(), strict=True)
  )
  chance = np.mean([_f1(truth, said[order]) for order in shuffles], axis=0)
  precision, recall = (
    np.divide((truth & said).sum(0), of.sum(0), where=of.any(0), out=_nan())
    for of in (said, truth)
  )
  rows = zip(precision, recall, _f1(truth, said), chance, strict=True)
  return {
    fault: dict(zip(REMARKS, map(float, row), strict=True))
    for fault, row in zip(spoken_faults.FAULTS, rows, strict=True)
  }


def _nan() -> np.ndarray:
  return np.full(len(spoken_faults.FAULTS), np.nan)


def _f1(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
  """Returns the F1 of each fault, float [faults]; NaN where none names it."""
  named = truth.sum(0) + said.sum(0)
  return np.divide(
    2 * (truth & said).sum(0), named, where=named > 0, out=_nan()
  )
