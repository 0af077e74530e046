"""How the packages of aqa_jax depend on each other."""

import ast
import collections
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def _imported(path):
  """Yields the full names of what a module of this project imports."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      # Of `from aqa_jax import x`, x counts.
      yield from (f'{node.module}.{alias.name}' for alias in node.names)


def _unit(parts):
  """Returns the package, or the module above all packages, of a module."""
  return '.'.join(parts[:2])


def _dependencies():
  units = {
    _unit(path.relative_to(ROOT).with_suffix('').parts)
    for path in (ROOT / 'aqa_jax').rglob('*.py')
  }
  found = collections.defaultdict(set)
  for path in sorted((ROOT / 'aqa_jax').rglob('*.py')):
    unit = _unit(path.relative_to(ROOT).with_suffix('').parts)
    for name in _imported(path):
      other = _unit(name.split('.'))
      if other in units and other != unit:
        found[unit].add(other)
  return found


def test_dependencies_between_packages_run_one_way():
  dependencies = _dependencies()
  # The test sees what there is: the command is above everything.
  assert 'aqa_jax.train' in dependencies['aqa_jax.main']
  assert 'aqa_jax.layers' in dependencies['aqa_jax.systems']
  try:
    graphlib.TopologicalSorter(dependencies).prepare()
  except graphlib.CycleError as e:
    pytest.fail(f'a circle: {" -> ".join(e.args[1])}')


@pytest.mark.parametrize('other', ['configs', 'tests', 'benchmarks', 'launch'])
def test_packages_do_not_need_what_is_not_installed(other):
  for package in ('aqa_jax', 'tfds_mtl_aqa'):
    for path in (ROOT / package).rglob('*.py'):
      assert other not in {name.split('.')[0] for name in _imported(path)}


def test_the_dataset_does_not_need_the_networks():
  for path in (ROOT / 'tfds_mtl_aqa').rglob('*.py'):
    assert 'aqa_jax' not in {name.split('.')[0] for name in _imported(path)}
