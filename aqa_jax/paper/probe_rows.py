"""Rows of tables 9 and 10: linear probes of the layers of networks."""

import dataclasses

from aqa_jax.paper import network_rows, trunk_rows
from aqa_jax.paper.network_rows import MULTITASK
from aqa_jax.paper.row import Row

LAYERS = ('c1', 'c2', 'c3', 'c4', 'c5')

_CONFIG = 'configs/linear_probe.py'
_DATASETS = {
  ('small', False): 'simulated_dives/quickstart',
  ('full', False): 'mtl_aqa/clips_171x128',
  ('small', True): 'simulated_vaults/quickstart',
  ('full', True): 'aqa7/clips_171x128_gym_vault',
}
# Of vaults; the lists of AQA-7 do not tell competitions apart.
_SPLITS = {'small': ('test_shared_events', 'test'), 'full': ('test',)}
# Network -> layers c1 to c5: table 9.
_PAPER_DIVES = {
  'baseline_1': (0.7101, 0.7139, 0.7313, 0.7634, 0.7369),
  'baseline_2': (0.7243, 0.7015, 0.7035, 0.5720, 0.3763),
  'mtl': (0.7426, 0.7795, 0.8278, 0.8618, 0.8575),
}
# Table 10: train and test events overlapping, and not.
_PAPER_VAULTS = {
  'baseline_1': (
    (0.4110, 0.3206, 0.3653, 0.4686, 0.4478),
    (-0.0268, 0.0075, -0.0391, -0.0222, 0.0317),
  ),
  'baseline_2': (
    (0.3776, 0.4202, 0.3798, 0.4428, 0.3856),
    (-0.0752, -0.0244, 0.0507, 0.2409, 0.2580),
  ),
  'mtl': (
    (0.3832, 0.4268, 0.4553, 0.4918, 0.3847),
    (-0.0775, -0.0277, 0.2351, 0.2956, -0.0325),
  ),
}


def rows(scale: str, vaults: bool) -> list[Row]:
  """Returns a row for each layer of each network.

  Args:
    scale: 'small' or 'full'.
    vaults: whether the probes are of vaults, table 10; False for dives, 9.
  """
  networks = [_baseline_1(scale), *_learned(scale)]
  if scale == 'small':
    networks.insert(0, _untrained())
  return [
    _probe(network, layer, scale, vaults)
    for network in networks
    for layer in LAYERS
  ]


def _probe(network: Row, layer: str, scale: str, vaults: bool) -> Row:
  """Returns the row of a layer.

  Args:
    network: what it has in common with the other layers of the network.
    layer: one of LAYERS.
    scale: 'small' or 'full'.
    vaults: whether it is of vaults.
  """
  splits = _SPLITS[scale] if vaults else ('test',)
  changes = {'dataset.name': _DATASETS[scale, vaults], 'features.layer': layer}
  if splits != ('test',):
    changes['test_splits'] = repr(splits).replace(' ', '')
  end = f'-{layer}' + '-vaults' * vaults
  other = network.compared_with
  return dataclasses.replace(
    network,
    name=f'probe-{network.name}{end}',
    overrides={**network.overrides, **changes},
    compared_with=f'probe-{other}{end}' if other else '',
    paper=_paper(network.name, layer, splits, vaults),
    splits=splits,
    column=layer,
  )


def _paper(
  network: str, layer: str, splits: tuple[str, ...], vaults: bool
) -> dict[str, float]:
  """Returns split -> the Spearman in the paper."""
  place = LAYERS.index(layer)
  name = _IN_PAPER.get(network)
  if name is None:
    return {}
  figures = _PAPER_VAULTS[name] if vaults else (_PAPER_DIVES[name],)
  # At full scale there is the first half of table 10 alone.
  return {
    split: of_layers[place]
    for split, of_layers in zip(splits, figures, strict=False)
  }


# Rows, without their layer, that the paper has.
_IN_PAPER = {
  'ucf101': 'baseline_1',
  'i3d': 'baseline_1',
  'c3davg-classes': 'baseline_2',
  f'c3davg-{MULTITASK.replace(",", "-")}': 'mtl',
}


def _baseline_1(scale: str) -> Row:
  """Returns the network that has learned actions."""
  row = Row('', '', _CONFIG, {}, '', {}, one_seed=True)
  if scale == 'full':
    label = 'Baseline-1: C3D, actions of UCF-101'
    return trunk_rows.on_ucf101(
      dataclasses.replace(row, name='ucf101', label=label)
    )
  label = 'Baseline-1: I3D, actions of Kinetics-400'
  return trunk_rows.on_kinetics(
    dataclasses.replace(row, name='i3d', label=label)
  )


def _learned(scale: str) -> list[Row]:
  """Returns the networks that have learned dives."""
  baseline_1 = _baseline_1(scale).name
  networks = {
    'Baseline-2: C3D-AVG, classes of dives': ('classes', baseline_1),
    'C3D-AVG-STL': ('score', 'c3davg-classes'),
    'C3D-AVG-MTL': (MULTITASK, 'c3davg-classes'),
  }
  return [
    _of_network(network_rows.network('c3davg', tasks, scale), label, other)
    for label, (tasks, other) in networks.items()
  ]


def _untrained() -> Row:
  """Returns C3D before its training, the floor of what training adds."""
  row = network_rows.network('c3davg', 'score', 'small')
  # A training of one step that changes nothing: a workdir as the others have.
  changes = {
    'duration': '1 steps',
    'optimizer.learning_rate': '1e-12',
    'optimizer.muon_learning_rate': '1e-12',
  }
  row = dataclasses.replace(
    row,
    name='c3davg-untrained',
    label='C3D-AVG, untrained',
    overrides={**row.overrides, **changes},
    paper={},
  )
  label = 'Floor: C3D, untrained'
  return dataclasses.replace(
    _of_network(row, label, ''),
    note=f'{label}: the trunk has learned nothing; it counts as one that has '
    'had the dives, because its folder is of a training that changes nothing.',
  )


def _of_network(network: Row, label: str, compared_with: str) -> Row:
  return Row(
    name=network.name,
    label=label,
    config=_CONFIG,
    overrides={},
    compared_with=compared_with,
    paper={},
    needs={'features.weights': network},
  )
