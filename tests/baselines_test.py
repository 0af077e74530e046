import math
import pathlib
import pickle

import numpy as np
import pytest
from numpy._core.multiarray import scalar
from sklearn import linear_model

from aqa_jax.evaluation import baselines
from tfds_mtl_aqa import labels

RELEASE = (
  pathlib.Path(__file__).parents[2]
  / 'shared/mtl_aqa/release/MTL-AQA_split_0_data'
)
# Their names in the released dictionary.
RELEASED_TASKS = {
  'position': 'position',
  'armstand': 'armstand',
  'rotation_type': 'rotation_type',
  'somersaults': 'ss_no',
  'twists': 'tw_no',
}


class RestrictedUnpickler(pickle.Unpickler):
  def find_class(self, module, name):
    if (module, name) == ('numpy', 'dtype'):
      return np.dtype
    if module.endswith('core.multiarray') and name == 'scalar':
      return scalar
    raise pickle.UnpicklingError(f'{module}.{name} is not allowed.')


def released_labels(split):
  def load(name):
    with open(RELEASE / name, 'rb') as file:
      return RestrictedUnpickler(file, encoding='latin1').load()

  annotations = {
    (int(event), int(sample)): fields
    for (event, sample), fields in load('final_annotations_dict.pkl').items()
  }
  keys = [(int(e), int(s)) for e, s in load(f'{split}_split_0.pkl')]
  dives = [annotations[key] for key in keys]
  names = {
    name: name
    for name in ('final_score', 'difficulty', 'start_frame', 'end_frame')
  }
  columns = {
    name: np.array([dive[released] for dive in dives])
    for name, released in (names | RELEASED_TASKS).items()
  }
  # The types that the dataset stores them in.
  for name in ('final_score', 'difficulty'):
    columns[name] = columns[name].astype(np.float32)
  return columns | {'event': np.array([event for event, _ in keys])}


def made_labels(num_dives, seed=0, events=(1, 2, 3)):
  rng = np.random.default_rng(seed)
  made = {
    task: rng.integers(0, len(names), num_dives)
    for task, names in labels.CLASS_NAMES.items()
  }
  difficulty = rng.integers(15, 42, num_dives) / 10
  start = rng.integers(1, 1000, num_dives)
  return made | {
    'difficulty': difficulty,
    'event': rng.choice(events, num_dives),
    'start_frame': start,
    'end_frame': start + rng.integers(54, 273, num_dives),
    'final_score': difficulty * rng.integers(30, 60, num_dives) / 2,
  }


@pytest.mark.skipif(
  not RELEASE.exists(), reason=f'needs the released annotations in {RELEASE}'
)
def test_baselines_of_the_real_annotations():
  train, test = released_labels('train'), released_labels('test')
  assert (len(train['event']), len(test['event'])) == (1059, 353)
  found = baselines.compute_baselines(train, test, labels.CLASS_NAMES)
  expected = {
    'difficulty': 0.5595,
    'class': 0.585,
    'difficulty+class': 0.594,
    'event': 0.637,
    'difficulty+class+event': 0.694,
    'difficulty+class+event+length': 0.704,
  }
  assert {name: found[name]['spearman'] for name in expected} == pytest.approx(
    expected, abs=7e-4
  )
  both, every = (
    found['difficulty+class'],
    found['difficulty+class+event+length'],
  )
  assert both['relative_l2'] == pytest.approx(1.984, abs=1e-3)
  assert both['mse'] == pytest.approx(216.7, abs=0.1)
  assert every['relative_l2'] == pytest.approx(1.644, abs=1e-3)
  accuracies = baselines.majority_accuracies(train, test, labels.CLASS_NAMES)
  assert accuracies == pytest.approx(
    {
      'position': 48.73,
      'armstand': 89.24,
      'rotation_type': 40.51,
      'somersaults': 44.19,
      'twists': 73.37,
    },
    abs=0.005,
  )


def test_ridge_against_sklearn():
  rng = np.random.default_rng(3)
  inputs = rng.normal(5, 2, (50, 7))
  inputs[:, 6] = 1.0 - inputs[:, 5]  # collinear, as one-hot classes are
  targets = inputs @ rng.normal(size=7) + 67 + rng.normal(size=50)
  for strength in (0.1, 1.0, 30.0):
    weights, intercept = baselines.fit_ridge(inputs, targets, strength)
    reference = linear_model.Ridge(alpha=strength).fit(inputs, targets)
    np.testing.assert_allclose(weights, reference.coef_, atol=1e-9)
    assert intercept == pytest.approx(reference.intercept_, abs=1e-9)


def test_ridge_by_hand():
  # Centred inputs -1 0 1 and targets -6 0 6: 12 / (2 + 1) = 4.
  weights, intercept = baselines.fit_ridge(
    np.array([[1.0], [2.0], [3.0]]), np.array([4.0, 10.0, 16.0]), 1.0
  )
  np.testing.assert_allclose(weights, [4.0])
  assert intercept == pytest.approx(10 - 4 * 2)


def test_ridge_refuses_what_does_not_fit():
  with pytest.raises(ValueError, match='do not fit'):
    baselines.fit_ridge(np.ones((3, 2)), np.ones(2), 1.0)
  with pytest.raises(ValueError, match='positive'):
    baselines.fit_ridge(np.ones((3, 2)), np.ones(3), 0.0)


