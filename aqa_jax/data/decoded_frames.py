"""Frames of a dive, decoded and cropped, that are kept in memory."""

import dataclasses

import numpy as np

from aqa_jax.data.batches import Row
from aqa_jax.data.encoded_frames import DecodeError


@dataclasses.dataclass(frozen=True)
class DecodedFrames:
  """The frames of one dive, in place of its JPEG files.

  Attributes:
    num_stored: how many frames the dataset stores of the dive.
    offsets: int [kept], sorted: which frames of the window are kept.
    crops: uint8 [kept, crop, crop, 3]; None if they are on the device.
    first_row: where they begin among the frames of all dives, one a row.
    damaged: bool [kept], those that can't be decoded.
    dive: name of the dive, for errors.
  """

  num_stored: int
  offsets: np.ndarray
  crops: np.ndarray | None
  first_row: int
  damaged: np.ndarray
  dive: str

  def __len__(self) -> int:
    return self.num_stored

  def read(self, offsets: np.ndarray) -> Row:
    """Returns frames for a batch.

    Args:
      offsets: int [frames], sorted: which frames of the window.

    Returns:
      video: uint8 [frames, crop, crop, 3], a view where they follow each
        other; or, for frames on the device,
      video_rows: int32 [frames], their rows there; see `DeviceFrames`.

    Raises:
      DecodeError: one of them can't be decoded.
    """
    places = np.searchsorted(self.offsets, offsets)
    if self.damaged[places].any():
      raise DecodeError(self.dive)
    if self.crops is None:
      return {'video_rows': (self.first_row + places).astype(np.int32)}
    first, last = int(places[0]), int(places[-1])
    if last - first + 1 == len(places):
      return {'video': self.crops[first : last + 1]}
    return {'video': self.crops[places]}
