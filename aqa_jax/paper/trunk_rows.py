"""Trunks that have learned no dives: rows that other rows need."""

import dataclasses

from aqa_jax.paper.row import Row

# The trunk of each network.
_TRUNKS = {'c3davg': 'c3d', 'mscadc': 'dilated_c3d'}
_LABELS = {'c3d': 'C3D', 'dilated_c3d': 'the dilated C3D'}
# What `configs/pretrain_ucf101.py` has otherwise for the trunk of MSCADC.
_DILATED = {
  'model.trunk': 'dilated_c3d',
  'model.width': '32',
  'input.height': '240',
  'input.width': '320',
  'input.crop': '180',
}


def ucf101(network: str) -> Row:
  """Returns the trunk of a network that learns the actions of UCF-101.

  Args:
    network: 'c3davg' or 'mscadc'.
  """
  trunk = _TRUNKS[network]
  return Row(
    name=f'ucf101-{trunk}',
    label=f'{_LABELS[trunk]} on UCF-101',
    config='configs/pretrain_ucf101.py',
    overrides=_DILATED if trunk == 'dilated_c3d' else {},
    compared_with='',
    paper={},
    given={'dataset.name': 'ucf101'},
    # As in the paper, all networks begin with the same one.
    one_seed=True,
    splits=('validation',),
  )


def on_ucf101(row: Row) -> Row:
  """Returns the row of a regression on features of C3D, trained on UCF-101.

  Args:
    row: with a config that has `features.weights`.
  """
  return dataclasses.replace(
    row,
    needs={**row.needs, 'features.weights': ucf101('c3davg')},
    note=f'{row.label}: the trunk was trained on UCF-101, and has seen no '
    'dives of the dataset.',
  )


def on_kinetics(row: Row) -> Row:
  """Returns the row of a regression on features of I3D, of Kinetics-400.

  Args:
    row: with a config that has `features.weights`.
  """
  return dataclasses.replace(
    row,
    overrides={**row.overrides, 'features.weights': 'i3d'},
    note=f'{row.label}: the trunk is I3D, trained on Kinetics-400, and has '
    'seen no dives of the dataset.',
  )
