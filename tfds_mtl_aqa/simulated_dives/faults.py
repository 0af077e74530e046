"""What goes wrong in a dive: the faults and how they are drawn."""

import dataclasses

import numpy as np

# Each fault's value at severity 1, the worst that is drawn.
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

# Severity is about mean + spread * z, z standard normal with these
# correlations to the dive's (negative) quality.
_MEAN = 0.235
_SPREAD = 0.285
_QUALITY_CORRELATION = np.array([0.25, 0.25, 0.2, 0.2, 0.2, 0.2])
# The splash also follows from how the body meets the water.
_SPLASH_FROM_ENTRY = 0.35
_SPLASH_FROM_ROTATION = 0.15


@dataclasses.dataclass(frozen=True)
class Faults:
  """The faults of one dive, in physical units.

  Attributes:
    entry_angle: degrees (>= 0) of the body's line from the vertical as it
      meets the water, in the direction of `rotation_error`.
    rotation_error: degrees by which the somersaults are past (over-rotated,
      > 0) or short of (< 0) the vertical.
    legs_apart: degrees between the legs, from take-off to entry.
    knee_bend: degrees of flexion where the knees should be straight.
    splash: 0 (a rip entry) to 1 (a big plume).
    distance: metres from the ideal point of entry, away from (> 0) or towards
      (< 0) the board.
  """

  entry_angle: float = 0.0
  rotation_error: float = 0.0
  legs_apart: float = 0.0
  knee_bend: float = 0.0
  splash: float = 0.0
  distance: float = 0.0

  def severities(self) -> np.ndarray:
    """Returns each fault's severity, float64 [6] in 0..1, in NAMES' order."""
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
  """Draws the faults of a dive.

  Args:
    quality: of the dive, standardised; most faults shrink as it grows.
    rng: the source of chance.

  Returns:
    The faults.
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
