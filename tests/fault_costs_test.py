"""What faults cost."""

import dataclasses

import numpy as np
import pytest

from aqa_jax.configs import quickstart_commentary
from aqa_jax.data.schema import Schema
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.tasks.fault_costs import (
  FaultCosts,
  fit_costs,
  true_deductions,
  with_fault_costs,
)
from aqa_jax.tasks.faults import FaultsTask
from tfds_mtl_aqa import simulated_dives, simulated_vaults
from tfds_mtl_aqa.simulated_dives import faults as dive_faults
from tfds_mtl_aqa.simulated_dives import judging as dive_judging
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_vaults import faults as vault_faults
from tfds_mtl_aqa.simulated_vaults import judging as vault_judging
from tfds_mtl_aqa.simulated_vaults.simulation_config import (
  CONFIGS as VAULT_CONFIGS,
)
from tfds_mtl_aqa.simulated_vaults.vault import simulate_vault


def _config(name='simulated_dives/quickstart'):
  config = quickstart_commentary.get_config().unlock()
  config.dataset.name = name
  return config.lock()


def _labels(actions, difficulty):
  """Returns the labels of simulated actions, as a split has them."""
  rows = [dataclasses.asdict(action.faults) for action in actions]
  return {
    f'faults/{name}': np.array([row[name] for row in rows]) for name in rows[0]
  } | {
    'final_score': np.array([action.final_score for action in actions]),
    'difficulty': np.array([difficulty(action) for action in actions]),
  }


@pytest.fixture(name='dives', scope='module')
def fixture_dives():
  config = CONFIGS['quickstart']
  dives = [simulate_dive(config, 'train', index) for index in range(1500)]
  return dives, _labels(dives, lambda dive: dive.number.difficulty)


def test_costs_of_scores_without_noise_are_found():
  rng = np.random.default_rng(0)
  faults = {'a': rng.normal(size=50), 'b': rng.uniform(0, 90, size=50)}
  lost = (
    3 * np.maximum(-faults['a'], 0)
    + 2 * np.maximum(faults['a'], 0)
    + 0.1 * faults['b']
    + 0.5
  )
  costs, always = fit_costs(faults, lost)
  assert costs['a'] == pytest.approx((3, 2))
  assert costs['b'] == (0, pytest.approx(0.1))
  assert always == pytest.approx(0.5)
  # Units of the faults do not matter.
  scaled = {'a': 1e4 * faults['a'], 'b': 1e-4 * faults['b']}
  costs, _ = fit_costs(scaled, lost)
  assert costs['a'] == pytest.approx((3e-4, 2e-4))
  assert costs['b'][1] == pytest.approx(1e3)
  # What is not known counts nothing.
  broken = faults | {'a': np.r_[np.nan, faults['a'][1:]]}
  costs, _ = fit_costs(broken, lost)
  assert costs['a'] == pytest.approx((3, 2))


def test_no_fault_gives_points():
  rng = np.random.default_rng(0)
  faults = {'a': rng.uniform(size=40), 'b': rng.uniform(size=40)}
  costs, always = fit_costs(faults, 5 * faults['a'] - 2 * faults['b'])
  assert costs['b'] == (0, 0)
  assert costs['a'][1] > 3
  assert always >= 0


def test_learned_costs_are_the_simulators(dives):
  _, labels = dives
  config = with_fault_costs(_config(), labels, ScoreRule.PRODUCT)
  costs = FaultCosts.of(config)
  worst = {
    'entry_angle': dive_faults.MAX_ENTRY_ANGLE,
    'rotation_error': dive_faults.MAX_ROTATION_ERROR,
    'legs_apart': dive_faults.MAX_LEGS_APART,
    'knee_bend': dive_faults.MAX_KNEE_BEND,
    'splash': dive_faults.MAX_SPLASH,
    'distance': dive_faults.MAX_DISTANCE_OUT,
  }
  for name, size in worst.items():
    # Three marks count.
    wanted = 3 * dive_judging.POINTS_OFF[name]
    assert size * costs.cost(name, 1) == pytest.approx(wanted, rel=0.05), name
  below = dive_faults.MAX_ROTATION_ERROR * costs.cost('rotation_error', -1)
  assert below == pytest.approx(3 * 2.1, rel=0.05)
  # Fewer dives come down too near to the board.
  near = dive_faults.MAX_DISTANCE_IN * costs.cost('distance', -1)
  assert near == pytest.approx(3 * 1.45, rel=0.12)
  assert costs.cost('splash', -1) == 0
  assert costs.always == pytest.approx(0.3, abs=0.15)
  assert costs.phase('splash') == 'entry'
  assert costs.phase('legs_apart') == 'flight'
  # A training that goes on has the same.
  assert with_fault_costs(config, labels, ScoreRule.PRODUCT) == config


def test_learned_costs_of_vaults_are_the_simulators():
  config = VAULT_CONFIGS['quickstart']
  vaults = [simulate_vault(config, 'train', index) for index in range(400)]
  labels = _labels(vaults, lambda vault: vault.vault.difficulty)
  found = with_fault_costs(
    _config('simulated_vaults/quickstart'), labels, ScoreRule.SUM
  )
  costs = FaultCosts.of(found)
  for name, wanted in vault_judging.POINTS_OFF.items():
    size = vault_faults.WORST[name]
    # Few vaults end with a hop.
    cost = size * costs.cost(name, 1)
    assert cost == pytest.approx(wanted, abs=0.08), name
  assert 0.1 < costs.always < 0.3


def test_every_fault_has_a_phase_and_a_price():
  for package in (simulated_dives, simulated_vaults):
    kind = package.__name__.rpartition('.')[2]
    faults, judging = {
      'simulated_dives': (dive_faults, dive_judging),
      'simulated_vaults': (vault_faults, vault_judging),
    }[kind]
    assert set(faults.PHASES) == set(judging.POINTS_OFF) == set(faults.NAMES)


def test_true_deductions_explain_the_deserved_award(dives):
  simulated, labels = dives
  found = true_deductions('simulated_dives/quickstart:1.0.0', labels)
  deserved = [dive_judging.deserved_award(dive.faults) for dive in simulated]
  np.testing.assert_allclose(9.9 - sum(found.values()), deserved, atol=1e-9)
  assert true_deductions('mtl_aqa/clips_171x128', labels) is None


@pytest.mark.parametrize(
  'changes', [{'tasks': 'score,classes'}, {'without': 'difficulty'}]
)
def test_a_config_that_can_not_know_costs_stays_as_it_is(changes, dives):
  labels = {k: v for k, v in dives[1].items() if k != changes.get('without')}
  config = _config().unlock()
  config.tasks = changes.get('tasks', config.tasks)
  assert with_fault_costs(config, labels, ScoreRule.PRODUCT) is config
  assert FaultCosts.of(config) is None


def test_the_config_is_of_the_task_not_of_the_network(dives):
  config = with_fault_costs(_config(), dives[1], ScoreRule.PRODUCT)
  schema = Schema(features=('faults', 'faults/splash', 'final_score'))
  task = FaultsTask.create(config, schema)
  assert task.costs == FaultCosts.of(config)
  assert task.given == ('difficulty',)
  # An attribute of a network.
  assert hash(task) == hash(dataclasses.replace(task))
