import numpy as np
import pytest

from tfds_mtl_aqa.simulated_dives import motion
from tfds_mtl_aqa.simulated_dives.dive_numbers import dive_table
from tfds_mtl_aqa.simulated_dives.faults import Faults
from tfds_mtl_aqa.simulation.body import INDEX

_ALL = [
  (dive, springboard)
  for springboard in (False, True)
  for dive in dive_table(springboard)[0]
]
_IDS = [f'{d.number}-{"3m" if board else "10m"}' for d, board in _ALL]
every_dive = pytest.mark.parametrize(('dive', 'springboard'), _ALL, ids=_IDS)


def _flight(dive, springboard, faults=None):
  height, speed = (3.0, 5.3) if springboard else (10.0, 2.4)
  return motion.plan_flight(
    dive, faults or Faults(), springboard, height, speed
  )


def _find(number, springboard=False):
  return next(d for d in dive_table(springboard)[0] if d.number == number)


def _trunk_angle(joints):
  """Unwrapped angle of the trunk from upright, away from the board."""
  trunk = joints[:, INDEX['neck']] - joints[:, INDEX['pelvis']]
  return np.unwrap(np.arctan2(trunk[:, 0], trunk[:, 1]))


@every_dive
def test_gravity_sets_the_time_in_the_air(dive, springboard):
  flight = _flight(dive, springboard)
  t = np.linspace(0, flight.seconds, 400)
  _, y = motion.centre_of_mass(flight, t)
  acceleration = np.diff(y, 2) / (t[1] - t[0]) ** 2
  np.testing.assert_allclose(acceleration, -motion.GRAVITY, rtol=1e-3)
  # The body touches the water when the flight says so.
  around = np.linspace(flight.seconds - 0.3, flight.seconds + 0.3, 601)
  lowest = motion.joint_positions(flight, around)[:, :, 1].min(axis=1)
  touch = around[np.argmax(lowest <= 0)]
  assert touch == pytest.approx(flight.seconds, abs=0.03)


def test_ten_metres_take_longer_than_three_without_a_spring():
  platform = _flight(_find('107B'), False)
  assert 1.55 < platform.seconds < 1.85  # 10 m fall: 1.43 s, plus the jump.
  springboard = _flight(_find('107B', True), True)
  assert 1.3 < springboard.seconds < 1.6


@every_dive
def test_the_body_turns_as_often_as_announced(dive, springboard):
  flight = _flight(dive, springboard)
  t = np.arange(-0.6, flight.seconds, 0.004)
  angle = _trunk_angle(motion.joint_positions(flight, t))
  turned = flight.spin * (angle[-1] - angle[0])
  assert turned == pytest.approx(dive.half_turns * np.pi, abs=0.3)
  # Somersaults never go backwards.
  in_air = angle[t > 0.1] * flight.spin
  assert np.diff(in_air).min() > -0.1


@every_dive
def test_head_or_feet_enter_first(dive, springboard):
  flight = _flight(dive, springboard)
  joints = motion.joint_positions(flight, np.array([flight.seconds]))[0]
  head, ankle = joints[INDEX['head'], 1], joints[INDEX['ankle_left'], 1]
  assert (head < ankle) == dive.head_first
  assert abs(head - ankle) > 1.2


@pytest.mark.parametrize(
  ('number', 'faces_away', 'turns_away'),
  [('107B', True, True), ('207C', False, True), ('307C', True, False),
   ('407C', False, False)],
)  # fmt: skip
def test_direction_of_start_and_rotation(number, faces_away, turns_away):
  flight = _flight(_find(number), False)
  t = np.array([-1.0, 0.1])
  before, after = motion.joint_positions(flight, t)
  toes = before[INDEX['toes_left']] - before[INDEX['ankle_left']]
  assert (toes[0] > 0) == faces_away
  head = after[INDEX['head']] - after[INDEX['pelvis']]
  assert (head[0] > 0) == turns_away


def test_an_armstand_stands_on_its_hands_at_the_edge():
  flight = _flight(_find('626C'), False)
  joints = motion.joint_positions(flight, np.array([-1.0]))[0]
  wrists = joints[[INDEX['wrist_left'], INDEX['wrist_right']]]
  np.testing.assert_allclose(wrists[:, 1], 10.0, atol=0.05)
  np.testing.assert_allclose(wrists[:, 0], 0.0, atol=0.3)
  assert joints[INDEX['head'], 1] < joints[INDEX['ankle_left'], 1] - 1


def test_feet_stand_on_the_board():
  for number, springboard in (('207C', False), ('305C', True)):
    flight = _flight(_find(number, springboard), springboard)
    joints = motion.joint_positions(flight, np.array([-1.5]))[0]
    assert joints[:, 1].min() == pytest.approx(flight.board_height, abs=1e-6)


