"""The faults of a dive, and random ones."""

import dataclasses

import numpy as np

# Value of each fault at severity 1, which is the worst; see `Faults` for units.
MAX_ENTRY_ANGLE = 40.0
MAX_ROTATION_ERROR = 60.0
MAX_LEGS_APART = 60.0
MAX_KNEE_BEND = 90.0
MAX_SPLASH = 1.0
MAX_DISTANCE_OUT = 2.2
MAX_DISTANCE_IN = 0.7

NAMES = (
  'entry_angle',
  'rotation_error',
  'legs_apart',
  'knee_bend',
  'splash',
  'distance',
)
# The part of the dive in which each fault shows.
PHASES = {
  'entry_angle': 'entry',
  'rotation_error': 'entry',
  'legs_apart': 'flight',
  'knee_bend': 'flight',
  'splash': 'entry',
  'distance': 'entry',
}

# Severity is mean + spread * z, where z is standard normal and has these
# correlations with the negative quality of the dive.
_MEAN = 0.235
_SPREAD = 0.285
_QUALITY_CORRELATION = np.array([0.25, 0.25, 0.2, 0.2, 0.2, 0.2])
# The splash also depends on how the body meets the water.
_SPLASH_FROM_ENTRY = 0.35
_SPLASH_FROM_ROTATION = 0.15


@dataclasses.dataclass(frozen=True)
class Faults:
  """The faults of one dive, in physical units.

  Attributes:
    entry_angle: 0 to 40 degrees between the body and the vertical at entry, in
      the direction of `rotation_error`.
    rotation_error: -60 to 60 degrees that the somersaults turn too far (> 0) or
      too little (< 0).
    legs_apart: 0 to 60 degrees between the legs, from take-off to entry.
    knee_bend: 0 to 90 degrees of flexion where the knees should be straight.
    splash: 0 (almost none) to 1 (high).
    distance: metres from the ideal point of entry, up to 2.2 away from the
      board (> 0) or 0.7 towards it (< 0).
  """

  entry_angle: float = 0.0
  rotation_error: float = 0.0
  legs_apart: float = 0.0
  knee_bend: float = 0.0
  splash: float = 0.0
  distance: float = 0.0

  def severities(self) -> np.ndarray:
    """Returns the severities: float64 [6], 0 to 1, in the order of NAMES."""
    worst_distance = MAX_DISTANCE_OUT if self.distance > 0 else MAX_DISTANCE_IN
    return np.array(
      [
        self.entry_angle / MAX_ENTRY_ANGLE,
        abs(self.rotation_error) / MAX_ROTATION_ERROR,
        self.legs_apart / MAX_LEGS_APART,
        self.knee_bend / MAX_KNEE_BEND,
        self.splash / MAX_SPLASH,
        abs(self.distance) / worst_distance,
      ]
    )


def draw_faults(quality: float, rng: np.random.Generator) -> Faults:
  """Returns random faults.

  Args:
    quality: of the dive: 0 is the mean, and 1 a standard deviation. Faults are
      smaller where it is higher.
    rng: source of random numbers.
  """
  noise = rng.standard_normal(len(NAMES))
  z = (
    -_QUALITY_CORRELATION * quality
    + np.sqrt(1 - _QUALITY_CORRELATION**2) * noise
  )
  own = 1 - _SPLASH_FROM_ENTRY**2 - _SPLASH_FROM_ROTATION**2
  z[4] = (
    _SPLASH_FROM_ENTRY * z[0]
    + _SPLASH_FROM_ROTATION * z[1]
    + np.sqrt(own) * z[4]
  )
  severity = np.clip(_MEAN + _SPREAD * z, 0.0, 1.0)
  over = 1.0 if rng.random() < 0.5 else -1.0
  if rng.random() < 0.8:
    distance = MAX_DISTANCE_OUT * severity[5]
  else:
    distance = -MAX_DISTANCE_IN * severity[5]
  return Faults(
    entry_angle=float(MAX_ENTRY_ANGLE * severity[0]),
    rotation_error=float(over * MAX_ROTATION_ERROR * severity[1]),
    legs_apart=float(MAX_LEGS_APART * severity[2]),
    knee_bend=float(MAX_KNEE_BEND * severity[3]),
    splash=float(MAX_SPLASH * severity[4]),
    distance=float(distance),
  )
