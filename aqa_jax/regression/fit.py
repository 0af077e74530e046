"""Fits regressions of scores with scikit-learn."""

import dataclasses
import math
from typing import Any

import ml_collections
import numpy as np
from sklearn import linear_model, model_selection, pipeline, preprocessing, svm

from aqa_jax.regression.regressor import KERNELS, SCALINGS, Regressor
from tfds_mtl_aqa.input_error import InputError

NAMES = ('linear', 'ridge', 'svr', 'nu_svr')
# What cross-validation chooses from, if `strength` is 0.
_STRENGTHS = {
  'ridge': tuple(10.0**exponent for exponent in range(-2, 7)),
  'svr': tuple(10.0**exponent for exponent in range(-4, 4)),
  'nu_svr': tuple(10.0**exponent for exponent in range(-4, 4)),
}
# Field of scikit-learn's estimator.
_STRENGTH_FIELDS = {'ridge': 'alpha', 'svr': 'C', 'nu_svr': 'C'}


@dataclasses.dataclass(frozen=True)
class Fit:
  """A regression and what is known of how well it fits.

  Attributes:
    regressor: fitted on all dives.
    out_of_fold: float64 [dives], the score of each dive by a regression, of the
      same strength, that was fitted without it and the others of its fold.
    strength: the strength used; 0 for 'linear', which has none.
    errors_by_strength: mean squared error of dives left out, by strength;
      empty where the strength is given.
  """

  regressor: Regressor
  out_of_fold: np.ndarray
  strength: float
  errors_by_strength: dict[float, float]


def check(config: ml_collections.ConfigDict) -> None:
  """Checks the fields of a regressor's config.

  Args:
    config: `regressor` of a config such as `configs/s3d.py`: name, one of
      NAMES; kernel and scaling (see `Regressor`); strength, alpha of a ridge
      and C of the others, 0 for one that is chosen by cross-validation;
      epsilon, points; nu; folds.

  Raises:
    InputError: naming the first field that is wrong.
  """
  for field, choices in (
    ('name', NAMES),
    ('kernel', KERNELS),
    ('scaling', SCALINGS),
  ):
    if config[field] not in choices:
      raise InputError(
        f"config.regressor.{field}='{config[field]}': give one of "
        f'{", ".join(choices)}.'
      )
  if config.kernel != 'linear' and config.name in ('linear', 'ridge'):
    raise InputError(
      f"config.regressor.kernel='{config.kernel}': {config.name} has none; "
      "give 'linear', or name='svr'."
    )
  for field in ('strength', 'epsilon'):
    if not config[field] >= 0 or not np.isfinite(config[field]):
      raise InputError(
        f'config.regressor.{field}={config[field]}: give 0 or more.'
      )
  if not 0 < config.nu <= 1:
    raise InputError(
      f'config.regressor.nu={config.nu}: give more than 0, at most 1.'
    )
  if config.folds < 2:
    raise InputError(f'config.regressor.folds={config.folds}: give 2 or more.')


def check_folds(config: ml_collections.ConfigDict, num_dives: int) -> None:
  """Checks that there are as many dives as folds.

  Args:
    config: see `check`.
    num_dives: dives to fit on.

  Raises:
    InputError: there are fewer.
  """
  if num_dives < config.folds:
    raise InputError(
      f'config.regressor.folds={config.folds}: the training split has '
      f'{num_dives} dives; give fewer folds, or another split.'
    )


def fit(
  config: ml_collections.ConfigDict,
  features: np.ndarray,
  scores: np.ndarray,
  seed: int,
) -> Fit:
  """Fits a regression.

  Args:
    config: see `check`.
    features: float [dives, features].
    scores: float [dives], points.
    seed: seed of the folds.

  Raises:
    InputError: there are fewer dives than folds.
  """
  check_folds(config, len(features))
  features = np.asarray(features, np.float64)
  scores = np.asarray(scores, np.float64)
  folds = model_selection.KFold(config.folds, shuffle=True, random_state=seed)
  strengths: tuple[float, ...] = (float(config.strength),)
  if config.name in _STRENGTHS and not config.strength:
    strengths = _STRENGTHS[config.name]
  left_out = _predict_left_out(config, strengths, features, scores, folds)
  errors = np.mean((left_out - scores[:, None]) ** 2, axis=0)
  best = int(errors.argmin())
  estimator = _pipeline(config, strengths[best]).fit(features, scores)
  return Fit(
    regressor=_as_regressor(config, estimator),
    out_of_fold=left_out[:, best],
    strength=strengths[best] if config.name in _STRENGTHS else 0.0,
    errors_by_strength=dict(zip(strengths, errors.tolist(), strict=True))
    if len(strengths) > 1
    else {},
  )


