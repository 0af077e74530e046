"""What a diver does before and after the dive: walks, waits, surfaces.

Coordinates and times are those of `simulated_dives.motion`.
"""

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulated_dives import motion
from tfds_mtl_aqa.simulated_dives.motion import Flight
from tfds_mtl_aqa.simulation.body import BodyAngles, place_body
from tfds_mtl_aqa.simulation.ramp import ramp

_WALKING_SPEED = 1.25  # m/s, as in `motion`.
_STEPS_PER_SECOND = 1.7
# Of those who begin with the back to the water, or with an armstand: how long
# they stand at the edge at least, and how long it takes them to get there.
_PRESS_SECONDS = 1.6
_TURN_SECONDS = 0.7
# Behind this point of the board the diver waits.
_REAR = -4.2


@dataclasses.dataclass(frozen=True)
class Conduct:
  """What a diver does around a dive.

  Attributes:
    wait: how long the diver stands still before the dive, s.
    under_water: from the entry until the diver comes up, s.
    swimming: speed after that, m/s; positive away from the board.
  """

  wait: float
  under_water: float
  swimming: float


def joint_positions(
  flight: Flight, conduct: Conduct, t: np.ndarray
) -> np.ndarray:
  """Returns the positions of the joints, before, in and after the dive.

  Args:
    flight: the dive.
    conduct: what the diver does around it.
    t: float64 [n], seconds from take-off.

  Returns:
    float64 [n, 17, 3], metres, in the order of `body.JOINTS`.
  """
  if flight.facing > 0 and not flight.dive.armstand:
    joints = motion.joint_positions(flight, _with_wait(conduct, t))
  else:
    joints = _from_standing(flight, conduct, t)
  up = t > flight.seconds + conduct.under_water
  joints[up] = _surfacing(flight, conduct, t[up])
  return joints


def _with_wait(conduct: Conduct, t: np.ndarray) -> np.ndarray:
  """Returns the times of a run-up that is interrupted by a wait."""
  begin = _legs_together(-2.2)
  rear = _legs_together(_REAR / _WALKING_SPEED - 0.4)
  walked = np.where(
    t >= begin, t, np.where(t >= begin - conduct.wait, begin, t + conduct.wait)
  )
  return np.maximum(walked, rear)


def _legs_together(t: float) -> float:
  """Returns the nearest time after a whole number of half steps."""
  half_step = 1 / (2 * _STEPS_PER_SECOND)
  return round(t / half_step) * half_step


def _from_standing(
  flight: Flight, conduct: Conduct, t: np.ndarray
) -> np.ndarray:
  """Returns the joints of a diver who walks to the edge, turns and waits."""
  joints = motion.joint_positions(flight, t)
  stands = -_PRESS_SECONDS - conduct.wait
  walks = stands - _TURN_SECONDS
  walked = _walking(flight, t - walks)
  turned = ramp(t, walks, stands)[:, None, None]
  return walked + (joints - walked) * turned


