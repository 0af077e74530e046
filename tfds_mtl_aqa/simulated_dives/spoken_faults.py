r"""Measures whether generated captions name the faults that dives have.

python -m tfds_mtl_aqa.simulated_dives.spoken_faults \
  workdir/quickstart/predictions_test.csv
"""

import argparse
import csv
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.simulated_dives import phrases
from tfds_mtl_aqa.simulated_dives.commentary import (
  ABSENT,
  MENTIONED,
  PRAISED_AS,
  happened,
)
from tfds_mtl_aqa.simulated_dives.faults import Faults

FAULTS = tuple(phrases.FAULTS)
_SHUFFLES = 1000


class FaultShares(TypedDict):
  """How often captions name a fault: shares from 0 to 1.

  `true`: of the true captions that name it. `said`: of the generated captions
  that name it. `right`: of the latter, those whose true caption names it too;
  NaN where no generated caption names it.
  """

  true: float
  said: float
  right: float


class Comparison(TypedDict):
  """What `compare` returns; the shares in `faults` are by name of the fault."""

  f1: float
  f1_by_chance: float
  p_value: float
  faults: dict[str, FaultShares]


def spoken_faults(caption: str) -> np.ndarray:
  """Returns which faults a caption names.

  Args:
    caption: words between single spaces.

  Returns:
    bool [8], in the order of FAULTS: whether a whole phrase about the fault is
    in the caption.
  """
  return np.array(
    [
      any(
        phrase in caption
        for degree in phrases.FAULTS[fault]
        for phrase in degree
      )
      for fault in FAULTS
    ]
  )


def praised_faults(caption: str) -> np.ndarray:
  """Returns of which faults a caption praises the absence.

  Args:
    caption: words between single spaces.

  Returns:
    bool [8], in the order of FAULTS.
  """
  return np.array(
    [
      any(
        phrase in caption
        for phrase in phrases.PRAISE[PRAISED_AS.get(fault, fault)]
      )
      for fault in FAULTS
    ]
  )


def severities(faults: Mapping[str, np.ndarray]) -> np.ndarray:
  """Returns how bad the faults of dives are.

  Args:
    faults: field of `Faults` -> float [dives].

  Returns:
    float [dives, 8], 0 to 1, in the order of FAULTS.
  """
  rows = zip(*faults.values(), strict=True)
  found = [
    happened(Faults(**dict(zip(faults, map(float, row), strict=True))))
    for row in rows
  ]
  return np.array([[row.get(f, 0.0) for f in FAULTS] for row in found])


def contradictions(
  named: np.ndarray, praised: np.ndarray, severity: np.ndarray
) -> np.ndarray:
  """Returns which captions contradict the faults of their dive.

  One that names a fault whose absence the true commentary may praise, or that
  praises the absence of one that it may name.

  Args:
    named: bool [dives, 8]; see `spoken_faults`.
    praised: bool [dives, 8]; see `praised_faults`.
    severity: float [dives, 8]; see `severities`.

  Returns:
    bool [dives].
  """
  wrong = (named & (severity <= ABSENT)) | (praised & (severity >= MENTIONED))
  return np.any(wrong, axis=-1)


def agreement(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
  """Returns the mean F1 between the faults named in pairs of captions.

  Args:
    truth: bool [..., dives, faults].
    predicted: bool [..., dives, faults].

  Returns:
    float [...], from 0 to 1. Two captions without faults count as 1.
  """
  both = (truth & predicted).sum(-1)
  named = truth.sum(-1) + predicted.sum(-1)
  return np.where(named, 2 * both / np.maximum(named, 1), 1.0).mean(-1)


def compare(
  true_captions: Sequence[str], captions: Sequence[str], seed: int = 0
) -> Comparison:
  """Compares the faults that captions name with those of the true captions.

  Args:
    true_captions: one for each dive.
    captions: the generated caption of each dive.
    seed: for shuffling.

  Returns:
    f1: see `agreement`.
    f1_by_chance: mean of f1 over 1000 shuffles of the generated captions among
      the dives.
    p_value: share of these shuffles, and the real order, whose f1 is as high.
    faults: see `FaultShares`.
  """
  truth = np.stack([spoken_faults(caption) for caption in true_captions])
  predicted = np.stack([spoken_faults(caption) for caption in captions])
  f1 = agreement(truth, predicted)
  rng = np.random.default_rng(seed)
  by_chance = np.array(
    [
      agreement(truth, predicted[rng.permutation(len(predicted))])
      for _ in range(_SHUFFLES)
    ]
  )
  said = predicted.sum(0)
  right = (truth & predicted).sum(0)
  return {
    'f1': float(f1),
    'f1_by_chance': float(by_chance.mean()),
    'p_value': float((1 + (by_chance >= f1).sum()) / (1 + _SHUFFLES)),
    'faults': {
      fault: {
        'true': float(truth[:, i].mean()),
        'said': float(predicted[:, i].mean()),
        'right': float(right[i] / said[i]) if said[i] else float('nan'),
      }
      for i, fault in enumerate(FAULTS)
    },
  }


def format_comparison(comparison: Comparison) -> str:
  """Returns the result of `compare` as a table of text."""
  lines = [
    f'{"fault":<12} {"in truth":>9} {"named":>9} {"rightly":>9}  percent'
  ]
  for fault, shares in comparison['faults'].items():
    percents = (
      100 * share for share in (shares['true'], shares['said'], shares['right'])
    )
    lines.append(
      f'{fault:<12}' + ''.join(f' {percent:>9.1f}' for percent in percents)
    )
  lines.append(
    f'F1 {comparison["f1"]:.3f}, by chance {comparison["f1_by_chance"]:.3f} '
    f'(p = {comparison["p_value"]:.3f})'
  )
  return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
  """Compares the captions of a file of predictions, and prints a table.

  Args:
    arguments: of the command line; None for those of this process.

  Raises:
    InputError: the file can't be read, or has no captions.
  """
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
  parser.add_argument('predictions', type=pathlib.Path)
  path = parser.parse_args(arguments).predictions
  try:
    with path.open(newline='') as file:
      rows = list(csv.DictReader(file))
    true_captions = [row['true_caption'] for row in rows]
    captions = [row['predicted_caption'] for row in rows]
  except (OSError, UnicodeDecodeError, KeyError) as e:
    raise InputError(
      f'{path}: cannot be read as predictions with captions ({e}); give the '
      'predictions_<split>.csv of a training with captions.'
    ) from e
  if not rows:
    raise InputError(
      f'{path}: holds no predictions; evaluate the training again.'
    )
  print(format_comparison(compare(true_captions, captions)))


if __name__ == '__main__':
  try:
    main()
  except InputError as e:
    print(f'spoken_faults: {e}', file=sys.stderr)
    sys.exit(2)
