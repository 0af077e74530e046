import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from aqa_jax.configs import quickstart, quickstart_commentary
from aqa_jax.data.schema import Schema
from aqa_jax.predictions import Predictions
from aqa_jax.tasks.faults import FaultSide, FaultsTask, with_fault_units
from tfds_mtl_aqa.input_error import InputError

# Of three dives: one fault with both signs, one that never is below zero.
_LABELS = {
  'faults/splash': np.array([0.0, 3.0, 4.0]),
  'faults/turned': np.array([-2.0, 1.0, 0.0]),
  'final_score': np.array([50.0, 60.0, 70.0]),
}
_TASK = FaultsTask(
  (
    FaultSide('splash', 1, (25 / 3) ** 0.5),
    FaultSide('turned', -1, (4 / 3) ** 0.5),
    FaultSide('turned', 1, (1 / 3) ** 0.5),
  )
)


def _config():
  return quickstart_commentary.get_config()


def _task(labels):
  return FaultsTask.create(with_fault_units(_config(), labels), Schema(
    features=('faults', *(name for name in labels if '/' in name))
  ))  # fmt: skip


def _predictions(faults):
  return Predictions(_LABELS, {'faults': faults}, Schema())


def test_units_come_from_the_dives_that_are_trained_on():
  found = _task(_LABELS)
  assert [(s.name, s.sign) for s in found.sides] == [
    (s.name, s.sign) for s in _TASK.sides
  ]
  for side, expected in zip(found.sides, _TASK.sides, strict=True):
    assert side.unit == pytest.approx(expected.unit)
  again = with_fault_units(with_fault_units(_config(), _LABELS), _LABELS)
  assert (
    again.model.fault_units
    == with_fault_units(_config(), _LABELS).model.fault_units
  )


def test_a_config_without_the_task_stays_as_it_is():
  config = quickstart.get_config()
  assert with_fault_units(config, _LABELS) is config
  assert 'fault_units' not in config.model


def test_labels_are_one_in_the_mean_square():
  rows = [
    _TASK.labels(
      {'faults': {n: _LABELS[f'faults/{n}'][i] for n in ('splash', 'turned')}}
    )['faults']
    for i in range(3)
  ]
  assert (np.array(rows) >= 0).all()
  np.testing.assert_allclose(np.square(rows).mean(axis=0), 1, rtol=1e-6)
  assert rows[0][0] == 0
  assert rows[0][2] == 0
  # -2 of a unit of sqrt(4 / 3).
  assert rows[0][1] == pytest.approx(3**0.5)


def test_a_perfect_output_predicts_the_labels():
  batch = {
    'faults': jnp.stack(
      [
        _TASK.labels(
          {
            'faults': {
              n: _LABELS[f'faults/{n}'][i] for n in ('splash', 'turned')
            }
          }
        )['faults']
        for i in range(3)
      ]
    )
  }
  assert _TASK.loss(batch['faults'], batch) == 0
  assert _TASK.loss(batch['faults'] + 2.0, batch) == pytest.approx(4.0)
  faults = _TASK.predict(batch['faults'])['faults']
  for name in ('splash', 'turned'):
    np.testing.assert_allclose(
      faults[name], _LABELS[f'faults/{name}'], atol=1e-6
    )


def test_measures_against_scipy():
  rng = np.random.default_rng(0)
  labels = {
    f'faults/{name}': rng.normal(size=20) for name in ('splash', 'turned')
  } | {'final_score': np.zeros(20)}
  faults = {name: rng.normal(size=20) for name in ('splash', 'turned')}
  predictions = Predictions(labels, {'faults': faults}, Schema())
  found = _TASK.measure(predictions)
  expected = {
    name: stats.spearmanr(faults[name], labels[f'faults/{name}'])[0]
    for name in faults
  }
  assert found['fault_spearman'] == pytest.approx(expected)
  mean = np.mean(list(expected.values()))
  assert found['mean_fault_spearman'] == pytest.approx(mean)
  drawn = _TASK.resampled(predictions, np.arange(20))
  assert drawn['fault_spearman_splash'] == pytest.approx(expected['splash'])


def test_tables_name_each_fault():
  predictions = _predictions(
    {'splash': np.array([0.1, 2.0, 5.0]), 'turned': np.array([-1.0, 2.0, 1.0])}
  )
  evaluation = _TASK.measure(predictions)
  lines = _TASK.table(evaluation)
  assert [line.split()[0] for line in lines[2:]] == ['splash', 'turned', 'mean']
  (section,) = _TASK.sections(predictions, evaluation, {})
  assert section.content['rows'][0] == ('splash', '1.000')
  row = _TASK.columns(predictions, 1)
  assert row['true_splash'] == 3.0
  assert row['predicted_turned'] == 2.0
  assert _TASK.dive_section(predictions, 0).content[1] == ('turned', '-1', '-2')


def test_the_cues_are_the_severities():
  output = jnp.ones((2, 3))
  assert jax.tree.map(jnp.shape, _TASK.cues(output)) == {'severities': (2, 3)}


def test_a_dataset_without_faults_is_refused():
  with pytest.raises(InputError, match='does not know the faults of its dives'):
    FaultsTask.create(_config(), Schema(features=('final_score',)))


def test_labels_that_can_not_be_learned_are_refused():
  broken = _LABELS | {'faults/splash': np.array([np.nan, 1.0, 2.0])}
  with pytest.raises(InputError, match='faults/splash of some dives'):
    _TASK.check_labels(broken)
  zeros = {name: np.zeros(3) for name in _LABELS}
  with pytest.raises(InputError, match='have no faults'):
    _task(zeros).check_labels(zeros)


def test_the_task_can_be_a_field_of_a_network():
  assert hash(_TASK) == hash(dataclasses.replace(_TASK))
