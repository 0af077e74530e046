"""What a run of a table leaves, made up."""

import csv
import json

from tfds_mtl_aqa.labels import CLASS_NAMES


def write_results(workdir, spearman, scores, true, split='test', **more):
  """Writes the evaluation and the predictions of a split.

  Args:
    workdir: folder of the run.
    spearman: its Spearman.
    scores: float [dives], predicted.
    true: float [dives].
    split: the split.
    more: of the evaluation; what is None is left out.
  """
  workdir.mkdir(parents=True, exist_ok=True)
  baseline = {'spearman': 0.25, 'bleu_1': 0.125}
  evaluation = {
    'num_dives': len(true),
    'spearman': spearman,
    'relative_l2': 1.0,
    'accuracy': dict.fromkeys(CLASS_NAMES, 50.0 + len(workdir.name)),
    'majority_accuracy': dict.fromkeys(CLASS_NAMES, 40.0),
    'bleu_1': 0.5,
    'baselines': {'event': baseline, 'mean': {'spearman': None}},
    'caption_baselines': {'random training caption': baseline},
    'caption_notes': ['meteor needs Java on the PATH'],
    'selected_on': 'validation',
    'trained_on': 3,
  }
  evaluation |= more
  evaluation = {k: v for k, v in evaluation.items() if v is not None}
  (workdir / f'eval_{split}.json').write_text(json.dumps(evaluation))
  rows = [
    {
      'event': 1,
      'sample': index,
      'true_score': truth,
      'predicted_score': score,
      'true_caption': 'a | b',
      'predicted_caption': '<script>',
    }
    | {
      f'{side}_{task}': names[0]
      for side in ('true', 'predicted')
      for task, names in CLASS_NAMES.items()
    }
    for index, (truth, score) in enumerate(zip(true, scores, strict=True))
  ]
  with open(workdir / f'predictions_{split}.csv', 'w', newline='') as file:
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
