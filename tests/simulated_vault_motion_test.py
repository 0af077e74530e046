import itertools

import numpy as np
import pytest

from tfds_mtl_aqa.simulated_vaults import flight as flight_lib
from tfds_mtl_aqa.simulated_vaults import motion
from tfds_mtl_aqa.simulated_vaults.faults import Faults
from tfds_mtl_aqa.simulated_vaults.vault_table import VAULTS
from tfds_mtl_aqa.simulation.body import INDEX

every_vault = pytest.mark.parametrize('vault', VAULTS, ids=lambda v: v.name)
_WRISTS = [INDEX['wrist_left'], INDEX['wrist_right']]
_ANKLES = [INDEX['ankle_left'], INDEX['ankle_right']]


def _flight(vault, faults=None):
  return motion.plan_flight(vault, faults or Faults(), 7.0, 0.58)


def _find(name):
  return next(vault for vault in VAULTS if vault.name == name)


def _after(flight, seconds):
  """Returns the joints at seconds after the landing."""
  at = np.array([flight.seconds + seconds])
  return motion.joint_positions(flight, at)[0]


@every_vault
def test_the_hands_stay_on_the_table_and_the_feet_where_they_land(vault):
  flight = _flight(vault)
  t = np.linspace(flight.table_seconds, flight.push_seconds, 9)
  wrists = motion.joint_positions(flight, t)[:, _WRISTS].mean(axis=1)
  np.testing.assert_allclose(wrists[:, 0], motion.HAND_X, atol=1e-6)
  np.testing.assert_allclose(wrists[:, 1], motion.TABLE_HEIGHT, atol=0.05)
  t = np.linspace(-flight_lib.BOARD_SECONDS, -1e-6, 5)
  ankles = motion.joint_positions(flight, t)[:, _ANKLES].mean(axis=1)
  np.testing.assert_allclose(ankles[:, 0], motion.BOARD_X, atol=1e-6)
  t = flight.seconds + np.linspace(0, 1.3, 14)
  joints = motion.joint_positions(flight, t)
  ankles = joints[:, _ANKLES, 0].mean(axis=1)
  np.testing.assert_allclose(ankles, ankles[0], atol=1e-6)
  lowest = joints[:, :, 1].min(axis=1)
  np.testing.assert_allclose(lowest, motion.MAT_HEIGHT, atol=1e-6)


@every_vault
def test_between_ground_and_table_gravity_alone_acts(vault):
  flight = _flight(vault)
  for begin, end in (
    (0, flight.table_seconds),
    (flight.push_seconds, flight.seconds),
  ):
    t = np.linspace(begin + 1e-3, end - 1e-3, 200)
    x, y = motion.centre_of_mass(flight, t)
    step = t[1] - t[0]
    np.testing.assert_allclose(np.diff(y, 2) / step**2, -9.81, rtol=1e-3)
    np.testing.assert_allclose(np.diff(x, 2) / step**2, 0, atol=1e-3)


@every_vault
def test_the_body_turns_and_twists_as_announced(vault):
  flight = _flight(vault)
  t = np.arange(0.0, flight.seconds, 0.002)
  joints = motion.joint_positions(flight, t)
  trunk = joints[:, INDEX['neck']] - joints[:, INDEX['pelvis']]
  angle = np.unwrap(np.arctan2(trunk[:, 0], trunk[:, 1]))
  # From the springboard over the handstand to the feet: forwards all the time.
  turned = angle[-1] - angle[0]
  assert turned == pytest.approx((1 + vault.half_turns) * np.pi, abs=0.7)
  across = (
    joints[:, INDEX['shoulder_left']] - joints[:, INDEX['shoulder_right']]
  )
  side = np.sign(across[:, 2])
  changes = np.count_nonzero(np.diff(side[side != 0]))
  assert changes == vault.twists + vault.twists_onto_table


def test_entries_face_the_table_or_turn_the_back_to_it():
  faces = {}
  for vault in VAULTS[::-1]:
    joints = motion.joint_positions(_flight(vault), np.array([-0.01, -1.6]))
    left = joints[:, INDEX['hip_left']] - joints[:, INDEX['hip_right']]
    up = joints[:, INDEX['neck']] - joints[:, INDEX['pelvis']]
    faces[vault.entry] = tuple(np.cross(left, up)[:, 0] > 0)
  # On the springboard, and in the run-up.
  assert faces == {
    0: (True, True), 1: (True, True), 2: (False, True), 3: (False, True)
  }  # fmt: skip


def test_a_round_off_turns_over_the_hands():
  flight = _flight(_find('yurchenko straight'))
  t = np.arange(flight.onto_board, -flight_lib.BOARD_SECONDS, 0.01)
  joints = motion.joint_positions(flight, t)
  upside_down = joints[:, INDEX['head'], 1] < joints[:, INDEX['pelvis'], 1]
  assert 0.15 < upside_down.sum() * 0.01 < 0.5
  low = joints[:, _WRISTS, 1].min()
  assert -0.01 < low < 0.15


