"""The stored frames: how large they are drawn, and their files."""

import numpy as np

from tfds_mtl_aqa import jpeg

# Frames of fewer rows are drawn larger, and then reduced by averaging.
_MIN_DRAWN_HEIGHT = 96
_JPEG_QUALITY = 92


def oversampling(height: int) -> int:
  """Returns how many times larger frames of a height in pixels are drawn."""
  return -(-_MIN_DRAWN_HEIGHT // height)


def encode_frames(frames: np.ndarray) -> list[bytes]:
  """Returns the JPEG file of each frame.

  Args:
    frames: uint8 [num_frames, height, width, 3], RGB.
  """
  return [jpeg.encode(frame, _JPEG_QUALITY) for frame in frames]
