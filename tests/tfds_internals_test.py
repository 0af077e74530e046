"""TFDS still has what this project uses of its inside."""

import ast
import importlib
import inspect
import pathlib
import re
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa
from tfds_mtl_aqa import tfds_internals

ROOT = pathlib.Path(__file__).parents[1]
_CORE = 'tensorflow_datasets.core.'

# Module, name, and the parameters of what is overridden or called.
INTERNALS = [
  (_CORE + 'constants', 'DATASET_INFO_FILENAME', None),
  (_CORE + 'constants', 'FEATURES_FILENAME', None),
  (_CORE + 'constants', 'METADATA_FILENAME', None),
  (_CORE + 'constants', 'INCOMPLETE_PREFIX', None),
  (_CORE + 'file_adapters', 'ADAPTER_FOR_FORMAT', None),
  (
    _CORE + 'file_adapters',
    'ArrayRecordFileAdapter.write_examples',
    ['path', 'iterator'],
  ),
  (
    _CORE + 'file_adapters',
    'ArrayRecordFileAdapter.num_examples',
    ['filename'],
  ),
  (_CORE + 'example_serializer', 'ExampleSerializer', ['example_specs']),
  (
    _CORE + 'example_serializer',
    'ExampleSerializer.get_tf_example',
    ['self', 'example'],
  ),
  (_CORE + 'example_parser', 'ExampleParser', ['example_specs']),
  (
    _CORE + 'example_parser',
    'ExampleParser.parse_example',
    ['self', 'serialized_example'],
  ),
  (_CORE + 'download.checksums', 'UrlInfo', ['size', 'checksum', 'filename']),
  (_CORE + 'download.download_manager', 'NonMatchingChecksumError', None),
  (
    _CORE + 'dataset_builder',
    'GeneratorBasedBuilder._generate_splits',
    ['self', 'dl_manager', 'download_config'],
  ),
  (
    _CORE + 'dataset_builder',
    'GeneratorBasedBuilder._as_dataset',
    ['self', 'split', 'decoders', 'read_config', 'shuffle_files'],
  ),
  (
    _CORE + 'dataset_builder',
    'GeneratorBasedBuilder._should_cache_ds',
    ['self', 'split', 'shuffle_files', 'read_config'],
  ),
  (
    _CORE + 'dataset_builder',
    'GeneratorBasedBuilder._log_download_bytes',
    ['self'],
  ),
  (
    _CORE + 'dataset_info',
    'DatasetInfo.write_dataset_info_json',
    ['self', 'dataset_info_dir'],
  ),
  # Of aqa_jax/data/dive_split.py: what calls EncodedFrames' method.
  (
    _CORE + 'features.feature',
    'FeatureConnector.decode_batch_example_np',
    ['self', 'batch'],
  ),
]
# Methods with an underscore that TFDS tells its users to override.
_DOCUMENTED = {'_info', '_split_generators', '_generate_examples'}


@pytest.mark.parametrize(
  'module, name, parameters', INTERNALS, ids=lambda value: str(value)[:60]
)
def test_tfds_has_it(module, name, parameters):
  told = f'tensorflow-datasets {tfds.__version__}: {module}.{name}'
  try:
    found = importlib.import_module(module)
    for part in name.split('.'):
      found = getattr(found, part)
  except (ImportError, AttributeError):
    pytest.fail(f'{told} is not there any more; see tfds_internals.py')
  if parameters is not None:
    now = list(inspect.signature(found).parameters)
    assert now == parameters, f'{told} takes {now}, not {parameters}'


def test_the_pinned_version_is_listed_as_tested():
  pinned = (ROOT / 'constraints.txt').read_text()
  version = re.search(r'^tensorflow-datasets==(\S+)$', pinned, re.M)[1]
  page = (ROOT / 'docs' / 'architecture.md').read_text()
  assert f'| {version} | ' in page


def test_unfinished_folders_are_named_as_expected(tmp_path):
  from tensorflow_datasets.core.utils import file_utils

  with file_utils.incomplete_dir(str(tmp_path / 'set' / '1.0.0')) as folder:
    pattern = tfds_internals.unfinished_folders('1.0.0')
    found = list((tmp_path / 'set').glob(pattern))
    assert found == [pathlib.Path(folder)]


def _modules():
  for path in sorted((ROOT / 'tfds_mtl_aqa').rglob('*.py')):
    yield path, ast.parse(path.read_text())


def _imported(tree):
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      yield node.module


def test_one_module_alone_imports_the_inside_of_tfds():
  users = {
    path.name
    for path, tree in _modules()
    for name in _imported(tree)
    if name.startswith(_CORE[:-1])
  }
  assert users == {'tfds_internals.py'}


def test_one_module_alone_uses_private_names_of_builders():
  private = {
    name
    for name in dir(tfds.core.GeneratorBasedBuilder)
    if name.startswith('_') and not name.startswith('__')
  } | {'_data_dir'}
  users = {}
  for path, tree in _modules():
    names = {
      node.name if isinstance(node, ast.FunctionDef) else node.attr
      for node in ast.walk(tree)
      if isinstance(node, (ast.FunctionDef, ast.Attribute))
    }
    if used := names & private - _DOCUMENTED:
      users[path.name] = used
  assert list(users) == ['tfds_internals.py'], users
  listed = {name.rpartition('.')[2] for _, name, _ in INTERNALS}
  assert users['tfds_internals.py'] - _DOCUMENTED <= listed


@pytest.mark.parametrize(
  'name',
  [
    'dive_dataset_builder',
    'label_file',
    'clips.clip',
    'mtl_aqa.mtl_aqa_dataset_builder',
  ],
)
def test_datasets_are_found_whichever_module_comes_first(name):
  code = (
    f'import tfds_mtl_aqa.{name}, tensorflow_datasets as tfds\n'
    "for dataset in ('mtl_aqa', 'simulated_dives'):\n"
    '  assert tfds.builder(dataset).name == dataset'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT
  )
  assert done.returncode == 0, done.stderr


def test_the_modules_that_import_tfds_are_listed():
  found = {
    '.'.join(path.relative_to(ROOT / 'tfds_mtl_aqa').with_suffix('').parts)
    for path, tree in _modules()
    for node in tree.body
    if isinstance(node, ast.Import)
    and 'tensorflow_datasets' in [alias.name for alias in node.names]
  }
  assert found == set(tfds_mtl_aqa._USE_TFDS)
