"""Variables under the names and in the layouts of official PyTorch code."""

import dataclasses
from collections.abc import Mapping

import numpy as np

# (collection, module, ..., leaf), such as ('params', 'c3d', 'conv1', 'kernel').
Path = tuple[str, ...]

# Our name of a leaf -> PyTorch's.
LEAVES = {
  'kernel': 'weight',
  'scale': 'weight',
  'embedding': 'weight',
  'bias': 'bias',
  'mean': 'running_mean',
  'var': 'running_var',
  'count': 'num_batches_tracked',
}
# Names of PyTorch's GRU.
_GRU = {'lower': 'rnn1', 'upper': 'rnn2', 'inputs': 'ih', 'carry': 'hh'}


@dataclasses.dataclass(frozen=True)
class OfficialNames:
  """The names that a network's official code gives to its variables.

  The official code saves one file a module: model_CNN_94.pth and so on.

  Attributes:
    modules: our module -> theirs. Several of ours may be one of theirs.
    layers: our layer -> theirs, where they differ.
    prefixes: our module -> prefix of their names for its layers.
    nested_prefixes: our module within such a module -> its prefix.
    only_in: their module -> prefixes of names that no other module has.
  """

  modules: Mapping[str, str]
  layers: Mapping[str, str]
  only_in: Mapping[str, tuple[str, ...]]
  prefixes: Mapping[str, str] = dataclasses.field(default_factory=dict)
  nested_prefixes: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def module_names(self) -> list[str]:
    """Returns the names of the official modules."""
    return list(dict.fromkeys(self.modules.values()))

  def official_name(self, path: Path) -> tuple[str, str] | None:
    """Returns a variable's module and entry in the official code.

    Args:
      path: path of the variable.

    Returns:
      Such as ('model_CNN', 'conv1.weight'); None for what the official network
      does not have.
    """
    _, module, *layers, leaf = path
    if module not in self.modules:
      return None
    leaf = LEAVES[leaf]
    if 'gru' in layers:  # captioner/gru/lower_0/inputs/kernel
      _, layer, source = layers
      network, number = layer.split('_')
      entry = f'{_GRU[network]}.{leaf}_{_GRU[source]}_l{number}'
    elif module in self.prefixes:
      inner = set(self.nested_prefixes) & set(layers)
      prefix = (
        self.nested_prefixes[inner.pop()] if inner else self.prefixes[module]
      )
      entry = f'{prefix}{self.layers.get(layers[-1], layers[-1])}.{leaf}'
    else:
      names = [self.layers.get(layer, layer) for layer in layers]
      # The module is itself a layer.
      names = names or [self.layers[module]]
      entry = '.'.join([*names, leaf])
    return self.modules[module], entry


def to_official(path: Path, array: np.ndarray) -> np.ndarray:
  """Returns a variable in PyTorch's layout.

  Args:
    path: path of the variable.
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
    path: path of our variable.
    array: the entry's value.
    shape: shape of our variable.
  """
  if 'gru' in path:
    return array.T.reshape(shape)
  if path[-1] == 'kernel':
    return array.transpose(*range(2, array.ndim), 1, 0)
  return array
