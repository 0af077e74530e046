import csv
import json
import pathlib
import shutil

import numpy as np
import pytest
from sklearn import kernel_ridge, linear_model, svm

from aqa_jax import regress
from aqa_jax.configs import s3d
from aqa_jax.data import dive_split
from aqa_jax.regression import fit
from aqa_jax.regression.regressor import read_regressor
from tfds_mtl_aqa import prepare
from tfds_mtl_aqa.input_error import InputError


def _keys(labels):
  return np.stack([labels['event'], labels['sample']], axis=1)


@pytest.fixture(name='feature_file', scope='module')
def fixture_feature_file(tiny_dives, tmp_path_factory):
  """Features that tell the score but for some noise."""
  rng = np.random.default_rng(0)
  builder = dive_split.open_builder('simulated_dives/tiny', str(tiny_dives))
  arrays = {}
  for split in ('train', 'test'):
    labels = dive_split.load_split(builder, split).labels
    scores = np.asarray(labels['final_score'])
    noise = rng.normal(size=(len(scores), 3))
    rows = np.column_stack([scores + noise[:, 0], noise[:, 1:]])
    order = rng.permutation(len(rows))  # The file has an order of its own.
    arrays[f'{split}_features'] = rows[order]
    arrays[f'{split}_id'] = _keys(labels)[order]
  path = tmp_path_factory.mktemp('features') / 'features.npz'
  np.savez(path, **arrays)
  return path


def _config(tiny_dives, path, **overrides):
  config = s3d.get_config()
  config.update_from_flattened_dict(
    {
      'dataset.name': 'simulated_dives/tiny',
      'dataset.data_dir': str(tiny_dives),
      'features.path': str(path),
      'features.seen_training_dives': False,
      'regressor.strength': 1.0,
      'regressor.folds': 3,
      **overrides,
    }
  )
  return config


def test_leaves_what_a_training_leaves(tiny_dives, feature_file, tmp_path):
  config = _config(tiny_dives, feature_file)
  found = regress.train_and_evaluate(config, tmp_path)['test']
  assert found['spearman'] > 0.9
  with open(tmp_path / 'predictions_test.csv') as file:
    rows = list(csv.DictReader(file))
  assert len(rows) == found['num_dives']
  errors = [
    abs(float(row['true_score']) - float(row['predicted_score']))
    for row in rows
  ]
  assert np.mean(errors) == pytest.approx(found['mae'], rel=1e-5)
  evaluation = json.loads((tmp_path / 'eval_test.json').read_text())
  assert evaluation['regressor'] == {'strength': 1.0}
  assert evaluation['baselines']['mean']['mae'] > 3 * evaluation['mae']
  assert evaluation['score_interval']['half_width'] < 15
  assert (tmp_path / 'report_test.html').stat().st_size > 10_000


def test_evaluates_again_what_was_fitted(tiny_dives, feature_file, tmp_path):
  config = _config(tiny_dives, feature_file)
  first = regress.train_and_evaluate(config, tmp_path)
  again = regress.evaluate_best(regress.set_up(config, tmp_path))
  assert json.dumps(again) == json.dumps(first)


def test_no_interval_where_the_features_have_seen_the_dives(
  tiny_dives, feature_file, tmp_path
):
  config = _config(
    tiny_dives, feature_file, **{'features.seen_training_dives': True}
  )
  found = regress.train_and_evaluate(config, tmp_path)['test']
  assert 'score_interval' not in found


def test_another_config_is_refused(tiny_dives, feature_file, tmp_path):
  config = _config(tiny_dives, feature_file)
  regress.train_and_evaluate(config, tmp_path)
  config.regressor.strength = 2.0
  with pytest.raises(InputError, match=r'regressor\.strength: 1\.0 there'):
    regress.train_and_evaluate(config, tmp_path)


def _features_and_scores(num_dives=40, num_features=6):
  rng = np.random.default_rng(1)
  features = rng.normal(2, 3, size=(num_dives, num_features))
  scores = 60 + features @ rng.normal(size=num_features)
  return features, scores + rng.normal(size=num_dives)


