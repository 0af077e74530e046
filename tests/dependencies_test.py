"""The packages that the code imports are those that pyproject.toml declares."""

import ast
import functools
import importlib.metadata
import pathlib
import re
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
_PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
_OPTIONAL = _PROJECT['optional-dependencies']
# Distributions that stand for another.
_KINDS = {'tensorflow-cpu': 'tensorflow'}


def _names(requirements):
  """Returns the names of distributions, in their normal form."""
  names = set()
  for requirement in requirements:
    name = re.match(r'[\w.-]+', requirement)[0]
    names.add(re.sub(r'[-_.]+', '-', name).lower())
  return {_KINDS.get(name, name) for name in names}


def _imports(package):
  """Yields (path, module) of the imports of other projects."""
  for path in sorted((ROOT / package).rglob('*.py')):
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
      elif isinstance(node, ast.ImportFrom) and not node.level:
        names = [f'{node.module}.{alias.name}' for alias in node.names]
      else:
        continue
      for name in names:
        top = name.partition('.')[0]
        if top not in sys.stdlib_module_names | {'aqa_jax', 'tfds_mtl_aqa'}:
          yield path, 'google.protobuf' if top == 'google' else top


# It reads the lists of files of all packages.
_packages = functools.cache(importlib.metadata.packages_distributions)


def _distributions(module):
  if module == 'google.protobuf':
    return {'protobuf'}
  return _names(_packages().get(module, [module]))


@pytest.mark.parametrize('package', ['aqa_jax', 'tfds_mtl_aqa'])
def test_what_is_imported_is_declared(package):
  declared = _names(_PROJECT['dependencies'])
  for extra in ('tf', 'captions', 'onnx', 'serve'):
    declared |= _names(_OPTIONAL[extra])
  undeclared = {
    f'{path.relative_to(ROOT)} imports {module}'
    for path, module in _imports(package)
    if not _distributions(module) & declared
  }
  assert not undeclared


def test_it_sees_the_imports():
  modules = {module for _, module in _imports('tfds_mtl_aqa')}
  assert {'cv2', 'google.protobuf', 'tensorflow_datasets'} <= modules
