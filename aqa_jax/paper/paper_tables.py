"""The rows of the paper's tables: what to train, and the paper's results.

A row is a config with some changed fields. Tables share rows, and so their
trainings.
"""

import dataclasses
from collections.abc import Mapping

from tfds_mtl_aqa.input_error import InputError

TABLES = (4, 5, 6, 8)
SCALES = ('small', 'full')

_TASKS = {
  'score': 'score (STL)',
  'score,classes': '+ classes',
  'score,captions': '+ captions',
  'score,classes,captions': '+ classes + captions',
}
_NETWORKS = {'c3davg': 'C3D-AVG', 'mscadc': 'MSCADC'}
_CONFIGS = {
  ('small', 'c3davg'): 'configs/quickstart.py',
  ('small', 'mscadc'): 'configs/quickstart_mscadc.py',
  ('full', 'c3davg'): 'configs/c3davg.py',
  ('full', 'mscadc'): 'configs/mscadc.py',
}
_DATASETS = {
  ('small', 'simulated_dives'): ('simulated_dives/quickstart',) * 2,
  ('full', 'mtl_aqa'): ('mtl_aqa/clips_171x128', 'mtl_aqa/clips_640x360'),
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
# Table 8: dives to train on -> Spearman of STL and MTL.
_PAPER_BY_SIZE = {
  1059: (0.8960, 0.9044),
  450: (0.7727, 0.8352),
  280: (0.6963, 0.7209),
  140: (0.6417, 0.6816),
}


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table.

  Attributes:
    name: name of its folder; equal rows of two tables have the same name.
    label: name for the reader.
    config: path of the config.
    overrides: field of the config -> value.
    compared_with: name of the row that it is tested against; '' for none.
    paper: measure -> the paper's value, if it has one.
    duration_times: factor of the config's duration.
  """

  name: str
  label: str
  config: str
  overrides: Mapping[str, str]
  compared_with: str
  paper: Mapping[str, float]
  duration_times: float = 1.0


def rows(table: int, dataset: str, scale: str, data_dir: str) -> list[Row]:
  """Returns the rows of a table.

  Args:
    table: 4, 5, 6 or 8.
    dataset: 'simulated_dives' or 'mtl_aqa'.
    scale: 'small', toys that two CPU cores train in minutes; or 'full', the
      paper's networks.
    data_dir: where the prepared datasets are.

  Raises:
    InputError: there is no such table at this scale.
  """
  if (scale, dataset) not in _DATASETS:
    raise InputError(
      f'--scale={scale} --dataset={dataset}: give small and simulated_dives, '
      'or full and mtl_aqa.'
    )
  if table == 4:
    return [
      _row(network, tasks, dataset, scale)
      for network in _NETWORKS
      for tasks in _TASKS
    ]
  if table in (5, 6):
    mtl = 'score,classes,captions'
    return [_row(network, mtl, dataset, scale) for network in _NETWORKS]
  if table == 8:
    return _rows_by_size(dataset, scale, data_dir)
  raise InputError(f'--table={table}: give one of {TABLES}.')


def _row(network: str, tasks: str, dataset: str, scale: str) -> Row:
  place = list(_TASKS).index(tasks)
  paper = {'spearman': _PAPER_SPEARMAN[network][place]}
  if tasks == 'score,classes,captions':
    paper |= _PAPER_AUXILIARY[network]
  of_network = list(_NETWORKS).index(network)
  return Row(
    name=f'{network}-{tasks.replace(",", "-")}',
    label=f'{_NETWORKS[network]} {_TASKS[tasks]}',
    config=_CONFIGS[scale, network],
    overrides={
      'tasks': tasks,
      'dataset.name': _DATASETS[scale, dataset][of_network],
    },
    compared_with='' if tasks == 'score' else f'{network}-score',
    paper=paper,
  )


def _rows_by_size(dataset: str, scale: str, data_dir: str) -> list[Row]:
  """Returns STL and MTL for each training set of table 8.

  MTL-AQA's smaller sets come in three forms: as released, with some dives of
  the test split; without those dives; and drawn anew from the training split.
  For simulated dives there are drawn ones of the same proportions. Every row
  takes the same number of steps as the whole set: with equal epochs a small set
  would be trained less.
  """
  from aqa_jax.data.dive_split import open_builder

  name, _ = _DATASETS[scale, dataset]
  whole = open_builder(name, data_dir).info.splits['train'].num_examples
  sets = {'train': (whole, 1059, 'all')}
  for paper_size, released in ((450, 443), (280, 279), (140, 143)):
    size = round(whole * paper_size / 1059)
    sets[f'resampled_{size}'] = (size, paper_size, f'{size} drawn')
    if dataset == 'mtl_aqa':
      clean = {443: 328, 279: 199, 143: 107}[released]
      sets[f'released_{released}'] = (
        released, paper_size, f'{released} as released',
      )  # fmt: skip
      sets[f'clean_{released}'] = (clean, paper_size, f'{clean} clean')
  found = []
  for split, (size, paper_size, label) in sets.items():
    for tasks in ('score', 'score,classes,captions'):
      row = _row('c3davg', tasks, dataset, scale)
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