@pytest.mark.parametrize(
  ('overrides', 'estimator'),
  [
    ({'name': 'linear'}, linear_model.LinearRegression()),
    ({'name': 'ridge', 'strength': 7.0}, linear_model.Ridge(alpha=7)),
    (
      {'name': 'svr', 'strength': 3.0, 'epsilon': 0.5},
      svm.SVR(kernel='linear', C=3, epsilon=0.5),
    ),
    (
      {'name': 'svr', 'strength': 3.0, 'kernel': 'rbf'},
      svm.SVR(kernel='rbf', C=3, epsilon=0.1, gamma='auto'),
    ),
    (
      {'name': 'nu_svr', 'strength': 0.01, 'nu': 0.4},
      svm.NuSVR(kernel='linear', C=0.01, nu=0.4),
    ),
  ],
)
def test_is_what_scikit_learn_predicts(overrides, estimator, tmp_path):
  config = s3d.get_config().regressor
  config.update(overrides)
  features, scores = _features_and_scores()
  fitted = fit.fit(config, features, scores, seed=0)
  fitted.regressor.write(tmp_path, {})
  stored, _ = read_regressor(tmp_path)
  new = _features_and_scores(9)[0][::-1]
  np.testing.assert_allclose(
    stored.predict(new),
    estimator.fit(features, scores).predict(new),
    rtol=1e-9,
  )


def test_rbf_is_the_kernel_of_the_definition():
  config = s3d.get_config().regressor
  config.update({'name': 'svr', 'strength': 3.0, 'kernel': 'rbf'})
  features, scores = _features_and_scores()
  regressor = fit.fit(config, features, scores, seed=0).regressor
  distances = features[:, None] - regressor.vectors[None]
  kernel = np.exp(-(distances**2).sum(-1) / features.shape[1])
  np.testing.assert_allclose(
    regressor.predict(features), kernel @ regressor.weights + regressor.offset
  )


def test_scalings_change_the_features_as_they_say():
  features, scores = _features_and_scores()
  config = s3d.get_config().regressor
  config.update({'strength': 0.5, 'scaling': 'standard'})
  fitted = fit.fit(config, features, scores, seed=0).regressor
  scaled = (features - features.mean(0)) / features.std(0)
  expected = linear_model.Ridge(alpha=0.5).fit(scaled, scores).predict(scaled)
  np.testing.assert_allclose(fitted.predict(features), expected)
  config.scaling = 'l2'
  fitted = fit.fit(config, features, scores, seed=0).regressor
  # The length of a dive's features does not count.
  np.testing.assert_allclose(
    fitted.predict(5 * features), fitted.predict(features)
  )


def test_strength_is_chosen_by_dives_left_out():
  rng = np.random.default_rng(2)
  features = rng.normal(size=(30, 200))
  scores = 60 + 3 * features[:, 0] + 5 * rng.normal(size=30)
  config = s3d.get_config().regressor
  config.strength = 0.0
  fitted = fit.fit(config, features, scores, seed=0)
  errors = fitted.errors_by_strength
  assert fitted.strength == min(errors, key=errors.get)
  assert len(errors) > 5
  # So strong, it always says the mean.
  assert errors[fitted.strength] < errors[1e6]
  # Another library function of the same regression, without a constant.
  centred = features - features.mean(0)
  dual = kernel_ridge.KernelRidge(alpha=fitted.strength).fit(
    centred, scores - scores.mean()
  )
  np.testing.assert_allclose(
    fitted.regressor.predict(features), dual.predict(centred) + scores.mean()
  )


def test_out_of_fold_scores_are_of_regressions_without_the_dive():
  features, scores = _features_and_scores(12, 30)
  config = s3d.get_config().regressor
  config.update({'name': 'linear', 'folds': 12})
  fitted = fit.fit(config, features, scores, seed=0)
  # With more features than dives all that were fitted on are exact.
  np.testing.assert_allclose(fitted.regressor.predict(features), scores)
  assert np.abs(fitted.out_of_fold - scores).min() > 1e-6


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('regressor.name', 'tree'),
    ('regressor.kernel', 'rbf'),
    ('regressor.scaling', 'max'),
    ('regressor.strength', -1.0),
    ('regressor.epsilon', float('nan')),
    ('regressor.nu', 0.0),
    ('regressor.folds', 1),
    ('regressor.folds', 100),
    ('features.source', 'cloud'),
    ('features.path', ''),
    ('features.path', 'nowhere.npz'),
    ('features.name', 'stages'),
    ('test_splits', ()),
    ('dataset.train_split', 'all'),
    ('evaluators', 'luck'),
  ],
)
def test_a_wrong_field_is_named(
  field, value, tiny_dives, feature_file, tmp_path
):
  config = _config(tiny_dives, feature_file, **{field: value})
  with pytest.raises(InputError) as caught:
    regress.train_and_evaluate(config, tmp_path / 'new')
  words = str(caught.value)
  assert field in words or str(value) in words
  assert '\n' not in words


