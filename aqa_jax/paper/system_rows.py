"""Rows of the systems that the paper compares its networks with."""

import dataclasses
from collections.abc import Mapping

from aqa_jax.paper import trunk_rows
from aqa_jax.paper.row import Row

_DATASETS = {
  'small': 'simulated_dives/quickstart',
  'full': 'mtl_aqa/clips_171x128',
}
_PAPER_S3D = 0.8600
# A clip begins at every frame; of a simulated dive five are enough for a toy.
_CLIP_STRIDES = {'small': '8', 'full': '1'}
# The dives that choose the checkpoints of the networks. A tenth of the dives of
# each event, as at full scale, is none where an event has one or two.
_VALIDATION = {
  'small': {
    'validation.fraction': '0.15',
    'validation.whole_events': 'True',
  },
  'full': {},
}


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


def lstms(scale: str) -> list[Row]:
  """Returns C3D-LSTM and C3D-LSTM-SVR (Parmar & Morris, 2017).

  Args:
    scale: 'small' or 'full'.
  """
  lstm = Row(
    name='lstm',
    label='C3D-LSTM',
    config='configs/c3d_lstm.py',
    overrides={
      'dataset.name': _DATASETS[scale],
      # At small scale the clips of C3D-SVR.
      **({'features.clip_stride': '8'} if scale == 'small' else {}),
      **_VALIDATION[scale],
    },
    compared_with='',
    paper={'spearman': 0.8489},
  )
  incremental = dataclasses.replace(
    lstm,
    name='lstm-incremental',
    label='C3D-LSTM, incremental labels',
    overrides={**lstm.overrides, 'model.labels': 'incremental'},
    paper={},
  )
  rows = [_on_trunk(row, scale) for row in (lstm, incremental)]
  svr = Row(
    name=f'{rows[0].name}-svr',
    label=rows[0].label.replace('LSTM', 'LSTM-SVR'),
    config='configs/c3d_lstm_svr.py',
    overrides={'dataset.name': _DATASETS[scale]},
    compared_with='',
    paper={},
    needs={'features.weights': rows[0]},
  )
  return [*rows, svr]


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


def s3d(scale: str, suffix: str, changes: Mapping[str, str]) -> Row:
  """Returns S3D (Xiang et al., 2018) on a trunk that is not tuned to dives.

  Its stages are those that an ED-TCN has found, trained on the same dives.

  Args:
    scale: 'small' or 'full'.
    suffix: end of the names of the rows.
    changes: fields that choose the dataset and its dives.
  """
  stages = Row(
    name='ed_tcn' + suffix,
    label='ED-TCN',
    config='configs/ed_tcn.py',
    # I3D takes eight frames or more.
    overrides={
      'features.clip_frames': '8',
      **_VALIDATION[scale],
      **changes,
    },
    compared_with='',
    paper={},
  )
  row = Row(
    name='s3d' + suffix,
    label='S3D' if scale == 'small' else 'S3D, on C3D',
    config='configs/s3d_stages.py',
    overrides=changes,
    compared_with='',
    # At full scale it is the figure of the features of the authors.
    paper={'spearman': _PAPER_S3D} if scale == 'small' else {},
    needs={'features.stages': _on_trunk(stages, scale)},
  )
  row = _on_trunk(row, scale)
  note = (
    f'{row.note[:-1]}; the stages are those that an ED-TCN finds, which was '
  )
  return dataclasses.replace(row, note=f'{note}trained on the same dives.')


def segment_c3d(scale: str) -> Row:
  """Returns the network of Li et al. (2018), a reconstruction.

  Args:
    scale: 'small' or 'full'.
  """
  config = 'segment_c3d' if scale == 'full' else 'quickstart_segment_c3d'
  return Row(
    name='segment_c3d',
    label='Li et al., a reconstruction',
    config=f'configs/{config}.py',
    overrides={'dataset.name': _DATASETS[scale]},
    compared_with='',
    paper={},
    note='Li et al.: begins from random weights, or those of '
    '--config.init_from; the other networks with a trunk on UCF-101.'
    if scale == 'full'
    else '',
  )


def s3d_of_authors() -> Row:
  """Returns S3D (Xiang et al., 2018) on the features of its authors."""
  return Row(
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
