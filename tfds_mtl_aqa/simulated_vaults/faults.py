"""The faults of a vault, and random ones."""

import dataclasses

import numpy as np

# Value of each fault at severity 1, which is the worst; see `Faults` for units.
WORST = {
  'legs_apart': 60.0,
  'knee_bend': 80.0,
  'arm_bend': 90.0,
  'low_height': 0.45,
  'rotation_error': 35.0,
  'steps': 3.0,
  'hop': 1.0,
  'fall': 1.0,
  'off_line': 1.0,
}
NAMES = tuple(WORST)
# The part of the vault in which each fault shows.
PHASES = {
  'legs_apart': 'flight',
  'knee_bend': 'flight',
  'arm_bend': 'table',
  'low_height': 'flight',
  'rotation_error': 'landing',
  'steps': 'landing',
  'hop': 'landing',
  'fall': 'landing',
  'off_line': 'landing',
}

# Severity is mean + spread * z, where z is standard normal and correlates so
# with the negative quality of the vault. The landing has its own rule.
_MEAN = 0.18
_SPREAD = 0.29
_DRAWN = ('legs_apart', 'knee_bend', 'arm_bend', 'low_height', 'off_line')
_QUALITY_CORRELATION = 0.25
# The trouble of a landing, about standard normal, comes from these.
_TROUBLE_FROM_ROTATION = 0.45
_TROUBLE_FROM_HEIGHT = 0.3
# From these troubles on: one step or a small hop, two or a hop, three or a
# large hop, a fall.
_TROUBLES = (-0.5, 0.45, 1.0, 1.45)


@dataclasses.dataclass(frozen=True)
class Faults:
  """The faults of one vault, in physical units.

  Attributes:
    legs_apart: 0 to 60 degrees between the legs, from take-off to landing.
    knee_bend: 0 to 80 degrees of flexion where the knees should be straight.
    arm_bend: 0 to 90 degrees of flexion of the elbows on the table.
    low_height: 0 to 0.45 metres that the flight after the table is too low.
    rotation_error: -35 to 35 degrees that the body has turned too far (> 0) or
      too little (< 0) as the feet touch the mat.
    steps: 0 to 3 steps after the landing.
    hop: 0 to 1 metre that both feet hop after the landing.
    fall: 1 if the gymnast falls, else 0.
    off_line: -1 to 1 metre between the landing and the line of the run-up.
  """

  legs_apart: float = 0.0
  knee_bend: float = 0.0
  arm_bend: float = 0.0
  low_height: float = 0.0
  rotation_error: float = 0.0
  steps: int = 0
  hop: float = 0.0
  fall: int = 0
  off_line: float = 0.0

  def severities(self) -> np.ndarray:
    """Returns the severities: float64 [9], 0 to 1, in the order of NAMES."""
    values = dataclasses.asdict(self)
    return np.array([abs(values[name]) / WORST[name] for name in NAMES])


def draw_faults(quality: float, rng: np.random.Generator) -> Faults:
  """Returns random faults.

  Args:
    quality: of the vault: 0 is the mean, and 1 a standard deviation. Faults are
      smaller where it is higher.
    rng: source of random numbers.
  """
  noise = rng.standard_normal(len(_DRAWN) + 2)
  own = np.sqrt(1 - _QUALITY_CORRELATION**2)
  z = own * noise - _QUALITY_CORRELATION * quality
  severity = dict(
    zip(_DRAWN, np.clip(_MEAN + _SPREAD * z, 0.0, 1.0).tolist(), strict=False)
  )
  rotation, luck = z[-2:]
  height = z[_DRAWN.index('low_height')]
  rest = 1 - _TROUBLE_FROM_ROTATION**2 - _TROUBLE_FROM_HEIGHT**2
  trouble = (
    _TROUBLE_FROM_ROTATION * rotation
    + _TROUBLE_FROM_HEIGHT * height
    + np.sqrt(rest) * luck
  )
  level = int(np.searchsorted(_TROUBLES, trouble))
  error = float(np.clip(_MEAN + _SPREAD * rotation, 0.0, 1.0))
  # Who falls has turned too far or too little; who stands still has not.
  least, most = ((0, 0.5), (0, 1), (0, 1), (0.2, 1), (0.6, 1))[level]
  error = float(np.clip(error, least, most))
  sign_error, sign_line = np.where(rng.random(2) < 0.5, 1.0, -1.0)
  hops = rng.random() < 0.35
  length = float(rng.uniform(0.2, 0.34))
  stands = level < 4
  return Faults(
    legs_apart=WORST['legs_apart'] * severity['legs_apart'],
    knee_bend=WORST['knee_bend'] * severity['knee_bend'],
    arm_bend=WORST['arm_bend'] * severity['arm_bend'],
    low_height=WORST['low_height'] * severity['low_height'],
    rotation_error=float(WORST['rotation_error'] * sign_error * error),
    steps=level if stands and not hops else 0,
    hop=level * length if stands and hops else 0.0,
    fall=int(not stands),
    off_line=float(WORST['off_line'] * sign_line * severity['off_line']),
  )
