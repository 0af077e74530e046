"""The model card: a README.md as the Hugging Face hub reads it."""

import math
from collections.abc import Mapping
from typing import Any

import yaml

from aqa_jax.judging.model import Model

# The measures of a card: name in an evaluation -> name for people.
_MEASURES = {
  'spearman': 'Spearman, score',
  'execution_spearman': 'Spearman, execution',
  'relative_l2': 'relative L2 (x 100)',
  'mae': 'mean absolute error, points',
  'mean_accuracy': 'accuracy, percent, mean over the classifications',
  'bleu_4': 'BLEU-4',
}
SIMULATED = (
  'This model has seen simulated dives only: what it says of a real one is a '
  'demonstration, not a judgement.'
)


def model_card(model: Model) -> str:
  """Returns the model card, Markdown with YAML front matter.

  Args:
    model: model to describe.
  """
  front = {
    'license': 'apache-2.0',
    'library_name': 'aqa_jax',
    'pipeline_tag': 'video-classification',
    'tags': ['action-quality-assessment', 'diving', 'jax', 'flax'],
    'model-index': [
      {
        'name': f'{model.config.network} on {model.dataset}',
        'results': _results(model),
      }
    ],
  }
  lines = [
    '---',
    yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(),
    '---',
    '',
    f'# {model.config.network}, trained on {model.dataset}',
    '',
  ]
  if model.is_of_simulated_dives:
    lines += [f'**{SIMULATED}**', '']
  has_score = any(task.gives_score for task in model.tasks)
  shape = model.video_input.shape
  lines += [
    'It watches a dive and gives '
    + ', '.join(task.name for task in model.tasks)
    + f': {model.num_parameters():,} parameters, {model.step} steps of '
    f'training. It sees {shape[0]} frames of {shape[1]} x {shape[2]} pixels, '
    f'at {model.frame_format.frames_per_second:g} frames a second.',
    '',
    '```python',
    'import aqa_jax',
    '',
    "judge = aqa_jax.load('FOLDER')  # this folder",
    "print(judge('clip.mp4'))",
    '```',
    '',
    '## Evaluation',
    '',
    *_table(model),
    '',
    '## Intended use',
    '',
    'Research on action quality assessment, and training aids in which a '
    'person has the last word. Not for deciding competitions, selections or '
    'prizes.',
    '',
    '## Limits',
    '',
    '- It knows dives as those of its dataset: their heights, cameras and '
    f'pools. It gives {"a score" if has_score else "an answer"} to any video, '
    'also to one that shows no dive.',
  ]
  if has_score:
    lines.append(
      '- The score is learned from scores, so it holds what judges hold, their '
      'habits included.'
    )
  width = model.intervals.half_width(0.9) if model.intervals else math.inf
  if model.intervals and math.isfinite(width):
    lines.append(
      f'- 90 % of the scores of dives as those of its validation '
      f'({len(model.intervals.errors)} dives) lie within {width:.1f} points '
      'of what it says'
      + (
        ', on average: within more where it is less sure'
        if model.intervals.spreads
        else ''
      )
      + '. For other videos that promises nothing.'
    )
  return '\n'.join(lines) + '\n'


def _figures(model: Model) -> Mapping[str, Mapping[str, float]]:
  """Returns the measures of each split that are known."""
  return {
    split: {
      name: evaluation[name]
      for name in _MEASURES
      if isinstance(evaluation.get(name), float)
    }
    for split, evaluation in model.evaluation.items()
  }


def _results(model: Model) -> list[dict[str, Any]]:
  return [
    {
      'task': {'type': 'video-classification'},
      'dataset': {'name': model.dataset, 'type': model.dataset, 'split': split},
      'metrics': [
        {'type': name, 'name': _MEASURES[name], 'value': round(value, 4)}
        for name, value in figures.items()
      ],
    }
    for split, figures in _figures(model).items()
    if figures
  ]


def _table(model: Model) -> list[str]:
  rows = [
    f'| {split} | {_MEASURES[name]} | {value:.4g} |'
    for split, figures in _figures(model).items()
    for name, value in figures.items()
  ]
  if not rows:
    return ['It was not evaluated.']
  return ['| split | measure | |', '|---|---|---|', *rows]
