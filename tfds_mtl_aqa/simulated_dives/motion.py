"""The motion of a dive: take-off, flight, rotation, twist and entry.

Coordinates are in metres: x from the board's edge away from it, y from the
water up, z along the edge. Times t are float64 [n], in seconds from the
take-off; functions of t return an array for these n instants.
"""

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulated_dives.dive_numbers import DiveNumber
from tfds_mtl_aqa.simulated_dives.faults import Faults
from tfds_mtl_aqa.simulation.body import BodyAngles, place_body
from tfds_mtl_aqa.simulation.ramp import ramp, ramp_linear

GRAVITY = 9.81
# Height of the centre of mass above the water when hands or feet touch it.
REACH_HEAD_FIRST = 1.12
REACH_FEET_FIRST = 0.95
# Where a good dive enters, metres from the board's edge.
IDEAL_DISTANCE = 1.3
# In the water the speed decreases exponentially, with this time constant.
_BRAKE_SECONDS = 0.19
# Lean of the body at take-off, in the direction of the somersault.
_LEAN = np.deg2rad(12.0)
_COME_OUT_SECONDS = 0.42

# Release codes of the rotation types.
_BACKWARD, _FORWARD, _INWARD, _REVERSE = range(4)


@dataclasses.dataclass(frozen=True)
class Flight:
  """What determines the motion of one dive.

  Attributes:
    dive: the announced dive.
    faults: of the dive.
    springboard: whether 3 m springboard, else 10 m platform.
    board_height: metres above the water.
    jump_speed: vertical speed at take-off, m/s.
    take_off_height: of the centre of mass, metres above the water.
    seconds: from take-off to the first contact with the water.
  """

  dive: DiveNumber
  faults: Faults
  springboard: bool
  board_height: float
  jump_speed: float
  take_off_height: float
  seconds: float

  @property
  def spin(self) -> int:
    """+1 if the head first turns away from the board, else -1."""
    return 1 if self.dive.rotation_type in (_BACKWARD, _FORWARD) else -1

  @property
  def facing(self) -> int:
    """+1 if an upright diver would face away from the board, else -1."""
    return 1 if self.dive.rotation_type in (_FORWARD, _REVERSE) else -1

  @property
  def entry_x(self) -> float:
    """Metres from the board's edge to the point of entry."""
    return IDEAL_DISTANCE + self.faults.distance

  @property
  def entry_tilt(self) -> float:
    """Angle between the vertical and the body at entry, radians.

    Positive if the body has turned too far. A part of the rotation error tilts
    the whole body; the rest bends it at the hips.
    """
    over = np.copysign(1.0, self.faults.rotation_error)
    return float(
      np.deg2rad(
        over * self.faults.entry_angle + 0.4 * self.faults.rotation_error
      )
    )

  @property
  def total_rotation(self) -> float:
    """Rotation from the start, upright or armstand, to the entry, radians."""
    return self.dive.half_turns * np.pi + self.entry_tilt


def plan_flight(
  dive: DiveNumber,
  faults: Faults,
  springboard: bool,
  board_height: float,
  jump_speed: float,
) -> Flight:
  """Returns the flight of a dive, with its time in the air under gravity.

  Args:
    dive: the announced dive.
    faults: of the dive.
    springboard: whether 3 m springboard, else 10 m platform.
    board_height: metres above the water.
    jump_speed: vertical speed at take-off, m/s.
  """
  centre = 0.98 if dive.armstand else 1.12
  reach = REACH_HEAD_FIRST if dive.head_first else REACH_FEET_FIRST
  fall = board_height + centre - reach
  seconds = jump_speed + np.sqrt(jump_speed**2 + 2 * GRAVITY * fall)
  return Flight(
    dive=dive,
    faults=faults,
    springboard=springboard,
    board_height=board_height,
    jump_speed=jump_speed,
    take_off_height=board_height + centre,
    seconds=float(seconds / GRAVITY),
  )


