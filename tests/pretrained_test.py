"""Weights from elsewhere: official files in, official files out."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from dive_tasks import dive_tasks
from flax import traverse_util

from aqa_jax import sharding
from aqa_jax.systems import c3davg, mscadc
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.train_state import TrainState
from aqa_jax.weights import pretrained
from aqa_jax.weights.__main__ import main as weights_main
from aqa_jax.weights.checkpoint import Checkpoints
from aqa_jax.weights.torch_file import read_torch_file, write_torch_file
from tfds_mtl_aqa.input_error import InputError

_REAL_HEADS = pathlib.Path(__file__).parents[2] / 'shared/weights'
_ALL = ('score', 'classes', 'captions')
_SMALL = {
  'width': 2,
  'caption_length': 6,
  'caption_hidden': 5,
  'caption_embedding': 3,
}


def _names(variables):
  system = mscadc if 'caption_head' in variables['params'] else c3davg
  return system.SYSTEM.official_names


def _initialize(variables, sources, scope):
  return pretrained.initialize(variables, sources, scope, _names(variables))


def _c3davg(tasks=_ALL):
  return C3DAVG(dive_tasks(tasks, words=9), clips=2, fc6=7, **_SMALL)


def _mscadc(tasks=_ALL):
  return MSCADC(dive_tasks(tasks, words=9), **_SMALL)


_VIDEOS = {_c3davg: (1, 32, 32, 32, 3), _mscadc: (1, 16, 32, 32, 3)}


def _variables(network, tasks=_ALL, seed=0):
  """Random variables of a small network, statistics too."""
  shapes = jax.eval_shape(
    network(tasks).init,
    jax.random.key(0),
    jnp.zeros(_VIDEOS[network]),
    jnp.zeros((1, 6), jnp.int32),
  )
  rng = np.random.default_rng(seed)
  return {'batch_stats': {}} | jax.tree.map(
    lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), shapes
  )


def _workdir(folder, variables, step=94):
  """A training whose best checkpoint holds some variables."""
  state = TrainState(
    step=jnp.int32(step),
    params=variables['params'],
    batch_stats=variables['batch_stats'],
    opt_state=optax.adam(1e-3).init(variables['params']),
  )
  checkpoints = Checkpoints(folder)
  everywhere = sharding.replicated(sharding.make_mesh(1))
  checkpoints.save_best(jax.device_put(state, everywhere), 0.5)
  checkpoints.close()
  (folder / 'config.json').write_text('{"network": "c3davg"}')
  return folder


def _exported(folder, variables):
  files = pretrained.export(
    _workdir(folder / 'workdir', variables),
    folder / 'official',
    _names(variables),
  )
  return folder / 'official', files


def _assert_same(ours, theirs):
  ours, theirs = map(traverse_util.flatten_dict, (ours, theirs))
  assert ours.keys() == theirs.keys()
  for path, array in ours.items():
    np.testing.assert_array_equal(array, theirs[path], '/'.join(path))
    assert array.dtype == theirs[path].dtype


@pytest.mark.parametrize('network', [_c3davg, _mscadc])
def test_ours_to_official_to_ours(network, tmp_path):
  variables = _variables(network)
  folder, files = _exported(tmp_path, variables)
  modules = {file.name.removesuffix('_94.pth') for file in files}
  assert modules == {
    'model_CNN',
    'model_score_regressor',
    'model_dive_classifier',
    'model_caption',
    *(['model_my_fc6'] if network is _c3davg else []),
  }
  loaded, table = _initialize(
    _variables(network, seed=1), str(folder), 'everything'
  )
  _assert_same(loaded, variables)
  assert 'new' not in table
  # And the files again, byte for byte.
  again = pretrained.export(
    _workdir(tmp_path / 'again', loaded),
    tmp_path / 'official_again',
    _names(loaded),
  )
  for one, other in zip(files, again, strict=True):
    assert one.read_bytes() == other.read_bytes()


def test_layouts_by_hand(tmp_path):
  """What a convolution, a linear layer and a GRU of PyTorch look like."""
  variables = _variables(_c3davg)
  folder, _ = _exported(tmp_path, variables)
  params = variables['params']
  trunk = read_torch_file(folder / 'model_CNN_94.pth')
  kernel = params['c3d']['conv2']['kernel']  # [3, 3, 3, 2, 4]
  assert trunk['conv2.weight'].shape == (4, 2, 3, 3, 3)
  assert trunk['conv2.weight'][3, 1, 0, 1, 2] == kernel[0, 1, 2, 1, 3]
  fc6 = read_torch_file(folder / 'model_my_fc6_94.pth')
  np.testing.assert_array_equal(fc6['fc.weight'].T, params['fc6']['kernel'])
  gru = read_torch_file(folder / 'model_caption_94.pth')
  upper = params['captioner']['gru']['upper_1']
  for gate in range(3):  # Reset, update, new.
    rows = slice(5 * gate, 5 * gate + 5)
    np.testing.assert_array_equal(
      gru['rnn2.weight_hh_l1'][rows].T, upper['carry']['kernel'][:, gate]
    )
    np.testing.assert_array_equal(
      gru['rnn2.bias_ih_l1'][rows], upper['inputs']['bias'][gate]
    )


@pytest.mark.parametrize('network', [_c3davg, _mscadc])
def test_the_backbone_alone(network, tmp_path):
  folder, _ = _exported(tmp_path, _variables(network))
  before = _variables(network, seed=1)
  loaded, table = _initialize(before, str(folder), 'backbone')
  _assert_same(loaded['params']['c3d'], _variables(network)['params']['c3d'])
  heads = loaded['params'].keys() - {'c3d'}
  _assert_same(
    {head: loaded['params'][head] for head in heads},
    {head: before['params'][head] for head in heads},
  )
  assert table.count('new') == len(heads)


def test_an_action_classifier_gives_its_backbone_and_fc6(tmp_path):
  """c3d.pickle: fc6 to fc8 behind the convolutions, in one file."""
  variables = _variables(_c3davg)
  folder, _ = _exported(tmp_path, variables)
  entries = dict(read_torch_file(folder / 'model_CNN_94.pth'))
  for name, array in read_torch_file(folder / 'model_my_fc6_94.pth').items():
    entries[name.replace('fc.', 'fc6.')] = array
  entries['fc8.weight'] = np.zeros((487, 7), np.float32)
  write_torch_file(tmp_path / 'c3d.pickle', entries)
  loaded, table = _initialize(
    _variables(_c3davg, seed=1), str(tmp_path / 'c3d.pickle'), 'everything'
  )
  for module in ('c3d', 'fc6'):
    _assert_same(loaded['params'][module], variables['params'][module])
  assert table.count('c3d.pickle') == 2 and table.count('new') == 3


def test_fewer_tasks_take_what_they_have(tmp_path):
  variables = _variables(_c3davg)
  folder, _ = _exported(tmp_path, variables)
  loaded, table = _initialize(
    _variables(_c3davg, ('score',), seed=1), str(folder), 'everything'
  )
  kept = {k: variables['params'][k] for k in ('c3d', 'fc6', 'score_regressor')}
  _assert_same(loaded['params'], kept)
  assert 'dive_classifier' not in table


def test_names_of_data_parallel(tmp_path):
  folder, _ = _exported(tmp_path, _variables(_c3davg))
  entries = read_torch_file(folder / 'model_CNN_94.pth')
  path = tmp_path / 'model_CNN_94.pth'
  write_torch_file(path, {f'module.{k}': v for k, v in entries.items()})
  loaded, _ = _initialize(_variables(_c3davg, seed=1), str(path), 'everything')
  _assert_same(loaded['params']['c3d'], _variables(_c3davg)['params']['c3d'])


def test_files_before_pytorch_counted_batches(tmp_path):
  variables = _variables(_mscadc)
  folder, _ = _exported(tmp_path, variables)
  path = folder / 'model_CNN_94.pth'
  entries = read_torch_file(path)
  kept = {k: v for k, v in entries.items() if 'num_batches' not in k}
  assert len(kept) == len(entries) - 8
  write_torch_file(path, kept)
  loaded, _ = _initialize(
    _variables(_mscadc, seed=1), str(folder), 'everything'
  )
  _assert_same(loaded['params'], variables['params'])


def test_everything_that_does_not_fit_is_listed_at_once(tmp_path):
  folder, _ = _exported(tmp_path, _variables(_c3davg))
  trunk = dict(read_torch_file(folder / 'model_CNN_94.pth'))
  del trunk['conv3a.bias']
  trunk['conv9.weight'] = np.zeros(3, np.float32)
  trunk['conv1.weight'] = trunk['conv1.weight'][:, :2]
  trunk['conv2.bias'] = np.full_like(trunk['conv2.bias'], np.nan)
  write_torch_file(folder / 'model_CNN_94.pth', trunk)
  fc6 = dict(read_torch_file(folder / 'model_my_fc6_94.pth'))
  fc6['fc.bias'] = fc6['fc.bias'][:3]
  write_torch_file(folder / 'model_my_fc6_94.pth', fc6)
  with pytest.raises(InputError) as error:
    _initialize(_variables(_c3davg), str(folder), 'everything')
  for message in (
    'lacks conv3a.bias',
    'conv9.weight has no place',
    'conv1.weight is (2, 2, 3, 3, 3), not (2, 3, 3, 3, 3)',
    'conv2.bias holds values that are not finite',
    'fc.bias is (3,), not (7,)',
  ):
    assert message in str(error.value)
  assert '\n' not in str(error.value)


def test_a_training_as_source(tmp_path):
  variables = _variables(_mscadc)
  workdir = _workdir(tmp_path / 'workdir', variables)
  loaded, table = _initialize(
    _variables(_mscadc, seed=1), str(workdir), 'everything'
  )
  _assert_same(loaded, variables)
  assert 'new' not in table
  with pytest.raises(InputError, match=r'c3d\.bn1\.\w+ has no place'):
    _initialize(_variables(_c3davg), str(workdir), 'backbone')


@pytest.mark.parametrize(
  'sources, scope, message',
  [
    ('no_such_file.pth', 'everything', r'no_such_file\.pth'),
    ('.', 'everything', 'holds neither a training nor files'),
    ('x', 'heads', "config.init_scope='heads': give one of everything"),
    (',', 'everything', 'holds nothing that this network has'),
  ],
)
def test_sources_that_are_none(sources, scope, message, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(InputError, match=message):
    _initialize(_variables(_c3davg), sources, scope)


def test_a_file_given_twice(tmp_path):
  folder, _ = _exported(tmp_path, _variables(_c3davg))
  sources = f'{folder}/model_CNN_94.pth,{folder}'
  with pytest.raises(InputError, match='came from model_CNN_94.pth already'):
    _initialize(_variables(_c3davg), sources, 'everything')


def test_a_network_that_the_official_code_lacks(tmp_path):
  network = C3DAVG(
    dive_tasks(('score',)), clips=2, fc6=7, batch_norm=True, **_SMALL
  )
  variables = network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 32, 3)))
  with pytest.raises(InputError, match=r'no bn_average\.'):
    _exported(tmp_path, jax.tree.map(np.asarray, dict(variables)))


def test_command_line(tmp_path, capsys):
  workdir = _workdir(tmp_path / 'workdir', _variables(_c3davg))
  folder = tmp_path / 'official'
  weights_main(['export', f'--workdir={workdir}', f'--to={folder}'])
  assert 'model_my_fc6_94.pth' in capsys.readouterr().out
  weights_main(['show', str(folder / 'model_my_fc6_94.pth')])
  lines = capsys.readouterr().out.splitlines()
  assert [line.split()[0] for line in lines] == ['fc.bias', 'fc.weight']
  assert '(7,)' in lines[0]
  with pytest.raises(InputError, match='holds no training'):
    weights_main(['export', f'--workdir={tmp_path}', f'--to={folder}'])


@pytest.mark.skipif(
  not _REAL_HEADS.is_dir(), reason='needs the official heads in ../shared'
)
def test_the_real_heads():
  """Two files of the official epoch 94, into the full-size network."""
  shapes = {'batch_stats': {}} | jax.eval_shape(
    C3DAVG(dive_tasks(('score', 'classes'))).init,
    jax.random.key(0),
    jnp.zeros((1, 96, 112, 112, 3)),
  )
  loaded, table = _initialize(shapes, str(_REAL_HEADS), 'everything')
  rows = {line.split()[0]: line.split()[-1] for line in table.splitlines()}
  assert rows['c3d'] == rows['fc6'] == 'new'
  assert rows['score_regressor'] == 'model_score_regressor_94.pth'
  assert rows['dive_classifier'] == 'model_dive_classifier_94.pth'
  file = read_torch_file(_REAL_HEADS / 'model_score_regressor_94.pth')
  score = loaded['params']['score_regressor']['final_score']
  np.testing.assert_array_equal(
    score['kernel'].T, file['fc_final_score.weight']
  )
  np.testing.assert_array_equal(score['bias'], file['fc_final_score.bias'])
  assert score['kernel'].shape == (4096, 1)


@pytest.mark.parametrize(
  'name',
  [
    'model_score_regressor_94 (1).pth',
    'model_score_regressor_best.pth',
    'model_score_regressor_94.pt',
    'mine.pth',
  ],
)
def test_official_files_under_other_names(tmp_path, name):
  ours = _variables(_c3davg)
  head = {
    'fc_final_score.weight': np.full((1, 7), 3, np.float32),
    'fc_final_score.bias': np.ones(1, np.float32),
  }
  write_torch_file(tmp_path / name, head)
  found, table = _initialize(ours, str(tmp_path / name), 'everything')
  layer = found['params']['score_regressor']['final_score']
  np.testing.assert_array_equal(layer['kernel'], np.full((7, 1), 3))
  assert name in table


def test_a_c3d_whose_layers_are_numbered(tmp_path):
  """As those of a `torch.nn.Sequential`: ReLU and pooling count too."""
  ours = _variables(_c3davg)
  numbers = (0, 3, 6, 8, 11, 13, 16, 18)
  names = ('1', '2', '3a', '3b', '4a', '4b', '5a', '5b')
  entries, expected = {}, {}
  for number, name in zip(numbers, names, strict=True):
    layer = ours['params']['c3d'][f'conv{name}']
    kernel = np.full_like(layer['kernel'], number)
    expected[f'conv{name}'] = number
    entries[f'features.{number}.weight'] = kernel.transpose(4, 3, 0, 1, 2)
    entries[f'features.{number}.bias'] = np.zeros_like(layer['bias'])
  write_torch_file(tmp_path / 'c3d_sequential.pth', entries)
  found, _ = _initialize(ours, str(tmp_path / 'c3d_sequential.pth'), 'backbone')
  for name, number in expected.items():
    assert (found['params']['c3d'][name]['kernel'] == number).all()


def test_what_does_not_fit_is_told_in_few_words(tmp_path):
  entries = {f'conv{n}.weight': np.zeros((3, 3)) for n in range(400)}
  write_torch_file(tmp_path / 'model_CNN_1.pth', entries)
  with pytest.raises(InputError) as error:
    _initialize(
      _variables(_c3davg), str(tmp_path / 'model_CNN_1.pth'), 'everything'
    )
  assert len(str(error.value)) < 2000
  assert 'more' in str(error.value)