def _walking(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the joints of one who walks to the edge and is there at t = 0."""
  t = np.clip(t, _legs_together(_REAR / _WALKING_SPEED), 0)
  x = _WALKING_SPEED * t
  stride = 0.6 * np.sin(2 * np.pi * _STEPS_PER_SECOND * t)
  joints = _upright(stride=stride, arms=np.full_like(t, 0.25))
  standing = flight.board_height - joints[:, :, 1].min(axis=1)
  joints[:, :, 0] += x[:, None]
  joints[:, :, 1] += standing[:, None]
  return joints


def _surfacing(flight: Flight, conduct: Conduct, t: np.ndarray) -> np.ndarray:
  """Returns the joints of a diver who comes up and swims away."""
  since = t - flight.seconds - conduct.under_water
  arms = 1.2 + 0.7 * np.sin(2 * np.pi * 0.9 * since)
  joints = _upright(stride=0.3 * np.sin(5 * since), arms=arms)
  # Head and shoulders end above the water.
  lift = -0.35 - 1.2 * (1 - ramp(since, 0.0, 0.8))
  joints[:, :, 0] += (
    flight.entry_x + 0.3 + conduct.swimming * np.maximum(since - 0.5, 0)
  )[:, None]
  joints[:, :, 1] += lift[:, None]
  return joints


def exercise(t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Returns the joints of one who exercises, relative to the centre of mass.

  Args:
    t: float64 [n], seconds from any time.
    rng: draws what the person does; some turn upside down.

  Returns:
    float64 [n, 17, 3], metres.
  """

  def wave(most: float, probability: float) -> np.ndarray:
    phase, rate = rng.uniform(0, 6), rng.uniform(0.3, 2.0)
    amount = most * rng.random() * (rng.random() < probability)
    return amount * (0.5 + 0.5 * np.sin(2 * np.pi * rate * t + phase))

  joints = _upright(
    stride=wave(0.8, 0.5) - 0.2,
    arms=rng.uniform(0, 2) + wave(2.5, 0.8),
    elbow=wave(2.0, 0.5),
    knee=wave(1.8, 0.5),
    hip=wave(1.8, 0.5),
    spine=wave(0.8, 0.4),
    apart=wave(1.0, 0.4),
  )
  tilt = rng.uniform(-0.4, 0.4) + wave(1.5, 0.3)
  if rng.random() < 0.15:
    tilt = tilt + rng.uniform(-2, 2) * t
  turn = rng.uniform(0, 2 * np.pi) + wave(2.0, 0.3)
  joints = _turned(joints, turn, axes=(0, 2))
  return _turned(joints, tilt, axes=(0, 1))


def _turned(
  joints: np.ndarray, angle: np.ndarray, axes: tuple[int, int]
) -> np.ndarray:
  """Returns joints turned by an angle [n] in the plane of two axes."""
  first, second = axes
  cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
  turned = joints.copy()
  turned[:, :, first] = cos * joints[:, :, first] - sin * joints[:, :, second]
  turned[:, :, second] = sin * joints[:, :, first] + cos * joints[:, :, second]
  return turned


def warming_up(
  flight: Flight, x: float, t: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
  """Returns the joints of a diver who warms up on the board, and stays there.

  Args:
    flight: any dive of the diver; tells the board's height.
    x: where on the board, metres from its edge.
    t: float64 [n], seconds from any time.
    rng: draws what the diver does.

  Returns:
    float64 [n, 17, 3], metres.
  """
  rate = rng.uniform(0.5, 1.5)
  wave = 0.5 - 0.5 * np.cos(2 * np.pi * rate * t)
  arms, knee, apart, hop, bow = rng.uniform(0, 1, 5) * (
    rng.random(5) < (0.9, 0.5, 0.4, 0.4, 0.4)
  )
  joints = _upright(
    stride=0.3 * wave * (rng.random() < 0.3),
    arms=0.2 + 2.9 * arms * wave,
    knee=1.2 * knee * wave,
    hip=(0.8 * knee + 1.6 * bow) * wave,
    apart=0.9 * apart * wave,
  )
  standing = flight.board_height - joints[:, :, 1].min(axis=1)
  joints[:, :, 0] += x
  joints[:, :, 1] += (standing + 0.4 * hop * wave**2)[:, None]
  return joints


def _upright(stride: np.ndarray, **others: np.ndarray) -> np.ndarray:
  """Returns the joints of an upright body, relative to its centre of mass.

  Args:
    stride: float64 [n], radians; see `BodyAngles`.
    **others: angles that are not 0.
  """
  zero = np.zeros_like(stride)
  names = (field.name for field in dataclasses.fields(BodyAngles))
  angles = dict.fromkeys(names, zero) | {'stride': stride} | others
  return place_body(BodyAngles(**angles), tilt=zero, facing=1, twist=zero)
