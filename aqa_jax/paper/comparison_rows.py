"""Rows of table 7: the paper's networks against other systems."""

import dataclasses
from collections.abc import Mapping, Sequence

from aqa_jax.paper import network_rows, trunk_rows
from aqa_jax.paper.network_rows import MULTITASK
from aqa_jax.paper.row import Row

_NETWORKS = {
  ('mscadc', 'score'): 'MSCADC-STL',
  ('c3davg', 'score'): 'C3D-AVG-STL',
  ('mscadc', MULTITASK): 'MSCADC-MTL',
  ('c3davg', MULTITASK): 'C3D-AVG-MTL',
}
# Of the lower half: networks in the order above.
_PAPER_UNLV = (0.7979, 0.8383, 0.8060, 0.8808)
_PAPER_S3D = 0.8600
_PARTS = {
  'small': (
    'Trained on all 3000 dives',
    'Trained on 300 of the dives, as many as UNLV-Dive has',
  ),
  'full': ('MTL-AQA', 'UNLV-Dive, trained and tested on its dives alone'),
}
_DATASETS = {
  'small': 'simulated_dives/quickstart',
  'full': 'mtl_aqa/clips_171x128',
}
# The networks take the same steps as on all dives.
_TIMES = {'small': 3000 / 300, 'full': 1059 / 300}
# 37 clips begin at every frame of a simulated dive: ten are enough for a toy.
_CLIP_STRIDES = {'small': '4', 'full': '1'}


def rows(scale: str) -> list[Row]:
  """Returns the rows of table 7.

  In the upper half is what needs no stages of a dive; the lower half is for
  systems that do, on UNLV-Dive. For simulated dives the lower half takes as
  many dives to train on as UNLV-Dive has, and the same test dives as the upper.

  Args:
    scale: 'small' or 'full'.
  """
  upper, lower = _PARTS[scale]
  best = f'c3davg-{MULTITASK.replace(",", "-")}'
  ours = [_network(*key, scale) for key in _NETWORKS]
  small_set = [
    _on_few_dives(row, scale, paper)
    for row, paper in zip(ours, _PAPER_UNLV, strict=True)
  ]
  return [
    *_part([*_others(scale), *ours], upper, best),
    *_part([*_others_of_stages(scale), *small_set], lower, small_set[-1].name),
  ]


def _part(found: Sequence[Row], part: str, best: str) -> list[Row]:
  """Returns the rows of a half, each compared with the best of the paper."""
  return [
    dataclasses.replace(
      row, part=part, compared_with='' if row.name == best else best
    )
    for row in found
  ]


def _network(name: str, tasks: str, scale: str) -> Row:
  row = network_rows.network(name, tasks, scale)
  return dataclasses.replace(row, label=_NETWORKS[name, tasks])


def _on_few_dives(row: Row, scale: str, paper: float) -> Row:
  """Returns a network of the lower half."""
  suffix, changes = _few_dives(scale, row.overrides['dataset.name'])
  return dataclasses.replace(
    row,
    name=row.name + suffix,
    overrides={**row.overrides, **changes},
    duration_times=_TIMES[scale],
    paper={'spearman': paper},
  )


def _few_dives(scale: str, dataset: str) -> tuple[str, Mapping[str, str]]:
  """Returns the end of a row's name, and its fields of the lower half."""
  if scale == 'small':
    return '-resampled_300', {'dataset.train_split': 'resampled_300'}
  name = dataset.replace('mtl_aqa/', 'unlv_dive/')
  return '-unlv', {'dataset.name': name}


def _others(scale: str) -> list[Row]:
  """Returns the other systems of the upper half."""
  is_small = scale == 'small'
  pose_dct = Row(
    name='pose-dct',
    label='Pose+DCT',
    config='configs/pose_dct.py',
    overrides={
      'dataset.name': _DATASETS[scale] if is_small else 'mtl_aqa/annotations'
    },
    compared_with='',
    paper={'spearman': 0.2682},
    given={} if is_small else {'features.path': 'poses'},
    one_seed=True,
    note='Pose+DCT: has the true joints of the simulated dives; on real ones '
    'joints have to be found.'
    if is_small
    else '',
  )
  svr = _regression('svr', 'C3D-SVR', 'configs/c3d_svr.py', scale)
  svr = dataclasses.replace(
    svr,
    overrides={
      **svr.overrides,
      'features.clip_stride': _CLIP_STRIDES[scale],
      **({'features.layer': 'last'} if is_small else {}),
    },
    paper={'spearman': 0.7716},
  )
  # Beside C3D-SVR the same on I3D; where there is no C3D, it stands for both.
  svrs = [_on_trunk(svr, scale)]
  if not is_small:
    on_i3d = dataclasses.replace(
      svr,
      label='I3D, SVR',
      overrides={**svr.overrides, 'features.layer': 'last'},
      paper={},
    )
    svrs.append(_kinetics(on_i3d))
  ridge = _regression('ridge', 'I3D, ridge', 'configs/linear_probe.py', scale)
  ridge = dataclasses.replace(
    ridge, overrides={**ridge.overrides, 'features.layer': 'last'}
  )
  return [pose_dct, *svrs, _kinetics(ridge)]


def _regression(name: str, label: str, config: str, scale: str) -> Row:
  """Returns a row on features of a trunk, which is still to be chosen."""
  return Row(
    name=name,
    label=label,
    config=config,
    overrides={'dataset.name': _DATASETS[scale]},
    compared_with='',
    paper={},
  )


def _on_trunk(row: Row, scale: str) -> Row:
  """Returns a row on the paper's trunk, or the one that can be installed."""
  if scale == 'full':
    row = dataclasses.replace(row, name=f'ucf101-{row.name}')
    return trunk_rows.on_ucf101(row)
  return _kinetics(dataclasses.replace(row, label=f'{row.label}, on I3D'))


def _kinetics(row: Row) -> Row:
  return trunk_rows.on_kinetics(
    dataclasses.replace(row, name=f'i3d-{row.name}')
  )


def _others_of_stages(scale: str) -> list[Row]:
  """Returns the other systems of the lower half."""
  if scale == 'small':
    return []
  s3d = Row(
    name='s3d-unlv',
    label="S3D, its authors' features",
    config='configs/s3d.py',
    overrides={},
    compared_with='',
    paper={'spearman': _PAPER_S3D},
    given={'features.path': 's3d_features'},
    one_seed=True,
    note="S3D, its authors' features: P3D, tuned to the training dives of "
    'UNLV-Dive.',
  )
  return [s3d]
