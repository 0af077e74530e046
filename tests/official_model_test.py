"""Folders of official files as models: read, and written as a model folder.

The trunks' weights are seeded; the heads of C3D-AVG are those of the official
epoch 94.
"""

import shutil

import fake_mtl_aqa
import jax
import numpy as np
import pytest
from dive_tasks import dive_tasks
from flax import traverse_util

from aqa_jax import bundle
from aqa_jax.judging.model_source import find_model
from aqa_jax.layers.output_layers import OutputLayers
from aqa_jax.official_names import to_official
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.weights import pretrained
from aqa_jax.weights.torch_file import read_torch_file, write_torch_file
from tfds_mtl_aqa.input_error import InputError

_REAL_HEADS = fake_mtl_aqa.SHARED / 'weights'
_HEADS = ('model_score_regressor_94.pth', 'model_dive_classifier_94.pth')
_NETWORKS = {
  'c3davg': (C3DAVG, (1, 96, 112, 112, 3)),
  'mscadc': (MSCADC, (1, 16, 180, 180, 3)),
}


def _shapes(system):
  network, video = _NETWORKS[system]
  return {'batch_stats': {}} | jax.eval_shape(
    network(dive_tasks(('score', 'classes'))).init,
    jax.random.key(0),
    jax.ShapeDtypeStruct(video, np.float32),
  )


def _write_official(folder, system):
  """Writes a network of the official size; returns the modules' entries."""
  names = chosen_system(system).official_names
  rng = np.random.default_rng(0)
  modules = {}
  for path, leaf in traverse_util.flatten_dict(_shapes(system)).items():
    module, entry = names.official_name(path)
    shape = to_official(path, np.broadcast_to(0, leaf.shape)).shape
    values = rng.random(shape, np.float32).astype(leaf.dtype)
    modules.setdefault(module, {})[entry] = values
  for module, entries in modules.items():
    write_torch_file(folder / f'{module}_94.pth', entries)
  return modules


@pytest.fixture(name='folder')
def fixture_folder(tmp_path):
  """A folder that is not kept: its files are large."""
  yield tmp_path
  shutil.rmtree(tmp_path)


def _head_outputs(model, features):
  """Returns what the heads make of features: by layer, [n, units]."""
  outputs = {}
  for task in model.tasks:
    layers = OutputLayers(tuple(task.layers.items()), task.initial)
    params = model.variables['params'][task.head]
    outputs |= layers.apply({'params': params}, features)
  return {name: np.asarray(output) for name, output in outputs.items()}


@pytest.mark.skipif(
  not _REAL_HEADS.is_dir(), reason='needs the official heads in ../shared'
)
def test_the_real_heads_as_a_model(folder):
  official = folder / 'official'
  official.mkdir()
  _write_official(official, 'c3davg')
  for head in _HEADS:
    shutil.copy(_REAL_HEADS / head, official)
  bundle.main([f'--workdir={official}', f'--out={folder / "model"}'])
  model = find_model(folder / 'model')
  names = chosen_system('c3davg').official_names
  begun, _ = pretrained.initialize(
    _shapes('c3davg'), str(official), 'everything', names
  )
  for found, expected in zip(
    jax.tree.leaves(model.variables), jax.tree.leaves(begun), strict=True
  ):
    np.testing.assert_array_equal(found, expected)

  features = np.random.default_rng(0).random((50, 4096), np.float32)
  outputs = _head_outputs(model, features)
  of_training = _head_outputs(model.replace(variables=begun), features)
  entries = {}
  for head in _HEADS:
    entries |= read_torch_file(_REAL_HEADS / head)
  assert set(outputs) == {'final_score', *model.schema.class_names}
  for name, found in outputs.items():
    np.testing.assert_array_equal(found, of_training[name])
    layer = names.layers[name]
    expected = features.astype(np.float64) @ entries[f'{layer}.weight'].T
    expected += entries[f'{layer}.bias']
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f'{name}: {error:.1e} of the largest output, against NumPy.')
    assert error < 1e-6


def test_a_folder_of_mscadc(folder):
  """Its files have the names of C3D-AVG's."""
  modules = _write_official(folder, 'mscadc')
  model = find_model(folder)
  assert model.config.network == 'mscadc'
  names = chosen_system('mscadc').official_names
  for path, found in traverse_util.flatten_dict(model.variables).items():
    module, entry = names.official_name(path)
    expected = modules[module][entry]
    np.testing.assert_array_equal(to_official(path, found), expected)


def test_what_does_not_fit_names_the_folder(folder):
  """The message does not tell of a config, which nobody has given."""
  entries = {
    'fc_final_score.weight': np.zeros((1, 5), np.float32),
    'fc_final_score.bias': np.zeros(1, np.float32),
  }
  write_torch_file(folder / 'model_score_regressor_94.pth', entries)
  with pytest.raises(InputError) as caught:
    find_model(folder)
  assert str(caught.value).startswith(f'{folder} does not fit: ')
  (folder / 'model_score_regressor_94.pth').write_bytes(b'cut')
  with pytest.raises(InputError) as caught:
    find_model(folder)
  assert 'init_from' not in str(caught.value)
