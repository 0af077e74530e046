"""The statistics of the scores, over many vaults without their frames."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from tfds_mtl_aqa.simulated_vaults import faults as faults_lib
from tfds_mtl_aqa.simulated_vaults import judging
from tfds_mtl_aqa.simulated_vaults.events import draw_event
from tfds_mtl_aqa.simulated_vaults.faults import Faults
from tfds_mtl_aqa.simulated_vaults.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_vaults.vault import simulate_vault
from tfds_mtl_aqa.simulated_vaults.vault_table import VAULTS, shares


@pytest.fixture(scope='module')
def vaults():
  config = CONFIGS['quickstart']
  return [simulate_vault(config, 'train', i) for i in range(800)]


@pytest.fixture(scope='module')
def execution(vaults):
  return np.array([vault.execution for vault in vaults])


def test_a_score_is_difficulty_plus_execution(vaults):
  for vault in vaults:
    marks = sorted(vault.marks.tolist())
    assert len(marks) == 7
    assert all(0 <= mark <= 10 for mark in marks)
    np.testing.assert_allclose(np.round(marks, 1), marks, atol=1e-5)
    expected = vault.vault.difficulty + np.mean(marks[2:5])
    assert vault.final_score == pytest.approx(expected, abs=6e-4)


def test_the_middle_three_marks_count():
  marks = np.array([0, 9, 8.7, 8.8, 10, 8.5, 1], np.float32)
  assert judging.execution_score(marks) == 8.667
  assert judging.final_score(marks, 5.5) == 14.167


def test_scores_are_distributed_as_those_of_real_vaults(vaults, execution):
  """Those of AQA-7: 14.97 +- 0.83, from 12.3 to 16.87, a little skewed."""
  scores = np.array([vault.final_score for vault in vaults])
  assert scores.mean() == pytest.approx(14.97, abs=0.7)
  assert scores.std() == pytest.approx(0.83, abs=0.1)
  assert 11.3 < scores.min() < 12.8
  assert 16.2 < scores.max() < 17.1
  assert -0.6 < stats.skew(scores) < 0
  assert 8.5 < execution.mean() < 9.3
  falls = np.mean([vault.faults.fall for vault in vaults])
  assert 0.05 < falls < 0.13


def test_difficulty_alone_tells_a_part_of_the_score(vaults):
  difficulty = [vault.vault.difficulty for vault in vaults]
  score = [vault.final_score for vault in vaults]
  assert 0.65 < stats.spearmanr(difficulty, score)[0] < 0.85


def test_difficulties_are_those_of_real_vaults():
  difficulties = np.array([vault.difficulty for vault in VAULTS])
  assert difficulties.min() >= 4.2
  assert difficulties.max() <= 7.2
  assert shares().sum() == pytest.approx(1)
  assert len({vault.name for vault in VAULTS}) == len(VAULTS) == 28
  # More twists of the same vault are worth more.
  groups = {}
  for vault in VAULTS:
    key = (vault.entry, vault.position, vault.somersaults)
    groups.setdefault(key, []).append((vault.twists, vault.difficulty))
  for group in groups.values():
    assert np.all(np.diff([difficulty for _, difficulty in sorted(group)]) > 0)


def test_deductions_add_up():
  faults = Faults(legs_apart=30, arm_bend=45, steps=2, off_line=-0.5)
  costs = judging.deductions(faults)
  assert set(costs) == set(faults_lib.NAMES)
  assert costs['legs_apart'] == pytest.approx(
    judging.POINTS_OFF['legs_apart'] / 2
  )
  assert costs['knee_bend'] == 0
  total = sum(costs.values())
  assert judging.deserved_mark(faults, 0.2) == pytest.approx(9.8 - total)
  worst = Faults(60, 80, 90, 0.45, 35, 3, 1.0, 1, 1.0)
  expected = sum(judging.POINTS_OFF.values())
  assert sum(judging.deductions(worst).values()) == pytest.approx(expected)


@pytest.mark.parametrize('name', faults_lib.NAMES)
def test_each_fault_alone_costs_points(name):
  def mean_execution(faults):
    rng = np.random.default_rng(7)
    marks = [judging.judge_marks(faults, 0.2, rng) for _ in range(60)]
    return np.mean([judging.execution_score(some) for some in marks])

  worst = dataclasses.replace(Faults(), **{name: faults_lib.WORST[name]})
  cost = mean_execution(Faults()) - mean_execution(worst)
  assert cost == pytest.approx(judging.POINTS_OFF[name], abs=0.02)


@pytest.mark.parametrize('name', faults_lib.NAMES)
def test_more_of_a_fault_goes_with_less_execution(name, vaults, execution):
  severities = np.stack([vault.faults.severities() for vault in vaults])
  severity = severities[:, faults_lib.NAMES.index(name)]
  assert severity.min() >= 0 and severity.max() <= 1
  assert stats.spearmanr(severity, execution)[0] < -0.05


def test_a_fall_has_no_steps_and_a_large_error(vaults):
  fallen = [vault.faults for vault in vaults if vault.faults.fall]
  assert len(fallen) > 30
  assert all(faults.steps == 0 and faults.hop == 0 for faults in fallen)
  assert min(abs(faults.rotation_error) for faults in fallen) > 20
  # Nobody steps and hops.
  assert not any(v.faults.steps and v.faults.hop for v in vaults)


def test_a_perfect_reader_ranks_well_but_not_perfectly(vaults, execution):
  deserved = [judging.deserved_mark(vault.faults, 0.2) for vault in vaults]
  assert 0.93 < stats.spearmanr(deserved, execution)[0] < 0.99


def test_some_panels_are_stricter():
  strict = {draw_event(20, number).strictness for number in range(1, 21)}
  assert len(strict) == 20
  assert max(strict) - min(strict) > 0.1