def test_the_shapes_differ():
  sizes = []
  for name in ('tuck', 'pike', 'straight'):
    flight = _flight(_find(f'handspring {name}'))
    middle = np.array([(flight.push_seconds + flight.seconds) / 2])
    joints = motion.joint_positions(flight, middle)[0]
    distances = np.linalg.norm(joints[:, None] - joints[None], axis=-1)
    sizes.append(distances.max())
  assert sizes[0] < sizes[1] < 0.8 * sizes[2]


def test_motion_is_continuous():
  faults = (
    Faults(rotation_error=30, steps=3, off_line=0.8),
    Faults(rotation_error=-30, fall=1, arm_bend=80),
    Faults(hop=0.9, low_height=0.4, legs_apart=50),
  )
  for vault, some in zip(VAULTS, itertools.cycle(faults)):
    flight = _flight(vault, some)
    t = np.arange(-2.5, flight.seconds + 1.5, 0.004)
    joints = motion.joint_positions(flight, t)
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) / 0.004
    assert speed.max() < 48


@pytest.mark.parametrize('name', ['handspring pike', 'yurchenko straight'])
def test_faults_are_as_large_as_they_say(name):
  vault = _find(name)
  clean = _flight(vault)

  low = _flight(vault, Faults(low_height=0.4))
  tops = [
    motion.centre_of_mass(flight, np.linspace(0, flight.seconds, 500))[1].max()
    for flight in (clean, low)
  ]
  assert tops[0] - tops[1] == pytest.approx(0.4, abs=0.01)
  assert low.seconds < clean.seconds - 0.1

  bent = _flight(vault, Faults(arm_bend=70))
  at = np.array([(bent.table_seconds + bent.push_seconds) / 2])
  joints = motion.joint_positions(bent, at)[0]
  upper = joints[INDEX['elbow_left']] - joints[INDEX['shoulder_left']]
  lower = joints[INDEX['wrist_left']] - joints[INDEX['elbow_left']]
  cosine = upper @ lower / np.linalg.norm(upper) / np.linalg.norm(lower)
  assert np.rad2deg(np.arccos(cosine)) == pytest.approx(70, abs=12)

  off = _after(_flight(vault, Faults(off_line=-0.7)), 0.5)
  assert off[INDEX['pelvis'], 2] == pytest.approx(-0.7, abs=0.05)

  for error in (-30.0, 30.0):
    wrong = _flight(vault, Faults(rotation_error=error))
    lean = [
      joints[INDEX['head'], 0] - joints[INDEX['pelvis'], 0]
      for joints in (_after(clean, 0), _after(wrong, 0))
    ]
    assert (lean[1] - lean[0]) * np.sign(error) > 0.2


@pytest.mark.parametrize('way', [-1, 1])
def test_steps_and_hops_move_the_feet(way):
  vault = _find('handspring pike')
  error = 5.0 * way
  for faults, metres in (
    (Faults(rotation_error=error, steps=2), 2 * motion.STEP_METRES),
    (Faults(rotation_error=error, hop=0.6), 0.6),
  ):
    flight = _flight(vault, faults)
    first, last = (_after(flight, s)[_ANKLES, 0].mean() for s in (0.1, 1.3))
    assert last - first == pytest.approx(way * metres, abs=0.05)
  # One foot after the other, or both at once.
  t = flight.seconds + np.linspace(0, 1.2, 60)
  for faults, apart in ((Faults(steps=1), True), (Faults(hop=0.6), False)):
    joints = motion.joint_positions(_flight(vault, faults), t)
    gap = np.ptp(joints[:, _ANKLES, 0], axis=1).max()
    assert (gap > 0.3) == apart


@pytest.mark.parametrize('error', [-30.0, 30.0])
@pytest.mark.parametrize('name', ['handspring pike', 'yurchenko straight'])
def test_a_fall_ends_on_the_hands_or_the_seat(name, error):
  flight = _flight(_find(name), Faults(rotation_error=error, fall=1))
  joints = _after(flight, 1.2)
  height = joints[:, 1] - motion.MAT_HEIGHT
  assert height[INDEX['head']] < 1.15
  over = error > 0
  # Who faces away from the table falls forwards when over-rotated.
  forward = over == (flight.landing_facing > 0)
  assert flight.falls_forward == forward
  if forward:
    assert height[_WRISTS].max() < 0.2
    assert height[INDEX['knee_left']] < 0.2
  else:
    assert height[INDEX['pelvis']] < 0.3
  # The body goes the way that the rotation took it.
  moved = joints[INDEX['head'], 0] - joints[_ANKLES, 0].mean()
  assert (moved > 0) == over