def test_baselines_of_four_dives_by_hand():
  train = made_labels(3)
  train |= {
    'difficulty': np.array([1.0, 2.0, 3.0]),
    'final_score': np.array([40.0, 100.0, 160.0]),
  }
  evaluated = made_labels(4, seed=1)
  evaluated |= {
    'difficulty': np.array([1.0, 2.0, 3.0, 4.0]),
    'final_score': np.array([60.0, 100.0, 160.0, 140.0]),
  }
  found = baselines.compute_baselines(train, evaluated, labels.CLASS_NAMES)
  # Slope 120 / (2 + 1) = 40, so 60, 100, 140, 180 are predicted.
  assert found['difficulty'] == pytest.approx(
    {
      'spearman': 1 - 6 * 2 / (4 * 15),
      'kendall_tau': (5 - 1) / 6,
      'mse': (0 + 0 + 400 + 1600) / 4,
      'mae': 60 / 4,
      'relative_l2': 100 * (0.04 + 0.16) / 4,
    }
  )
  # The mean and the median of training are 100: errors 40, 0, 60, 40.
  assert found['mean']['mae'] == found['median']['mae'] == 35
  assert math.isnan(found['mean']['spearman'])


def test_mean_and_median_differ_where_the_scores_are_skewed():
  train, evaluated = made_labels(3), made_labels(2, seed=1)
  train['final_score'] = np.array([0.0, 80.0, 100.0])
  evaluated['final_score'] = np.array([60.0, 70.0])
  found = baselines.compute_baselines(train, evaluated, labels.CLASS_NAMES)
  assert found['mean']['mae'] == pytest.approx(5)
  assert found['median']['mae'] == pytest.approx(15)


def test_all_inputs_against_sklearn():
  train, evaluated = made_labels(200), made_labels(60, seed=1)
  columns = []
  for split in (train, evaluated):
    hot = [split['difficulty'][:, None]]
    for task, names in labels.CLASS_NAMES.items():
      hot.append(split[task][:, None] == np.arange(len(names)))
    hot.append(split['event'][:, None] == np.array([1, 2, 3]))
    hot.append((split['end_frame'] - split['start_frame'])[:, None])
    columns.append(np.concatenate(hot, 1).astype(float))
  model = linear_model.Ridge().fit(columns[0], train['final_score'])
  error = model.predict(columns[1]) - evaluated['final_score']
  found = baselines.compute_baselines(train, evaluated, labels.CLASS_NAMES)
  assert found['difficulty+class+event+length']['mse'] == pytest.approx(
    np.mean(error**2)
  )


def test_events_that_training_lacks_give_a_constant():
  train = made_labels(100)
  evaluated = made_labels(30, seed=1, events=(8, 9))
  found = baselines.compute_baselines(train, evaluated, labels.CLASS_NAMES)
  assert math.isnan(found['event']['spearman'])
  assert math.isfinite(found['event']['mse'])
  assert math.isfinite(found['difficulty+class+event']['spearman'])


def test_rounding_does_not_rank_the_dives():
  # Every training dive is there in free and in pike, so both weigh the same,
  # and dives that differ in nothing else must be predicted alike. Without
  # care a few of these data sets come out a last bit apart.
  for seed in range(70):
    rng = np.random.default_rng(seed)
    once = made_labels(100, seed)
    once['final_score'] = rng.normal(67, 17, 100)
    order = rng.permutation(200)
    train = {name: np.tile(values, 2)[order] for name, values in once.items()}
    train['position'] = np.repeat([0, 1], 100)[order]
    evaluated = {name: np.repeat(v[:1], 40) for name, v in once.items()}
    evaluated['position'] = np.tile([0, 1], 20)
    evaluated['final_score'] = rng.normal(67, 17, 40)
    for name, found in baselines.compute_baselines(
      train, evaluated, labels.CLASS_NAMES
    ).items():
      assert math.isnan(found['spearman']), (seed, name)


def test_majority_accuracies_by_hand():
  train, evaluated = made_labels(5), made_labels(4, seed=1)
  train['armstand'] = np.array([1, 1, 1, 0, 0])
  evaluated['armstand'] = np.array([0, 0, 0, 1])
  # 3 and 5 are equally common: the lower id is taken.
  train['twists'] = np.array([5, 5, 3, 3, 0])
  evaluated['twists'] = np.array([3, 3, 3, 5])
  found = baselines.majority_accuracies(train, evaluated, labels.CLASS_NAMES)
  assert set(found) == set(labels.CLASS_NAMES)
  assert found['armstand'] == 25
  assert found['twists'] == 75


def test_labels_that_do_not_fit_are_refused():
  whole = made_labels(5)
  with pytest.raises(ValueError, match="feature 'difficulty'"):
    baselines.compute_baselines(
      whole,
      {k: v for k, v in whole.items() if k != 'difficulty'},
      labels.CLASS_NAMES,
    )
  with pytest.raises(ValueError, match="'position' must be 0 to 2"):
    baselines.compute_baselines(
      whole,
      whole | {'position': np.array([0, 1, 2, 3, 0])},
      labels.CLASS_NAMES,
    )
  empty = {name: values[:0] for name, values in whole.items()}
  with pytest.raises(ValueError, match='at least one training dive'):
    baselines.compute_baselines(empty, whole, labels.CLASS_NAMES)
  with pytest.raises(ValueError, match='not empty'):
    baselines.compute_baselines(whole, empty, labels.CLASS_NAMES)


def test_what_the_dataset_lacks_is_left_out():
  whole = made_labels(5)
  scores = {'final_score': whole['final_score']}
  assert set(baselines.compute_baselines(scores, scores, {})) == {
    'mean', 'median'
  }  # fmt: skip
  known = scores | {'difficulty': whole['difficulty'], 'event': whole['event']}
  assert set(baselines.compute_baselines(known, known, {})) == {
    'mean', 'median', 'difficulty', 'event'
  }  # fmt: skip
  assert baselines.majority_accuracies(scores, scores, {}) == {}
