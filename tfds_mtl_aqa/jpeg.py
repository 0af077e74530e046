"""Images to JPEG."""

import cv2
import numpy as np


def encode(image: np.ndarray, quality: int) -> bytes:
  """Compresses an image, with half the resolution for colours (4:2:0).

  Args:
    image: uint8 [height, width, 3], RGB.
    quality: 0 to 100.

  Returns:
    The content of a JPEG file; the same for the same image and OpenCV.

  Raises:
    RuntimeError, cv2.error: OpenCV can't encode the image.
  """
  return encode_bgr(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)


def encode_bgr(image: np.ndarray, quality: int) -> bytes:
  """Does the same with the channels in OpenCV's order.

  Args:
    image: uint8 [height, width, 3], BGR.
    quality: 0 to 100.

  Raises:
    RuntimeError, cv2.error: OpenCV can't encode the image.
  """
  done, data = cv2.imencode(
    '.jpg',
    image,
    [
      cv2.IMWRITE_JPEG_QUALITY,
      quality,
      cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
      cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ],
  )
  if not done:
    raise RuntimeError(f'OpenCV cannot encode an image of {image.shape}.')
  return data.tobytes()


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
  """Returns an image, made smaller where its longer side is above `side`.

  Args:
    image: uint8 [height, width, 3].
    side: pixels, 1 or more.
  """
  height, width = image.shape[:2]
  scale = side / max(height, width)
  if scale >= 1:
    return image
  size = max(round(width * scale), 1), max(round(height * scale), 1)
  return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
