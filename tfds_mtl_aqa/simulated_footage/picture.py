"""The size and the rate of footage."""

import dataclasses
from collections.abc import Iterable

import cv2
import numpy as np


@dataclasses.dataclass(frozen=True)
class Picture:
  """How the frames of a video are stored.

  Attributes:
    width: pixels.
    height: pixels.
    frames_per_second: of the video.
  """

  width: int
  height: int
  frames_per_second: float


def reduced(
  images: Iterable[np.ndarray], picture: Picture, count: int
) -> np.ndarray:
  """Returns images in the size of a picture.

  Args:
    images: uint8 [height, width, 3], of any size, read one by one.
    picture: tells the size.
    count: number of images.

  Returns:
    uint8 [count, picture.height, picture.width, 3].
  """
  frames = np.empty((count, picture.height, picture.width, 3), np.uint8)
  for frame, image in zip(frames, images, strict=True):
    frame[:] = cv2.resize(
      image, (picture.width, picture.height), interpolation=cv2.INTER_AREA
    )
  return frames
