"""Rows of the table of modern heads: what takes the place of the score.

Small, they are heads of the toy C3D-AVG beside classes and captions; at full
scale I3D is trained end to end, with the hyperparameters of the authors of each
head where it has some.
"""

import dataclasses
from collections.abc import Mapping

from aqa_jax.paper import network_rows
from aqa_jax.paper.row import Row

_BESIDE = 'classes,captions'
# Head -> its label.
_HEADS = {
  'score': "score, the paper's head",
  'execution': 'execution',
  'score_distribution': 'score distribution (USDL)',
  'judge_marks': "judges' marks (MUSDL)",
  'relative_score': 'relative to exemplars (CoRe)',
}
# What the authors state for MTL-AQA with I3D: of USDL without the difficulty,
# of the others with it.
_PUBLISHED: dict[str, dict[str, float]] = {
  'score_distribution': {'spearman': 0.9066},
  'judge_marks': {'spearman': 0.9273},
  'relative_score': {'spearman': 0.9512, 'relative_l2': 0.260},
}
# C3D-AVG-MTL.
_PAPER = {'spearman': 0.9044}
_ALONE = ('score_distribution', 'judge_marks', 'relative_score')
# Of CoRe, where USDL's, those of the config, differ.
_CORE = {
  'model.frozen_statistics': 'True',
  'batch_size': '2',
  'duration': '200epochs',
  'optimizer.learning_rate': '1e-3',
  'optimizer.trunk_factor': '0.1',
  'optimizer.weight_decay': '0.0',
}
# Where the dives are from, if nothing tells it: all simulated ones are from
# 10 m.
_HEIGHTS = {'small': '10m', 'full': ''}

# Notes of the whole table.
NOTES = (
  "The paper's head and USDL are not told the difficulty; the others are, "
  'where their row does not say that it is predicted.',
  'Published: of MTL-AQA, as the authors state it, with I3D (the paper: C3D), '
  'by the epoch that is best on the test dives.',
  'Others on MTL-AQA, as their authors state it: with the difficulty or '
  'exemplars SAP-Net 0.9638, Uni-FineParser 0.9622, RICA2 0.9620, TPT 0.9607, '
  'FineParser 0.9585, USDL 0.9231; without, TPT 0.9451, TSA-Net 0.9422, CoRe '
  '0.9341.',
)


def rows(scale: str) -> list[Row]:
  """Returns the rows of the table, the paper's head first.

  Args:
    scale: 'small' or 'full'.
  """
  trained = {head: _trained(head, scale) for head in _HEADS}
  first = trained['score'].name
  found = []
  for head, row in trained.items():
    compared_with = '' if head == 'score' else first
    found.append(dataclasses.replace(row, compared_with=compared_with))
    # The classes tell the difficulty, where the network learns them.
    if head not in ('score', 'score_distribution') and (
      'classes' in row.overrides['tasks']
    ):
      found.append(_predicted(found[-1], scale))
  return found


def _trained(head: str, scale: str) -> Row:
  if scale == 'small':
    row = network_rows.network('c3davg', f'{head},{_BESIDE}', scale)
  else:
    row = _on_i3d(head)
  paper = _PAPER if head == 'score' else _PUBLISHED.get(head, {})
  return dataclasses.replace(row, label=_HEADS[head], paper=paper)


def _on_i3d(head: str) -> Row:
  """Returns I3D with a head, trained end to end."""
  is_alone = head in _ALONE
  tasks = head if is_alone else f'{head},{_BESIDE}'
  overrides = {
    'tasks': tasks,
    'dataset.name': 'mtl_aqa/clips_640x360',
    'init_from': 'i3d',
    'init_scope': 'backbone',
  }
  if head == 'relative_score':
    overrides |= _CORE
  return Row(
    name=f'i3d-{tasks.replace(",", "-")}',
    label='',
    config='configs/i3d.py',
    overrides=overrides,
    compared_with='',
    paper={},
    note=f'{_HEADS[head]}: alone, as its authors train it, without classes and '
    'captions.'
    if is_alone
    else '',
  )


def _predicted(row: Row, scale: str) -> Row:
  """Returns the same weights, with the difficulty of the predicted classes."""
  height = _HEIGHTS[scale]
  from_where = f'from {height[:-1]} m' if height else 'the mean of 10 m and 3 m'
  overrides: Mapping[str, str] = {
    name: value
    for name, value in row.overrides.items()
    if not name.startswith('init_')
  }
  return dataclasses.replace(
    row,
    name=f'{row.name}-predicted',
    label=f'{row.label}, difficulty predicted',
    overrides={
      **overrides,
      'heads.difficulty': 'predicted',
      **({'heads.height': height} if height else {}),
    },
    paper={},
    needs={'init_from': row},
    mode='eval',
    note='Difficulty predicted: the weights of the row above, chosen with the '
    'difficulty given; it is that of the likeliest dive by the predicted '
    f'classes, {from_where}.',
  )
