import math

import ml_collections
import numpy as np
import pytest

from aqa_jax.regression.fit import fit
from aqa_jax.regression.regressor import read_regressor


def _config(strength):
  return ml_collections.ConfigDict(
    {
      'name': 'ridge',
      'scaling': 'standard',
      'kernel': 'linear',
      'strength': strength,
      'folds': 5,
      'nu': 0.5,
      'epsilon': 0.1,
    }
  )


@pytest.fixture
def dives():
  """Features of which the last is nearly the same for all dives; scores."""
  rng = np.random.default_rng(0)
  features = rng.normal(size=(50, 3))
  features[:, 2] *= 1e-6
  return features, 60 + 5 * features[:, 0] + rng.normal(size=50)


@pytest.mark.parametrize('strength', [1.0, 0.0])
def test_a_feature_without_spread_does_not_run_away(dives, strength, tmp_path):
  """By hand: no training dive is more than sqrt(n - 1) deviations off."""
  features, scores = dives
  fitted = fit(_config(strength), features, scores, seed=0).regressor
  new = features[:1].copy()
  new[0, 2] += 1.0
  # A million deviations.
  standard = (new - features.mean(0)) / features.std(0)
  assert standard[0, 2] > 9e5
  standard[0, 2] = math.sqrt(49)
  expected = standard @ fitted.vectors[0] + fitted.offset
  np.testing.assert_allclose(fitted.predict(new), expected)
  assert abs(fitted.predict(new)[0] - scores[0]) < 30
  fitted.write(tmp_path, {})
  again, _ = read_regressor(tmp_path)
  np.testing.assert_array_equal(again.predict(new), fitted.predict(new))


def test_dives_left_out_do_not_run_away(dives):
  features, scores = dives
  features[7, 2] = 1.0
  left_out = fit(_config(1.0), features, scores, seed=0).out_of_fold
  assert np.abs(left_out - scores).max() < 30


def test_training_dives_are_as_they_were(dives):
  """By NumPy: the ridge of standardised features."""
  features, scores = dives
  fitted = fit(_config(2.0), features, scores, seed=0).regressor
  standard = (features - features.mean(0)) / features.std(0)
  weights = np.linalg.solve(
    standard.T @ standard + 2.0 * np.eye(3),
    standard.T @ (scores - scores.mean()),
  )
  np.testing.assert_allclose(
    fitted.predict(features), standard @ weights + scores.mean()
  )
