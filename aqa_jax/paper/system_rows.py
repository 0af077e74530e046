"""Rows of the systems that the paper compares its networks with."""

import dataclasses

from aqa_jax.paper import trunk_rows
from aqa_jax.paper.row import Row

_DATASETS = {
  'small': 'simulated_dives/quickstart',
  'full': 'mtl_aqa/clips_171x128',
}
# A fourth of the clips of a simulated dive, which begin at every frame, is
# enough for a toy.
_CLIP_STRIDES = {'small': '4', 'full': '1'}


def pose_dct(scale: str) -> Row:
  """Returns Pose+DCT (Pirsiavash et al., 2014).

  Args:
    scale: 'small' or 'full'.
  """
  is_small = scale == 'small'
  return Row(
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


def svrs(scale: str) -> list[Row]:
  """Returns C3D-SVR (Parmar & Morris, 2017), and the same on I3D.

  At small scale the second stands for the first, too.

  Args:
    scale: 'small' or 'full'.
  """
  svr = Row(
    name='svr',
    label='C3D-SVR',
    config='configs/c3d_svr.py',
    overrides={
      'dataset.name': _DATASETS[scale],
      'features.clip_stride': _CLIP_STRIDES[scale],
    },
    compared_with='',
    paper={'spearman': 0.7716},
    one_seed=True,
  )
  if scale == 'small':
    return [_on_trunk(svr, scale)]
  on_i3d = dataclasses.replace(svr, label='I3D, SVR', paper={})
  return [_on_trunk(svr, scale), _on_i3d(on_i3d)]


def i3d_ridge(scale: str) -> Row:
  """Returns a ridge on the features of I3D.

  Args:
    scale: 'small' or 'full'.
  """
  return _on_i3d(
    Row(
      name='ridge',
      label='I3D, ridge',
      config='configs/linear_probe.py',
      overrides={'dataset.name': _DATASETS[scale]},
      compared_with='',
      paper={},
      one_seed=True,
    )
  )


def s3d_of_authors() -> Row:
  """Returns S3D (Xiang et al., 2018) on the features of its authors."""
  return Row(
    name='s3d-unlv',
    label="S3D, its authors' features",
    config='configs/s3d.py',
    overrides={},
    compared_with='',
    paper={'spearman': 0.8600},
    given={'features.path': 's3d_features'},
    one_seed=True,
    note="S3D, its authors' features: P3D, tuned to the training dives of "
    'UNLV-Dive.',
  )


def _on_trunk(row: Row, scale: str) -> Row:
  """Returns a row on the paper's trunk, or the one that can be installed."""
  if scale == 'full':
    row = dataclasses.replace(row, name=f'ucf101-{row.name}')
    return trunk_rows.on_ucf101(row)
  return _on_i3d(dataclasses.replace(row, label=f'{row.label}, on I3D'))


def _on_i3d(row: Row) -> Row:
  """Returns a row on the last features of I3D."""
  overrides = {**row.overrides, 'features.layer': 'last'}
  return trunk_rows.on_kinetics(
    dataclasses.replace(row, name=f'i3d-{row.name}', overrides=overrides)
  )