def _predict_left_out(
  config: ml_collections.ConfigDict,
  strengths: tuple[float, ...],
  features: np.ndarray,
  scores: np.ndarray,
  folds: model_selection.KFold,
) -> np.ndarray:
  """Returns the scores of dives left out, float64 [dives, strengths]."""
  if config.name == 'ridge':
    # As targets of their own: the product of the features, which takes most of
    # the time, is computed once for all strengths.
    targets = np.repeat(scores[:, None], len(strengths), axis=1)
    estimator = _pipeline(config, np.asarray(strengths))
    predicted = model_selection.cross_val_predict(
      estimator, features, targets, cv=folds
    )
    return np.asarray(predicted).reshape(targets.shape)
  return np.stack(
    [
      model_selection.cross_val_predict(
        _pipeline(config, strength), features, scores, cv=folds
      )
      for strength in strengths
    ],
    axis=1,
  )


class _BoundedScaler(preprocessing.StandardScaler):
  """Standardises features, to values that training dives can have."""

  @property
  def bound(self) -> float:
    """The largest value that one of the dives fitted on can have."""
    return math.sqrt(self.n_samples_seen_ - 1)

  def transform(self, X: np.ndarray, copy: bool | None = None) -> np.ndarray:
    """Returns standardised features, -bound to bound."""
    scaled = super().transform(X, copy)
    return np.clip(scaled, -self.bound, self.bound)


def _pipeline(
  config: ml_collections.ConfigDict, strength: float | np.ndarray
) -> pipeline.Pipeline:
  scaling = {
    'none': 'passthrough',
    'l2': preprocessing.Normalizer(),
    'standard': _BoundedScaler(),
  }[config.scaling]
  options: dict[str, Any] = {}
  if field := _STRENGTH_FIELDS.get(config.name):
    options[field] = strength
  if config.name == 'linear':
    estimator = linear_model.LinearRegression()
  elif config.name == 'ridge':
    estimator = linear_model.Ridge(**options)
  else:
    options |= {'kernel': config.kernel, 'gamma': 'auto'}
    if config.name == 'svr':
      estimator = svm.SVR(epsilon=config.epsilon, **options)
    else:
      estimator = svm.NuSVR(nu=config.nu, **options)
  return pipeline.Pipeline([('scaling', scaling), ('regressor', estimator)])


def _as_regressor(
  config: ml_collections.ConfigDict, fitted: pipeline.Pipeline
) -> Regressor:
  """Returns what scikit-learn has fitted, as arrays."""
  scaling, estimator = fitted.named_steps.values()
  num_features = estimator.n_features_in_
  mean, deviation = np.zeros(num_features), np.ones(num_features)
  bound = math.inf
  if config.scaling == 'standard':
    mean, deviation, bound = scaling.mean_, scaling.scale_, scaling.bound
  vectors, weights = np.zeros((1, num_features)), np.ones(1)
  if config.kernel == 'linear':
    vectors[0] = estimator.coef_
  else:
    vectors, weights = estimator.support_vectors_, estimator.dual_coef_[0]
  return Regressor(
    scaling=config.scaling,
    kernel=config.kernel,
    vectors=np.ascontiguousarray(vectors, np.float64),
    weights=np.ascontiguousarray(weights, np.float64),
    offset=float(np.ravel(estimator.intercept_)[0]),
    # scikit-learn's 'auto'.
    gamma=1.0 / num_features,
    mean=mean,
    deviation=deviation,
    bound=bound,
  )
