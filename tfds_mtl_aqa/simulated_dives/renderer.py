"""Draws a simulated dive with OpenCV: the diver in front of the venue."""

import cv2
import numpy as np

from tfds_mtl_aqa import jpeg
from tfds_mtl_aqa.simulated_dives import motion
from tfds_mtl_aqa.simulated_dives.body import INDEX
from tfds_mtl_aqa.simulated_dives.camera import Camera
from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive
from tfds_mtl_aqa.simulated_dives.drawing import ONE, SHIFT, shade
from tfds_mtl_aqa.simulated_dives.events import Colour
from tfds_mtl_aqa.simulated_dives.splash import SplashPainter
from tfds_mtl_aqa.simulated_dives.venue import Venue

# Frames of fewer rows are drawn larger, and then reduced by averaging.
_MIN_DRAWN_HEIGHT = 96
_JPEG_QUALITY = 92

# The strokes of a limb: the joints along each, and its width in metres.
_Limb = tuple[tuple[tuple[str, ...], float], ...]
_LEG: _Limb = ((('hip', 'knee'), 0.165), (('knee', 'ankle', 'toes'), 0.115))
_ARM: _Limb = ((('shoulder', 'elbow', 'wrist'), 0.105),)
_HEAD_RADIUS = 0.13
_TRUNK_WIDTH = 0.22
_HIP_WIDTH = 0.2
_HAIR: Colour = (48, 34, 28)


def render_dive(
  dive: SimulatedDive, width: int | None = None, height: int | None = None
) -> np.ndarray:
  """Returns the stored frames of a dive.

  Args:
    dive: what to draw.
    width: of a frame, pixels; None for that of the dive's configuration.
    height: of a frame, pixels; None for that of the dive's configuration.

  Returns:
    uint8 [num_frames, height, width, 3], RGB.
  """
  width = width or dive.config.width
  height = height or dive.config.height
  finer = oversampling(height)
  return render_motion(
    dive,
    dive.frame_times,
    dive.joints,
    dive.camera(width * finer, height * finer),
    (width, height),
  )


def oversampling(height: int) -> int:
  """Returns how many times larger frames of a height in pixels are drawn."""
  return -(-_MIN_DRAWN_HEIGHT // height)


def render_motion(
  dive: SimulatedDive,
  times: np.ndarray,
  joints: np.ndarray,
  camera: Camera,
  size: tuple[int, int],
) -> np.ndarray:
  """Returns frames of a diver at any times.

  Args:
    dive: whose diver, venue and splash to draw.
    times: float64 [n], seconds from take-off.
    joints: float64 [n, 17, 3], positions of the joints at these times, metres.
    camera: that films these times; its frames are `oversampling` times larger
      than `size`.
    size: (width, height) of a frame, pixels.

  Returns:
    uint8 [n, height, width, 3], RGB.
  """
  width, height = size
  venue = Venue.of_event(camera.event, camera.pixels_per_metre)
  diver = _DiverPainter(dive, joints, camera)
  splash = SplashPainter(dive, camera)
  board_tips = motion.board_tip(dive.flight, times)
  since_entry = times - dive.flight.seconds
  frames = np.empty((len(times), height, width, 3), np.uint8)
  for i, seconds in enumerate(since_entry):
    image = venue.draw(camera, i, float(board_tips[i]))
    line = max(venue.water_line(camera, i), 0)
    water = image[line:].copy()
    diver.draw(image, i)
    image[line:] = water
    if seconds > 0:
      splash.draw(image, i, float(seconds))
    if camera.height > height:
      image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    frames[i] = image
  return frames


def encode_frames(frames: np.ndarray) -> list[bytes]:
  """Returns the JPEG file of each frame.

  Args:
    frames: uint8 [num_frames, height, width, 3], RGB.
  """
  return [jpeg.encode(frame, _JPEG_QUALITY) for frame in frames]


def _mix(first: Colour, second: Colour, share: float) -> Colour:
  """Returns `first` with a share (0..1) of `second`."""
  red, green, blue = (
    int(a + share * (b - a)) for a, b in zip(first, second, strict=True)
  )
  return red, green, blue


class _DiverPainter:
  """Draws the diver of one dive, frame by frame."""

  def __init__(self, dive: SimulatedDive, joints: np.ndarray, camera: Camera):
    self._dive = dive
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
    """Draws the diver of frame i."""
    near, far = 'left', 'right'
    if not self._left_is_near[i]:
      near, far = far, near
    skin = self._dive.skin
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
    suit, skin = self._dive.suit, self._dive.skin
    # The suit covers the front; its back is low-cut.
    bare = min(max(0.15 - 0.6 * self._front_to_camera[i], 0.0), 1.0)
    colour = _mix(suit, skin, bare)
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
    (hair, face), skin = self._head[i], self._dive.skin
    cv2.circle(image, face, radius, skin, -1, cv2.LINE_AA, SHIFT)
    radius = round(0.85 * radius)
    cv2.circle(image, hair, radius, _HAIR, -1, cv2.LINE_AA, SHIFT)
