"""Draws an athlete with OpenCV."""

import cv2
import numpy as np

from tfds_mtl_aqa.simulation.body import INDEX
from tfds_mtl_aqa.simulation.camera import Camera
from tfds_mtl_aqa.simulation.drawing import ONE, SHIFT, Colour, mix, shade

SKINS: tuple[Colour, ...] = (
  (236, 198, 170),
  (224, 178, 144),
  (206, 156, 118),
  (190, 138, 100),
  (164, 114, 80),
)
# The strokes of a limb: the joints along each, and its width in metres.
_Limb = tuple[tuple[tuple[str, ...], float], ...]
_LEG: _Limb = ((('hip', 'knee'), 0.165), (('knee', 'ankle', 'toes'), 0.115))
_ARM: _Limb = ((('shoulder', 'elbow', 'wrist'), 0.105),)
_HEAD_RADIUS = 0.13
_TRUNK_WIDTH = 0.22
_HIP_WIDTH = 0.2
_HAIR: Colour = (48, 34, 28)


class AthletePainter:
  """Draws one athlete, frame by frame."""

  def __init__(
    self, joints: np.ndarray, camera: Camera, skin: Colour, suit: Colour
  ):
    """Prepares the strokes of all frames.

    Args:
      joints: float64 [n, 17, 3], positions of the joints, metres.
      camera: that films these n instants.
      skin: colour.
      suit: colour.
    """
    self._skin = skin
    self._suit = suit
    self._joints = joints
    self._scale = camera.pixels_per_metre
    up = joints[:, INDEX['neck']] - joints[:, INDEX['pelvis']]
    up = up / np.linalg.norm(up, axis=-1, keepdims=True)
    left = (
      joints[:, INDEX['shoulder_left']] - joints[:, INDEX['shoulder_right']]
    )
    front = np.cross(left, up)
    front /= np.linalg.norm(front, axis=-1, keepdims=True)
    self._front_to_camera = (camera.right * front[:, 2]).tolist()
    self._left_is_near = (camera.right * left[:, 2] > 0).tolist()

    self._strokes = {
      (limb, side): [
        (fixed_path, max(1, round(width * self._scale)))
        for names, width in limb
        for fixed_path in [
          self._fixed(camera, [INDEX[f'{name}_{side}'] for name in names])
        ]
      ]
      for limb in (_ARM, _LEG)
      for side in ('left', 'right')
    }
    trunk = ('shoulder_left', 'shoulder_right', 'hip_right', 'hip_left')
    self._trunk = self._fixed(camera, [INDEX[name] for name in trunk])
    self._spine = self._fixed(camera, [INDEX['neck'], INDEX['pelvis']])
    head = joints[:, INDEX['head']]
    hair = head + 0.055 * up - 0.05 * front
    face = head + 0.03 * front
    marks = np.stack([hair, face], axis=1)
    self._head = np.round(camera.project(marks) * ONE).astype(int).tolist()

  def _fixed(self, camera: Camera, indices: list[int]) -> np.ndarray:
    """Returns the paths along some joints, int32 [n, k, 2], 1/16 pixels."""
    pixels = camera.project(self._joints[:, indices])
    return np.ascontiguousarray(np.round(pixels * ONE), np.int32)

  def draw(self, image: np.ndarray, i: int) -> None:
    """Draws the athlete of frame i."""
    near, far = 'left', 'right'
    if not self._left_is_near[i]:
      near, far = far, near
    skin = self._skin
    self._draw_limb(image, i, (_ARM, far), shade(skin, 0.72))
    self._draw_limb(image, i, (_LEG, far), shade(skin, 0.72))
    self._draw_trunk(image, i)
    self._draw_head(image, i)
    self._draw_limb(image, i, (_LEG, near), skin)
    self._draw_limb(image, i, (_ARM, near), skin)

  def _draw_limb(
    self, image: np.ndarray, i: int, limb: tuple[_Limb, str], colour: Colour
  ) -> None:
    for path, thickness in self._strokes[limb]:
      cv2.polylines(
        image, [path[i]], False, colour, thickness, cv2.LINE_AA, SHIFT
      )

  def _draw_trunk(self, image: np.ndarray, i: int) -> None:
    suit, skin = self._suit, self._skin
    # The suit covers the front; its back is low-cut.
    bare = min(max(0.15 - 0.6 * self._front_to_camera[i], 0.0), 1.0)
    colour = mix(suit, skin, bare)
    corners = self._trunk[i]
    thickness = round(_TRUNK_WIDTH * self._scale)
    cv2.polylines(
      image, [self._spine[i]], False, colour, thickness, cv2.LINE_AA, SHIFT
    )
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, SHIFT)
    thickness = round(_HIP_WIDTH * self._scale)
    cv2.polylines(
      image, [corners[2:]], False, suit, thickness, cv2.LINE_AA, SHIFT
    )

  def _draw_head(self, image: np.ndarray, i: int) -> None:
    radius = round(_HEAD_RADIUS * self._scale * ONE)
    (hair, face), skin = self._head[i], self._skin
    cv2.circle(image, face, radius, skin, -1, cv2.LINE_AA, SHIFT)
    radius = round(0.85 * radius)
    cv2.circle(image, hair, radius, _HAIR, -1, cv2.LINE_AA, SHIFT)
