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