def rotation(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the rotation since the start at t: float64 [n], radians.

  The angular momentum is constant in the air: a tighter shape turns faster. At
  the end the diver stretches and turns slowly.
  """
  grid = np.linspace(0.0, flight.seconds, 128)
  speed = 0.4 + 1.6 * _shape(flight, grid)
  speed *= 1 - 0.85 * ramp(
    grid, flight.seconds - _COME_OUT_SECONDS, flight.seconds - 0.12
  )
  turned = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
  turned *= (flight.total_rotation - _LEAN) / turned[-1]
  lean = _LEAN * ramp(t, -0.3, 0.0)
  carried_on = np.deg2rad(0.5 * flight.faults.rotation_error) * (
    1 - np.exp(-np.maximum(t - flight.seconds, 0) / 0.2)
  )
  return np.interp(t, grid, turned) + lean + carried_on


def twist(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the twist at the instants t: float64 [n], radians."""
  total = flight.dive.twists * np.pi
  if flight.dive.position == 0:
    start, end = 0.15, flight.seconds - 0.35
  else:
    start, end = 0.15, 0.62 * flight.seconds
  return total * ramp_linear(t, start, end)


def centre_of_mass(flight: Flight, t: np.ndarray) -> tuple[np.ndarray, ...]:
  """Returns x and y of the centre of mass, in the air and in the water.

  Args:
    flight: the dive.
    t: float64 [n], seconds from take-off. Before it, the position is constant.

  Returns:
    Two float64 [n], metres.
  """
  in_air = np.clip(t, 0.0, flight.seconds)
  y = (
    flight.take_off_height
    + flight.jump_speed * in_air
    - GRAVITY * in_air**2 / 2
  )
  start_x = 0.05
  x = start_x + (flight.entry_x - start_x) * in_air / flight.seconds
  # In the water the speed of the entry decreases.
  sunk = _BRAKE_SECONDS * (
    1 - np.exp(-np.maximum(t - flight.seconds, 0) / _BRAKE_SECONDS)
  )
  speed = GRAVITY * flight.seconds - flight.jump_speed
  speed = max(speed, 12.5)
  lean = flight.spin * np.sin(flight.entry_tilt)
  drift = (flight.entry_x - start_x) / flight.seconds
  # In the water the body moves along its own axis.
  x = x + sunk * (0.5 * drift - 0.5 * speed * lean)
  return x, y - sunk * speed


def _shape(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns how far the diver is in the tuck or pike, float64 [n], 0 to 1."""
  seconds = flight.seconds
  if flight.dive.position == 0:
    return np.zeros_like(t)
  # With few turns the diver holds the shape for a shorter time.
  few = flight.dive.half_turns <= 3
  start = 0.28 * seconds if few else 0.12
  if flight.dive.twists:
    start = 0.50 * seconds
  end = seconds - _COME_OUT_SECONDS - (0.2 if few else 0.0)
  return ramp(t, start, start + 0.22) * (1 - ramp(t, end, end + 0.24))


def body_angles(flight: Flight, t: np.ndarray) -> BodyAngles:
  """Returns the angles of the joints at the instants t, with the faults."""
  dive, faults = flight.dive, flight.faults
  shape = _shape(flight, t)
  flying = ramp(t, -0.02, 0.12)
  tuck = float(dive.position == 2)
  lined_up = ramp(t, flight.seconds - 0.4, flight.seconds - 0.12)

  hip = shape * (tuck * 2.3 + (1 - tuck) * 2.5)
  knee = shape * tuck * 2.55
  spine = shape * (0.3 + 0.25 * tuck)
  # The knees should be straight, except in the tuck.
  loose = flying * (1 - tuck * shape)
  knee = knee + loose * np.deg2rad(faults.knee_bend)
  hip = hip + loose * 0.45 * np.deg2rad(faults.knee_bend)
  # After too much rotation the legs have turned further than the trunk.
  forward = flight.spin * flight.facing
  half_twisted = np.cos(twist(flight, t))
  hip_break = -forward * half_twisted * np.deg2rad(0.6 * faults.rotation_error)
  apart = flying * np.deg2rad(faults.legs_apart)

  raised = np.pi if dive.head_first else 0.12
  # Hands at the shins in a tuck, at the toes in a pike.
  grip = -0.5 if tuck else 2.4
  arms = np.full_like(t, np.pi)
  arms = arms + (grip - arms) * shape
  arms = arms + (raised - arms) * lined_up
  elbow = 1.9 * tuck * shape
  crossed = np.zeros_like(t)
  if dive.twists:
    end = 0.62 * flight.seconds if dive.position else flight.seconds - 0.4
    crossed = ramp(t, 0.02, 0.2) * (1 - ramp(t, end - 0.1, end + 0.1))

  angles = BodyAngles(
    hip=hip,
    hip_break=hip_break * lined_up,
    knee=knee,
    spine=spine,
    apart=apart,
    arms=arms,
    elbow=elbow,
    crossed=crossed,
    stride=np.zeros_like(t),
    pointed=ramp(t, -0.1, 0.1),
  )
  return _before_take_off(flight, t, angles)


def _before_take_off(
  flight: Flight, t: np.ndarray, angles: BodyAngles
) -> BodyAngles:
  """Returns the angles with those of the approach before the take-off."""
  if flight.dive.armstand:
    wobble = 0.06 * np.sin(5 * t) * (t < 0)
    return dataclasses.replace(
      angles,
      arms=np.where(t < 0.15, np.pi, angles.arms),
      hip=angles.hip + wobble,
      pointed=np.ones_like(t),
    )
  ground = t < 0
  bend = ramp(t, -0.5, -0.25) * (1 - ramp(t, -0.2, 0.02))
  swing = ramp(t, -0.3, 0.0)
  stride = np.zeros_like(t)
  arms = 0.25 + (np.pi - 0.25) * swing
  if _runs(flight):
    running = 1 - ramp(t, -0.75, -0.5)
    stride = running * 0.6 * np.sin(2 * np.pi * 1.7 * t)
    arms = arms + 0.5 * running * np.sin(2 * np.pi * 1.7 * t + np.pi)
  else:
    # Arms up, down with the press, up again.
    lifted = ramp(t, -1.3, -0.8) * (1 - ramp(t, -0.7, -0.4))
    arms = arms + (2.6 - arms) * lifted
  return dataclasses.replace(
    angles,
    hip=np.where(ground, 0.9 * bend, angles.hip),
    knee=np.where(ground, 1.3 * bend, angles.knee),
    arms=np.where(ground, arms, angles.arms),
    stride=np.where(ground, stride, 0.0),
  )


def _runs(flight: Flight) -> bool:
  """Returns whether the diver walks to the edge: those who face the water."""
  return not flight.dive.armstand and flight.facing > 0


def board_tip(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns how far the board's tip is bent upwards: float64 [n], metres."""
  if not flight.springboard:
    return np.zeros_like(t)
  press = -0.45 * ramp(t, -0.5, -0.2) * (1 - ramp(t, -0.2, 0.03))
  after = np.maximum(t - 0.03, 0)
  return press + 0.18 * np.exp(-after / 0.35) * np.sin(20 * after) * (t > 0.03)


def joint_positions(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the positions of the joints.

  Args:
    flight: the dive.
    t: float64 [n], seconds from take-off.

  Returns:
    float64 [n, 17, 3], metres, in the order of `body.JOINTS`.
  """
  turned = rotation(flight, t)
  upright = np.pi if flight.dive.armstand else 0.0
  joints = place_body(
    angles=body_angles(flight, t),
    tilt=upright + flight.spin * turned,
    facing=flight.facing,
    twist=twist(flight, t),
  )
  x, y = centre_of_mass(flight, t)
  # The lowest joint is on the board.
  deck = flight.board_height + board_tip(flight, t)
  standing = deck - joints[:, :, 1].min(axis=1)
  if _runs(flight):
    hop = 0.22 if flight.springboard else 0.12
    s = np.clip((t + 0.75) / 0.35, 0, 1)
    standing = standing + hop * 4 * s * (1 - s)
    x = np.where(t < 0, x + 1.25 * np.minimum(t + 0.4, 0), x)
  # A smooth change from the height on the board to that of the flight.
  blend = ramp(t, -0.02, 0.12)
  y = np.where(t < 0.12, standing + (y - standing) * blend, y)
  joints[:, :, 0] += x[:, None]
  joints[:, :, 1] += y[:, None]
  return joints


def filmed_centre(
  flight: Flight, t: np.ndarray, joints: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the point that the camera follows.

  Args:
    flight: the dive.
    t: float64 [n], seconds from take-off.
    joints: float64 [n, 17, 3], positions of the joints at these instants.

  Returns:
    x and y of the diver's middle, float64 [n], metres.
  """
  middle = (joints.min(axis=1) + joints.max(axis=1)) / 2
  x, _ = centre_of_mass(flight, np.clip(t, 0, flight.seconds))
  return np.where(t < 0, middle[:, 0], x), middle[:, 1]
