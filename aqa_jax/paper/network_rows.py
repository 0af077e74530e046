"""Rows of C3D-AVG and MSCADC: tables 4, 5, 6 and 8.

A row is a config with some changed fields. Tables share rows, and so their
trainings.
"""

import dataclasses

from aqa_jax.paper import trunk_rows
from aqa_jax.paper.row import Row

MULTITASK = 'score,classes,captions'

_TASKS = {
  'score': 'score (STL)',
  'score,classes': '+ classes',
  'score,captions': '+ captions',
  MULTITASK: '+ classes + captions',
}
_NETWORKS = {'c3davg': 'C3D-AVG', 'mscadc': 'MSCADC'}
_CONFIGS = {
  ('small', 'c3davg'): 'configs/quickstart.py',
  ('small', 'mscadc'): 'configs/quickstart_mscadc.py',
  ('full', 'c3davg'): 'configs/c3davg.py',
  ('full', 'mscadc'): 'configs/mscadc.py',
}
_DATASETS = {
  ('small', 'c3davg'): 'simulated_dives/quickstart',
  ('small', 'mscadc'): 'simulated_dives/quickstart',
  ('full', 'c3davg'): 'mtl_aqa/clips_171x128',
  ('full', 'mscadc'): 'mtl_aqa/clips_640x360',
}

# Table 4: Spearman, tasks in the order above.
_PAPER_SPEARMAN = {
  'c3davg': (0.8960, 0.8962, 0.8878, 0.9044),
  'mscadc': (0.8472, 0.8576, 0.8547, 0.8612),
}
# Table 5.
_PAPER_AUXILIARY = {
  'c3davg': {
    'accuracy_position': 96.32,
    'accuracy_armstand': 99.72,
    'accuracy_rotation_type': 97.45,
    'accuracy_somersaults': 96.88,
    'accuracy_twists': 93.20,
    'bleu_1': 0.26,
    'bleu_2': 0.10,
    'bleu_3': 0.04,
    'bleu_4': 0.02,
    'meteor': 0.11,
    'rouge_l': 0.14,
    'cider': 0.06,
  },
  'mscadc': {
    'accuracy_position': 78.47,
    'accuracy_armstand': 97.45,
    'accuracy_rotation_type': 84.70,
    'accuracy_somersaults': 76.20,
    'accuracy_twists': 82.72,
    'bleu_1': 0.25,
    'bleu_2': 0.09,
    'bleu_3': 0.03,
    'bleu_4': 0.01,
    'meteor': 0.11,
    'rouge_l': 0.13,
    'cider': 0.05,
  },
}
# Nibali et al., on MTL-AQA.
_PAPER_NIBALI = {
  'accuracy_position': 74.79,
  'accuracy_armstand': 98.30,
  'accuracy_rotation_type': 78.75,
  'accuracy_somersaults': 77.34,
  'accuracy_twists': 79.89,
}
# Table 8: dives to train on -> Spearman of STL and MTL.
_PAPER_BY_SIZE = {
  1059: (0.8960, 0.9044),
  450: (0.7727, 0.8352),
  280: (0.6963, 0.7209),
  140: (0.6417, 0.6816),
}


def all_tasks(scale: str) -> list[Row]:
  """Returns table 4: both networks with each set of tasks.

  Args:
    scale: 'small' or 'full'.
  """
  return [network(name, tasks, scale) for name in _NETWORKS for tasks in _TASKS]


def auxiliary(scale: str) -> list[Row]:
  """Returns table 5: both networks, and the classifier of Nibali et al.

  Args:
    scale: 'small' or 'full'.
  """
  config = {
    'small': 'configs/quickstart_dilated_classifier.py',
    'full': 'configs/dilated_classifier.py',
  }
  classifier = Row(
    name='dilated_classifier-classes',
    label='Nibali et al., a reconstruction',
    config=config[scale],
    overrides={
      'tasks': 'classes',
      'dataset.name': _DATASETS[scale, 'mscadc'],
    },
    compared_with='',
    paper=_PAPER_NIBALI,
  )
  return [*multitask(scale), classifier]


def multitask(scale: str) -> list[Row]:
  """Returns table 6: both networks with all tasks.

  Args:
    scale: 'small' or 'full'.
  """
  return [network(name, MULTITASK, scale) for name in _NETWORKS]


def network(name: str, tasks: str, scale: str) -> Row:
  """Returns a network with a set of tasks.

  As in the paper, at full scale its trunk has learned UCF-101 before.

  Args:
    name: 'c3davg' or 'mscadc'.
    tasks: such as 'score,classes', or 'classes' alone.
    scale: 'small' or 'full'.
  """
  paper = {}
  if tasks in _TASKS:
    place = list(_TASKS).index(tasks)
    paper['spearman'] = _PAPER_SPEARMAN[name][place]
  if tasks == MULTITASK:
    paper |= _PAPER_AUXILIARY[name]
  overrides = {'tasks': tasks, 'dataset.name': _DATASETS[scale, name]}
  needs = {}
  if scale == 'full':
    overrides['init_scope'] = 'backbone'
    needs['init_from'] = trunk_rows.ucf101(name)
  return Row(
    name=f'{name}-{tasks.replace(",", "-")}',
    label=f'{_NETWORKS[name]} {_TASKS.get(tasks, tasks)}',
    config=_CONFIGS[scale, name],
    overrides=overrides,
    compared_with=f'{name}-score' if tasks.startswith('score,') else '',
    paper=paper,
    needs=needs,
  )


def by_size(scale: str, data_dir: str) -> list[Row]:
  """Returns table 8: STL and MTL for each training set.

  MTL-AQA's smaller sets come in three forms: as released, with some dives of
  the test split; without those dives; and drawn anew from the training split.
  For simulated dives there are drawn ones of the same proportions. Every row
  takes the same number of steps as the whole set: with equal epochs a small set
  would be trained less.

  Args:
    scale: 'small' or 'full'.
    data_dir: where the prepared datasets are.

  Raises:
    InputError: the dataset is not prepared.
  """
  from aqa_jax.data.dive_split import open_builder

  builder = open_builder(_DATASETS[scale, 'c3davg'], data_dir)
  whole = builder.info.splits['train'].num_examples
  sets = {'train': (whole, 1059, 'all')}
  for paper_size, released in ((450, 443), (280, 279), (140, 143)):
    size = round(whole * paper_size / 1059)
    sets[f'resampled_{size}'] = (size, paper_size, f'{size} drawn')
    if scale == 'full':
      clean = {443: 328, 279: 199, 143: 107}[released]
      sets[f'released_{released}'] = (
        released, paper_size, f'{released} as released',
      )  # fmt: skip
      sets[f'clean_{released}'] = (clean, paper_size, f'{clean} clean')
  found = []
  for split, (size, paper_size, label) in sets.items():
    for tasks in ('score', MULTITASK):
      row = network('c3davg', tasks, scale)
      is_mtl = tasks != 'score'
      kind = 'MTL' if is_mtl else 'STL'
      name = row.name if split == 'train' else f'{row.name}-{split}'
      found.append(
        dataclasses.replace(
          row,
          name=name,
          label=f'C3D-AVG-{kind}, {label}',
          overrides={**row.overrides, 'dataset.train_split': split},
          duration_times=whole / size,
          compared_with=f'c3davg-score{name.removeprefix(row.name)}'
          if is_mtl
          else '',
          paper={'spearman': _PAPER_BY_SIZE[paper_size][is_mtl]},
        )
      )
  return found
