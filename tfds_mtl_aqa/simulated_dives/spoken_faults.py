r"""Whether captions of simulated dives name the faults that the dives had.

python -m tfds_mtl_aqa.simulated_dives.spoken_faults \
  workdir/quickstart/predictions_test.csv
"""

import argparse
import csv
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.simulated_dives import phrases

FAULTS = tuple(phrases.FAULTS)
_SHUFFLES = 1000


def spoken_faults(caption: str) -> np.ndarray:
  """Returns bool [8]: which of FAULTS the caption names, in whole phrases."""
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


def agreement(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
  """Returns the mean F1 between the faults named in pairs of captions.

  Args:
    truth: bool [..., dives, faults].
    predicted: bool [..., dives, faults].

  Returns:
    float [...], 0 to 1. Two captions without a fault agree: 1.
  """
  both = (truth & predicted).sum(-1)
  named = truth.sum(-1) + predicted.sum(-1)
  return np.where(named, 2 * both / np.maximum(named, 1), 1.0).mean(-1)


def compare(
  true_captions: Sequence[str], captions: Sequence[str], seed: int = 0
) -> dict[str, object]:
  """Compares the faults that captions name with those of the true captions.

  Args:
    true_captions: one a dive.
    captions: one a dive, generated.
    seed: of the shuffles that give what chance would.

  Returns:
    f1: see `agreement`.
    f1_by_chance: its mean when the generated captions are dealt to the dives at
      random.
    p_value: share of 1000 such deals (and the real one) that are as good.
    faults: by fault, the share of true captions that name it, of generated
      captions that name it, and of the latter that are right (NaN: none).
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


def format_comparison(comparison: dict[str, object]) -> str:
  """Returns what `compare` found as a table."""
  lines = [
    f'{"fault":<12} {"in truth":>9} {"named":>9} {"rightly":>9}  percent'
  ]
  for fault, shares in comparison['faults'].items():
    lines.append(
      f'{fault:<12}'
      + ''.join(f' {100 * share:>9.1f}' for share in shares.values())
    )
  lines.append(
    f'F1 {comparison["f1"]:.3f}, by chance {comparison["f1_by_chance"]:.3f} '
    f'(p = {comparison["p_value"]:.3f})'
  )
  return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
  """Compares the captions of a predictions file.

  Raises:
    InputError: it can't be read, or has no captions.
  """
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('predictions', type=pathlib.Path)
  path = parser.parse_args(arguments).predictions
  try:
    with path.open(newline='') as file:
      rows = list(csv.DictReader(file))
    true_captions = [row['true_caption'] for row in rows]
    captions = [row['predicted_caption'] for row in rows]
  except (OSError, UnicodeDecodeError, KeyError) as e:
    raise InputError(
      f'{path}: no predictions with captions ({e}); give the '
      'predictions_<split>.csv of a training with captions.'
    ) from e
  if not rows:
    raise InputError(f'{path}: holds no predictions.')
  print(format_comparison(compare(true_captions, captions)))


if __name__ == '__main__':
  try:
    main()
  except InputError as e:
    print(f'spoken_faults: {e}', file=sys.stderr)
    sys.exit(2)