@pytest.mark.parametrize(
  ('number', 'half_twists'), [('207C', 0), ('5231D', 1), ('5253B', 3)]
)
def test_half_twists_turn_the_body_about_its_axis(number, half_twists):
  flight = _flight(_find(number), False)
  t = np.arange(0.0, flight.seconds, 0.004)
  joints = motion.joint_positions(flight, t)
  across = (
    joints[:, INDEX['shoulder_left']] - joints[:, INDEX['shoulder_right']]
  )
  # The left shoulder changes sides once each half twist.
  side = np.sign(across[:, 2])
  assert np.count_nonzero(np.diff(side[side != 0])) == half_twists


def test_tuck_is_tighter_than_pike_and_pike_than_straight():
  extents = []
  for number in ('207C', '207B', '5255D'):
    flight = _flight(_find(number), False)
    joints = motion.joint_positions(flight, np.array([0.6 * flight.seconds]))[0]
    distances = np.linalg.norm(joints[:, None] - joints[None], axis=-1)
    extents.append(distances.max())
  assert extents[0] < extents[1] < extents[2]
  assert extents[2] > 1.6 * extents[1]


def test_lengths_of_limbs_never_change():
  flight = _flight(_find('5253B'), False, Faults(knee_bend=60, legs_apart=0))
  joints = motion.joint_positions(flight, np.linspace(-1.5, 2.2, 200))
  for a, b, length in (('hip', 'knee', 0.43), ('knee', 'ankle', 0.42)):
    limb = joints[:, INDEX[f'{a}_left']] - joints[:, INDEX[f'{b}_left']]
    along = np.linalg.norm(limb, axis=-1)
    np.testing.assert_allclose(along, length, rtol=0.02)


def test_motion_is_continuous():
  for dive, springboard in _ALL[::5]:
    flight = _flight(dive, springboard, Faults(rotation_error=30, distance=1))
    t = np.arange(-2.5, flight.seconds + 0.8, 0.004)
    joints = motion.joint_positions(flight, t)
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) / 0.004
    # Hands whirl at up to about 30 m/s when four and a half turns go fast.
    assert speed.max() < 45


def test_entry_angle_tilts_the_body_at_the_surface():
  for number in ('207C', '107B', '403B'):
    dive = _find(number)
    tilts = []
    for angle in (0.0, 20.0, 40.0):
      flight = _flight(dive, False, Faults(entry_angle=angle))
      joints = motion.joint_positions(flight, np.array([flight.seconds]))
      line = joints[0, INDEX['ankle_left']] - joints[0, INDEX['wrist_left']]
      tilts.append(np.rad2deg(np.arctan2(abs(line[0]), line[1])))
    assert tilts[0] < 5
    np.testing.assert_allclose(tilts[1:], [20, 40], atol=5)


def test_rotation_error_breaks_the_line_and_overturns_the_body():
  dive = _find('207C')
  angles = []
  for error in (-50.0, 0.0, 50.0):
    flight = _flight(dive, False, Faults(rotation_error=error))
    t = np.arange(-0.6, flight.seconds, 0.004)
    joints = motion.joint_positions(flight, t)
    angles.append(flight.spin * _trunk_angle(joints)[-1])
  assert angles[0] < angles[1] - 0.2
  assert angles[2] > angles[1] + 0.2


def test_distance_moves_the_entry_away_from_the_board():
  dive = _find('107B')
  for distance in (-0.7, 0.0, 2.0):
    flight = _flight(dive, False, Faults(distance=distance))
    x, _ = motion.centre_of_mass(flight, np.array([flight.seconds]))
    assert x[0] == pytest.approx(motion.IDEAL_DISTANCE + distance)
    joints = motion.joint_positions(flight, np.linspace(0.3, 1.2, 50))
    # No dive hits the board.
    beside = joints[joints[..., 1] < 9.7]
    assert beside[:, 0].min() > -0.9


def test_legs_and_knees_show_their_fault():
  dive = _find('205B')
  flight = _flight(dive, False, Faults(legs_apart=50, knee_bend=0))
  joints = motion.joint_positions(flight, np.array([flight.seconds]))[0]
  apart = joints[INDEX['ankle_left']] - joints[INDEX['ankle_right']]
  assert np.linalg.norm(apart) > 0.6
  flight = _flight(dive, False, Faults(knee_bend=70))
  joints = motion.joint_positions(flight, np.array([flight.seconds]))[0]
  thigh = joints[INDEX['knee_left']] - joints[INDEX['hip_left']]
  shank = joints[INDEX['ankle_left']] - joints[INDEX['knee_left']]
  cosine = thigh @ shank / np.linalg.norm(thigh) / np.linalg.norm(shank)
  assert np.rad2deg(np.arccos(cosine)) == pytest.approx(70, abs=3)
