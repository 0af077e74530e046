"""Our variables under the names and in the layouts of the official code."""

import numpy as np

# The official code saves one file a module: model_CNN_94.pth and so on.
_MODULES = {
  'c3d': 'model_CNN',
  'fc6': 'model_my_fc6',
  'score_regressor': 'model_score_regressor',
  'dive_classifier': 'model_dive_classifier',
  'caption_head': 'model_caption',
  'captioner': 'model_caption',
}
MODULES = tuple(dict.fromkeys(_MODULES.values()))
_LEAVES = {
  'kernel': 'weight',
  'scale': 'weight',
  'embedding': 'weight',
  'bias': 'bias',
  'mean': 'running_mean',
  'var': 'running_var',
  'count': 'num_batches_tracked',
}
_LAYERS = {
  'final_score': 'fc_final_score',
  'position': 'fc_position',
  'armstand': 'fc_armstand',
  'rotation_type': 'fc_rot_type',
  'somersaults': 'fc_ss_no',
  'twists': 'fc_tw_no',
  'embed': 'embedding',
  'lower': 'rnn1',
  'upper': 'rnn2',
  'inputs': 'ih',
  'carry': 'hh',
}
# MSCADC's heads: the official code tells the context net's layers and the
# others apart by a prefix.
_TASKS = {
  'conv3_rotation_type': 'conv3_rot_type',
  'conv3_somersaults': 'conv3_ss_no',
  'conv3_twists': 'conv3_tw_no',
}

# (collection, module, ..., leaf), such as ('params', 'c3d', 'conv1', 'kernel').
Path = tuple[str, ...]


def official_name(path: Path) -> tuple[str, str] | None:
  """Returns a variable's module and entry in the official code.

  Args:
    path: of the variable.

  Returns:
    Such as ('model_CNN', 'conv1.weight'); None for what the official networks
    do not have.
  """
  _, module, *layers, leaf = path
  if module not in _MODULES:
    return None
  leaf = _LEAVES[leaf]
  if 'gru' in layers:  # captioner/gru/lower_0/inputs/kernel
    _, layer, source = layers
    network, number = layer.split('_')
    entry = f'{_LAYERS[network]}.{leaf}_{_LAYERS[source]}_l{number}'
  elif module == 'fc6':
    entry = f'fc.{leaf}'
  elif module != 'c3d' and layers[0].startswith(('features', 'conv3')):
    layer = _TASKS.get(layers[-1], layers[-1])
    prefix = 'cntxt' if 'context_net' in layers else 'head'
    entry = f'{prefix}_{layer}.{leaf}'
  else:
    entry = '.'.join([*(_LAYERS.get(layer, layer) for layer in layers), leaf])
  return _MODULES[module], entry


def to_official(path: Path, array: np.ndarray) -> np.ndarray:
  """Returns a variable in PyTorch's layout.

  Args:
    path: of the variable.
    array: its value.
  """
  if 'gru' in path:  # [inputs, 3, hidden] -> [3 * hidden, inputs]
    return array.reshape(*array.shape[:-2], -1).T
  if path[-1] == 'kernel':
    # [..., inputs, outputs] -> [outputs, inputs, ...]
    return array.transpose(-1, -2, *range(array.ndim - 2))
  return array


def from_official(
  path: Path, array: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
  """Returns an official entry in our layout.

  Args:
    path: of our variable.
    array: the entry's value.
    shape: of our variable.
  """
  if 'gru' in path:
    return array.T.reshape(shape)
  if path[-1] == 'kernel':
    return array.transpose(*range(2, array.ndim), 1, 0)
  return array
