"""The measures of one evaluation: score, classes, captions.

NaN means "not defined on these dives" (a rank correlation of constants); the
files that `evaluation_files` writes show it as null.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from sacrebleu.metrics import BLEU
from scipy import stats

# Executions are sums of half points. The decimals kept here undo the rounding
# of float32 scores, which would otherwise break the ties between them.
_EXECUTION_DECIMALS = 3


def score_metrics(predicted: ArrayLike, true: ArrayLike) -> dict[str, float]:
  """Compares predicted scores with the true ones.

  Args:
    predicted: float [dives], points.
    true: float [dives], points (0 to about 105).

  Returns:
    spearman: rank correlation, -1 to 1, ties at their mean rank; NaN where
      either side is constant.
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
    'spearman': _spearman(predicted, true),
    'relative_l2': 100 * mse / float(spread) ** 2 if spread else float('nan'),
    'mse': mse,
    'mae': float(np.mean(np.abs(error))),
  }


def execution_spearman(
  predicted: ArrayLike, true: ArrayLike, difficulty: ArrayLike
) -> float:
  """Returns the rank correlation of the execution alone.

  A score is execution times difficulty, and the difficulty is known before
  the dive; divided by it, what remains is what the judges saw.

  Args:
    predicted: float [dives], predicted scores in points.
    true: float [dives], true scores in points.
    difficulty: float [dives], degree of difficulty (1.5 to 4.1).

  Returns:
    Spearman's correlation of predicted / difficulty with true / difficulty,
    -1 to 1; NaN where either side is constant.

  Raises:
    ValueError: as `score_metrics`, or a difficulty is not positive.
  """
  predicted, true, difficulty = _checked(
    predicted=predicted, true=true, difficulty=difficulty
  )
  if np.any(difficulty <= 0):
    raise ValueError(
      f'Difficulties must be positive, got {np.min(difficulty):g}.'
    )
  return _spearman(
    predicted / difficulty, np.round(true / difficulty, _EXECUTION_DECIMALS)
  )


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


def caption_bleu(
  generated: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]
) -> dict[str, float]:
  """Returns corpus BLEU-1 to BLEU-4 of captions, unsmoothed, by sacrebleu.

  The words are compared as given: nothing is split, joined or lower-cased.

  Args:
    generated: one list of words a dive, without <sos> and <eos>; may be empty.
    reference: the commentary of the same dives, as lists of words. A dive with
      an empty one has nothing to compare with and is left out.

  Returns:
    bleu_1 to bleu_4, each 0 to 1: the geometric mean of the clipped n-gram
    precisions of order 1 to n, times the brevity penalty (Papineni et al., ACL
    2002). NaN where every reference is empty.

  Raises:
    ValueError: there are no dives, the two differ in length, or a caption is
      one string instead of a list of words.
  """
  if len(generated) != len(reference) or not len(reference):
    raise ValueError(
      'BLEU needs as many generated as reference captions, at least one; got '
      f'{len(generated)} and {len(reference)}.'
    )
  if any(isinstance(words, str) for words in [*generated, *reference]):
    raise ValueError('A caption must be a list of words, not one string.')
  pairs = [
    (hypothesis, truth)
    for hypothesis, truth in zip(generated, reference, strict=True)
    if len(truth)
  ]
  if not pairs:
    return {f'bleu_{order}': float('nan') for order in range(1, 5)}
  # sacrebleu splits at white space: numbers stand in for the words, so that a
  # word with a space in it stays one word.
  numbers: dict[str, str] = {}

  def line(words: Sequence[str]) -> str:
    return ' '.join(
      numbers.setdefault(word, str(len(numbers))) for word in words
    )

  hypotheses = [line(hypothesis) for hypothesis, _ in pairs]
  references = [line(truth) for _, truth in pairs]
  scores = {}
  for order in range(1, 5):
    bleu = BLEU(
      max_ngram_order=order, smooth_method='none', tokenize='none', force=True
    )
    score = bleu.corpus_score(hypotheses, [references]).score
    # exp(log(1)) comes out one rounding above 1.
    scores[f'bleu_{order}'] = min(score / 100, 1.0)
  return scores


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


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
  """Returns Spearman's correlation, NaN where one side is constant."""
  if not np.ptp(first) or not np.ptp(second):
    return float('nan')
  ranks = stats.rankdata(first), stats.rankdata(second)
  return float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))
