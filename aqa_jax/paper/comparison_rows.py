"""Rows of table 7: the paper's networks against other systems."""

import dataclasses
from collections.abc import Sequence

from aqa_jax.paper import network_rows, system_rows
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
_PAPER_LI = 0.8009
# Datasets of the lower half that know where the stages of a dive end.
_STAGES = {
  'small': 'simulated_dives/quickstart',
  'full': 'unlv_dive/clips_151_171x128',
}
_PARTS = {
  'small': (
    'Trained on all 3000 dives',
    'Trained on 300 of the dives, as many as UNLV-Dive has',
  ),
  'full': ('MTL-AQA', 'UNLV-Dive, trained and tested on its dives alone'),
}
# The networks take the same steps as on all dives.
_TIMES = {'small': 3000 / 300, 'full': 1059 / 300}


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
  others = [
    system_rows.pose_dct(scale),
    *system_rows.svrs(scale),
    system_rows.i3d_ridge(scale),
    *system_rows.lstms(scale),
  ]
  li = _on_few_dives(system_rows.segment_c3d(scale), scale, _PAPER_LI)
  of_stages = [system_rows.s3d(scale, *_few_dives(scale, _STAGES[scale])), li]
  if scale == 'full':
    of_stages.insert(0, system_rows.s3d_of_authors())
  return [
    *_part([*others, *ours], upper, best),
    *_part([*of_stages, *small_set], lower, small_set[-1].name),
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


def _few_dives(scale: str, dataset: str) -> tuple[str, dict[str, str]]:
  """Returns the end of a row's name, and its fields, of the lower half."""
  if scale == 'small':
    split = 'resampled_300'
    return f'-{split}', {'dataset.name': dataset, 'dataset.train_split': split}
  return '-unlv', {'dataset.name': dataset.replace('mtl_aqa/', 'unlv_dive/')}
