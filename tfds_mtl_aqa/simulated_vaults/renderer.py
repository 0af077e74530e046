"""Draws a simulated vault: the gymnast in front of the hall."""

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_vaults.hall import HallPainter
from tfds_mtl_aqa.simulated_vaults.motion import ground_height
from tfds_mtl_aqa.simulated_vaults.vault import SimulatedVault
from tfds_mtl_aqa.simulation.athlete import AthletePainter
from tfds_mtl_aqa.simulation.body import INDEX
from tfds_mtl_aqa.simulation.camera import Camera
from tfds_mtl_aqa.simulation.drawing import ONE, SHIFT
from tfds_mtl_aqa.simulation.frames import oversampling

# Half axes of the shadow, metres, and how dark it is.
_SHADOW = (0.38, 0.3)
_SHADOW_SHADE = 0.72


def render_vault(
  vault: SimulatedVault, width: int | None = None, height: int | None = None
) -> np.ndarray:
  """Returns the stored frames of a vault.

  Args:
    vault: what to draw.
    width: of a frame, pixels; None for that of the vault's configuration.
    height: of a frame, pixels; None for that of the vault's configuration.

  Returns:
    uint8 [num_frames, height, width, 3], RGB.
  """
  width = width or vault.config.width
  height = height or vault.config.height
  finer = oversampling(height)
  camera = vault.camera(width * finer, height * finer)
  hall = HallPainter(vault.event, camera, vault.vault.is_yurchenko)
  gymnast = AthletePainter(vault.joints, camera, vault.skin, vault.suit)
  shadows = _shadows(vault, camera)
  frames = np.empty((len(vault.frame_times), height, width, 3), np.uint8)
  for i, frame in enumerate(frames):
    image = hall.draw(i)
    _darken(image, shadows[i])
    gymnast.draw(image, i)
    if finer > 1:
      image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    frame[:] = image
  return frames


def _shadows(vault: SimulatedVault, camera: Camera) -> np.ndarray:
  """Returns the outlines of the shadows, int32 [n, 24, 2], 1/16 pixels."""
  middle = vault.joints[:, INDEX['pelvis']]
  angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
  outline = np.repeat(middle[:, None], len(angle), axis=1)
  outline[..., 0] += _SHADOW[0] * np.cos(angle)
  outline[..., 1] = ground_height(middle[:, 0])[:, None]
  outline[..., 2] += _SHADOW[1] * np.sin(angle)
  return np.round(camera.project(outline) * ONE).astype(np.int32)


def _darken(image: np.ndarray, outline: np.ndarray) -> None:
  """Makes what is inside of an outline darker."""
  low = np.maximum(outline.min(axis=0) // ONE - 1, 0)
  high = outline.max(axis=0) // ONE + 2
  part = image[low[1] : high[1], low[0] : high[0]]
  if not part.size:
    return
  inside = np.zeros(part.shape[:2], np.uint8)
  moved = outline - low * ONE
  cv2.fillPoly(inside, [moved.astype(np.int32)], 1, cv2.LINE_8, SHIFT)
  dark = inside.astype(bool)
  part[dark] = (part[dark] * _SHADOW_SHADE).astype(np.uint8)