@pytest.mark.parametrize(
  'change',
  [
    lambda arrays: arrays.update(test_id=arrays['test_id'][:-1]),
    lambda arrays: arrays.update(train_id=arrays['train_id'] * 0),
    lambda arrays: arrays.update(test_id=arrays['test_id'] + 1000),
    lambda arrays: arrays.update(
      test_features=arrays['test_features'] * np.nan
    ),
    lambda arrays: arrays.update(test_features=arrays['test_features'][:, 0]),
    lambda arrays: arrays.pop('train_id'),
    lambda arrays: arrays.update(test_features=np.array([{}])),
  ],
)
def test_a_wrong_file_is_named(change, tiny_dives, feature_file, tmp_path):
  with np.load(feature_file) as file:
    arrays = dict(file)
  change(arrays)
  path = tmp_path / 'wrong.npz'
  np.savez(path, **arrays)
  with pytest.raises(InputError, match=r'wrong\.npz: '):
    regress.train_and_evaluate(_config(tiny_dives, path), tmp_path / 'new')


@pytest.mark.parametrize('content', [b'', b'no features', b'PK\x03\x04 cut'])
def test_a_damaged_file_is_named(content, tiny_dives, tmp_path):
  path = tmp_path / 'wrong.npz'
  path.write_bytes(content)
  with pytest.raises(InputError, match=r'wrong\.npz: '):
    regress.train_and_evaluate(_config(tiny_dives, path), tmp_path / 'new')


def test_a_damaged_regressor_is_named(tiny_dives, feature_file, tmp_path):
  config = _config(tiny_dives, feature_file)
  with pytest.raises(InputError, match='holds no regressor'):
    regress.evaluate_best(regress.set_up(config, tmp_path))
  (tmp_path / 'regressor.safetensors').write_bytes(b'{}')
  with pytest.raises(InputError, match='is damaged'):
    regress.evaluate_best(regress.set_up(config, tmp_path))


_SHARED = pathlib.Path(__file__).parents[2] / 'shared'


@pytest.fixture(name='unlv_dive', scope='module')
def fixture_unlv_dive(tmp_path_factory):
  """A data_dir with the real annotations of UNLV-Dive."""
  if not _SHARED.exists():
    pytest.skip('the real annotations and features are not here')
  manual_dir = tmp_path_factory.mktemp('manual')
  for name in ('mtl_aqa/release', 'mtl_aqa/judges'):
    shutil.copytree(_SHARED / name, manual_dir, dirs_exist_ok=True)
  data_dir = tmp_path_factory.mktemp('unlv_dive')
  prepare.prepare(
    'unlv_dive/annotations',
    data_dir=str(data_dir),
    manual_dir=str(manual_dir),
  )
  return data_dir


@pytest.mark.parametrize(
  ('overrides', 'spearman'),
  [
    ({'name': 'linear'}, 0.8089),
    ({'name': 'ridge', 'strength': 1000.0}, 0.8485),
    ({'name': 'svr', 'strength': 60.0, 'epsilon': 13.0}, 0.8536),
  ],
)
def test_real_features_of_s3d(overrides, spearman, unlv_dive, tmp_path):
  config = s3d.get_config()
  config.dataset.data_dir = str(unlv_dive)
  config.features.path = str(_SHARED / 'unlv_dive/s3d_p3d_features.npz')
  config.regressor.update(overrides)
  # What comes out does not depend on it.
  config.regressor.folds = 2
  found = regress.train_and_evaluate(config, tmp_path)['test']
  assert found['num_dives'] == 70
  assert found['spearman'] == pytest.approx(spearman, abs=1e-4)
