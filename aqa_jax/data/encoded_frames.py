"""Stored frames of videos: JPEG files, until they are decoded."""

from collections.abc import Sequence
from typing import overload

import cv2
import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa.input_error import InputError


class EncodedFrames(tfds.decode.SkipDecoding):
  """Leaves the frames of a video as JPEG, so that only those used are decoded.

  TFDS's own decoder of that kind lacks the method for sequences.
  """

  def decode_batch_example_np(
    self, serialized_example: Sequence[bytes]
  ) -> list[bytes]:
    """Returns the JPEG files as they are stored."""
    return list(serialized_example)


def encoded_video() -> dict[str, EncodedFrames]:
  """Returns the decoders that leave the feature `video` as JPEG files."""
  # TFDS gives no types to the decoder's parameters; it takes none.
  return {'video': EncodedFrames()}  # type: ignore[no-untyped-call]


class DecodeError(InputError):
  """The stored frames of a dive can't be read.

  Attributes:
    name: name of the dive or the record.
    reason: what is wrong, a sentence.
  """

  def __init__(self, name: str, reason: str = 'a stored frame is no JPEG.'):
    """Makes the message, which says what to do."""
    self.name = name
    self.reason = reason
    super().__init__(
      f'{name}: {self.reason} Remove the prepared dataset and prepare it again.'
    )


def decode_frame(data: bytes, owner: str) -> np.ndarray:
  """Decodes a frame that `EncodedFrames` has left as it is stored.

  Args:
    data: bytes of a JPEG file.
    owner: dive or video of the frame, for the error.

  Returns:
    uint8 [height, width, 3], RGB.

  Raises:
    DecodeError: it is no JPEG file.
  """
  frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
  if frame is None:
    raise DecodeError(owner)
  return frame


class DamagedFrames(Sequence[bytes]):
  """The frames of a record that can't be read: taking one raises DecodeError.

  So the error comes where the frames are decoded, as for a damaged JPEG file.
  """

  def __init__(self, name: str, reason: str):
    self._name = name
    self._reason = reason

  def __len__(self) -> int:
    raise DecodeError(self._name, self._reason)

  @overload
  def __getitem__(self, index: int) -> bytes: ...

  @overload
  def __getitem__(self, index: slice) -> Sequence[bytes]: ...

  def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
    raise DecodeError(self._name, self._reason)
