"""How much captions differ from each other."""

import collections
from collections.abc import Sequence

import numpy as np

from aqa_jax.evaluation.caption_metrics import Captions

_MAX_ORDER = 4
# "Distinct captions among 1000": the share falls with their number.
MOST_CAPTIONS = 1000


def distinct_share(captions: Captions) -> float:
  """Returns the share of different captions, above 0 to 1.

  Args:
    captions: one list of words a dive, at least one; of more than 1000 the
      first 1000 count.
  """
  counted = [tuple(words) for words in captions[:MOST_CAPTIONS]]
  return len(set(counted)) / len(counted)


def self_bleu(captions: Captions) -> float:
  """Returns the mean BLEU-4 of each caption against all the others.

  Zhu et al., "Texygen" (SIGIR 2018), without smoothing: 1 where all captions
  are the same, lower where they differ.

  Args:
    captions: one list of words a dive; of more than 1000 the first 1000 count.

  Returns:
    0 to 1; NaN for fewer than two captions.
  """
  captions = captions[:MOST_CAPTIONS]
  if len(captions) < 2:
    return float('nan')
  own = [_counts(words) for words in captions]
  # Of each n-gram the two highest counts, and whose the highest is.
  highest: dict[tuple[str, ...], tuple[int, int, int]] = {}
  for index, counts in enumerate(own):
    for gram, count in counts.items():
      first, whose, second = highest.get(gram, (0, -1, 0))
      if count > first:
        highest[gram] = (count, index, first)
      else:
        highest[gram] = (first, whose, max(second, count))
  lengths = np.array([len(words) for words in captions])
  found = []
  for index, counts in enumerate(own):
    matched, total = np.zeros(_MAX_ORDER), np.zeros(_MAX_ORDER)
    for gram, count in counts.items():
      first, whose, second = highest[gram]
      matched[len(gram) - 1] += min(count, second if whose == index else first)
      total[len(gram) - 1] += count
    others = np.delete(lengths, index)
    found.append(_bleu(matched, total, int(lengths[index]), others))
  return float(np.mean(found))


def _counts(words: Sequence[str]) -> dict[tuple[str, ...], int]:
  """Returns how often a caption has each n-gram of order 1 to 4."""
  return collections.Counter(
    tuple(words[start : start + order])
    for order in range(1, _MAX_ORDER + 1)
    for start in range(len(words) - order + 1)
  )


def _bleu(
  matched: np.ndarray, total: np.ndarray, length: int, others: np.ndarray
) -> float:
  """Returns BLEU of one caption against several (Papineni et al., 2002)."""
  if not matched.all():
    return 0.0
  # The nearest length of a reference; of two as near the shorter one.
  distances = np.abs(others - length)
  nearest = others[distances == distances.min()].min()
  penalty = min(0.0, 1 - nearest / length)
  return float(np.exp(np.log(matched / total).mean() + penalty))
