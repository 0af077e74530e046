"""A fitted regression: a function of features that can be stored."""

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from aqa_jax import files
from aqa_jax.workdir import REGRESSOR
from tfds_mtl_aqa.input_error import InputError

SCALINGS = ('none', 'l2', 'standard')
KERNELS = ('linear', 'rbf')


@dataclasses.dataclass(frozen=True)
class Regressor:
  """A score as a weighted sum of kernels between features and vectors.

  Attributes:
    scaling: 'none'; 'l2', each dive's features divided by their norm; or
      'standard', each feature less `mean`, divided by `deviation`.
    kernel: 'linear', the product; or 'rbf', exp(-gamma * squared distance).
    vectors: float64 [vectors, features].
    weights: float64 [vectors].
    offset: points.
    gamma: of the kernel 'rbf'.
    mean: float64 [features].
    deviation: float64 [features].
    bound: of the features of scaling 'standard', in deviations: what is further
      from the mean counts as this far. A feature that is nearly the same in all
      training dives would make scores of thousands of points else.
  """

  scaling: str
  kernel: str
  vectors: np.ndarray
  weights: np.ndarray
  offset: float
  gamma: float
  mean: np.ndarray
  deviation: np.ndarray
  bound: float = math.inf

  def predict(self, features: np.ndarray) -> np.ndarray:
    """Returns the scores, float64 [dives], points.

    Args:
      features: float [dives, features].

    Raises:
      ValueError: the number of features is another.
    """
    if features.shape[1] != self.vectors.shape[1]:
      raise ValueError(
        f'{features.shape[1]} features, fitted on {self.vectors.shape[1]}'
      )
    features = np.asarray(features, np.float64)
    if self.scaling == 'l2':
      norms = np.linalg.norm(features, axis=1, keepdims=True)
      features = features / np.where(norms, norms, 1)
    elif self.scaling == 'standard':
      features = (features - self.mean) / self.deviation
      features = np.clip(features, -self.bound, self.bound)
    products = features @ self.vectors.T
    if self.kernel == 'rbf':
      squares = (features**2).sum(axis=1, keepdims=True)
      squares = squares + (self.vectors**2).sum(axis=1) - 2 * products
      products = np.exp(-self.gamma * squares)
    return products @ self.weights + self.offset

  def write(
    self, workdir: str | os.PathLike[str], facts: Mapping[str, Any]
  ) -> None:
    """Writes regressor.safetensors, all or nothing.

    Args:
      workdir: an existing folder.
      facts: what else is known of the fit, plain values.
    """
    described = {
      'scaling': self.scaling,
      'kernel': self.kernel,
      'offset': self.offset,
      'gamma': self.gamma,
      'bound': self.bound,
      'facts': dict(facts),
    }
    data = safetensors.numpy.save(
      {name: getattr(self, name) for name in _ARRAYS},
      {'regressor': json.dumps(described)},
    )
    files.write_atomically(pathlib.Path(workdir) / REGRESSOR, data)


_ARRAYS = ('vectors', 'weights', 'mean', 'deviation')


def read_regressor(
  workdir: str | os.PathLike[str],
) -> tuple[Regressor, dict[str, Any]]:
  """Returns the regressor of a workdir, and the facts of `Regressor.write`.

  Args:
    workdir: folder of the run.

  Raises:
    InputError: there is none, or it is damaged.
  """
  path = pathlib.Path(workdir) / REGRESSOR
  try:
    with safetensors.safe_open(path, 'numpy') as file:
      described = json.loads(file.metadata()['regressor'])
      arrays = {name: file.get_tensor(name) for name in _ARRAYS}
    facts = described.pop('facts')
    return Regressor(**described, **arrays), facts
  except FileNotFoundError as e:
    raise InputError(
      f'--workdir={workdir}: holds no regressor; fit one without --mode=eval.'
    ) from e
  except (
    *(OSError, ValueError, KeyError, TypeError),
    safetensors.SafetensorError,
  ) as e:
    raise InputError(f'{path}: is damaged; remove it, and fit again.') from e
