"""The body of an athlete: its joints, and where angles put them."""

import dataclasses

import numpy as np

JOINTS = (
  'head',
  'neck',
  'pelvis',
  'shoulder_left',
  'elbow_left',
  'wrist_left',
  'hip_left',
  'knee_left',
  'ankle_left',
  'toes_left',
  'shoulder_right',
  'elbow_right',
  'wrist_right',
  'hip_right',
  'knee_right',
  'ankle_right',
  'toes_right',
)
NUM_JOINTS = len(JOINTS)
INDEX = {name: i for i, name in enumerate(JOINTS)}

# Lengths in metres.
TRUNK = 0.54
HEAD = 0.20
UPPER_ARM = 0.30
FOREARM = 0.36
THIGH = 0.43
SHANK = 0.42
FOOT = 0.20
_HALF_SHOULDERS = 0.19
_HALF_HIPS = 0.10

# Share of each joint in the mass, in the order of JOINTS; the sum is 1.
_MASS = np.array(
  [0.08, 0.20, 0.24] + 2 * [0.02, 0.03, 0.02, 0.08, 0.06, 0.02, 0.01]
)


@dataclasses.dataclass(frozen=True)
class BodyAngles:
  """Angles of the joints at n instants, each float64 [n], in radians.

  Attributes:
    hip: flexion of both legs.
    hip_break: further flexion of the legs without the trunk; may be negative.
    knee: flexion.
    spine: how far the trunk is curled towards the front.
    apart: angle between the legs.
    arms: 0 hanging, pi / 2 forward, pi overhead.
    elbow: flexion.
    crossed: 0 to 1: arms wrapped for a twist, one at the head, one at the
      chest.
    stride: angle between the legs while walking.
    pointed: 0 (flat feet) to 1 (stretched feet).
  """

  hip: np.ndarray
  hip_break: np.ndarray
  knee: np.ndarray
  spine: np.ndarray
  apart: np.ndarray
  arms: np.ndarray
  elbow: np.ndarray
  crossed: np.ndarray
  stride: np.ndarray
  pointed: np.ndarray


def place_body(
  angles: BodyAngles, tilt: np.ndarray, facing: int, twist: np.ndarray
) -> np.ndarray:
  """Returns the positions of the joints relative to the centre of mass.

  Args:
    angles: of the joints.
    tilt: float64 [n], radians between upright and the body's long axis;
      positive where the head leans towards positive x.
    facing: +1 if the untwisted, upright body faces towards positive x, else
      -1.
    twist: float64 [n], radians about the long axis.

  Returns:
    float64 [n, 17, 3], metres, in the axes of `Camera`.
  """
  n = len(tilt)
  # In the body's own frame: (along the long axis, to the front, to the left).
  local = np.zeros((n, NUM_JOINTS, 3))
  trunk = 0.35 * angles.hip + angles.spine

  def along(start: str, end: str, angle: np.ndarray, length: float) -> None:
    """Puts `end` at an angle from hanging down towards the front."""
    i, j = INDEX[start], INDEX[end]
    local[:, j, 0] = local[:, i, 0] - length * np.cos(angle)
    local[:, j, 1] = local[:, i, 1] + length * np.sin(angle)

  # The pelvis is the origin.
  along('pelvis', 'neck', np.pi - trunk, TRUNK)
  nod = 0.5 * angles.spine
  along('neck', 'head', np.pi - trunk - nod, HEAD)
  for side, sign in (('left', 1.0), ('right', -1.0)):
    shoulder, hip = f'shoulder_{side}', f'hip_{side}'
    local[:, INDEX[shoulder]] = local[:, INDEX['neck']]
    local[:, INDEX[shoulder], 0] -= 0.05
    local[:, INDEX[shoulder], 2] = sign * _HALF_SHOULDERS
    local[:, INDEX[hip], 2] = sign * _HALF_HIPS

    wrapped = 2.6 if sign > 0 else 0.9
    arm = angles.arms + (wrapped - angles.arms) * angles.crossed
    arm = arm - sign * 0.8 * angles.stride - trunk
    elbow = angles.elbow + (1.7 - angles.elbow) * angles.crossed
    along(shoulder, f'elbow_{side}', arm, UPPER_ARM)
    along(f'elbow_{side}', f'wrist_{side}', arm + elbow, FOREARM)
    # Raised hands meet.
    raised = np.clip(angles.arms / np.pi, 0, 1)
    local[:, INDEX[f'elbow_{side}'], 2] = sign * (0.20 - 0.06 * raised)
    local[:, INDEX[f'wrist_{side}'], 2] = sign * (0.22 - 0.18 * raised)

    split = sign * (0.5 * angles.apart + angles.stride)
    leg = 0.65 * angles.hip + angles.hip_break + split
    along(hip, f'knee_{side}', leg, THIGH)
    shank = leg - angles.knee - 0.5 * np.abs(angles.stride)
    along(f'knee_{side}', f'ankle_{side}', shank, SHANK)
    foot = shank + 1.5 * (1 - angles.pointed) + 0.15
    along(f'ankle_{side}', f'toes_{side}', foot, FOOT)
    # Part of the opening goes sideways, so that every camera sees it.
    spread = sign * 0.5 * np.sin(0.5 * angles.apart)
    for joint, length in (
      ('knee', THIGH),
      ('ankle', THIGH + SHANK),
      ('toes', THIGH + SHANK + FOOT),
    ):
      local[:, INDEX[f'{joint}_{side}'], 2] = (
        sign * _HALF_HIPS * (1 - 0.4 * angles.pointed) + spread * length
      )

  local -= np.einsum('j,njc->nc', _MASS, local)[:, None]

  cos, sin = np.cos(tilt), np.sin(tilt)
  zero = np.zeros(n)
  up = np.stack([sin, cos, zero], axis=-1)
  front = facing * np.stack([cos, -sin, zero], axis=-1)
  # The left is where it is for a real body: up x front.
  across = np.array([0.0, 0.0, -float(facing)])
  cos_twist, sin_twist = np.cos(twist)[:, None], np.sin(twist)[:, None]
  twisted_front = cos_twist * front + sin_twist * across
  twisted_left = cos_twist * across - sin_twist * front
  axes = np.stack([up, twisted_front, twisted_left], axis=1)
  return local @ axes
