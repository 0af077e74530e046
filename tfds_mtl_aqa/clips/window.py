"""Which frames of a dive are stored."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tfds_mtl_aqa import features


class TooShort(Exception):
  """A source has too few frames; the text says how many are needed."""


class Window(Protocol):
  """Chooses frames of a dive."""

  @property
  def margin(self) -> int:
    """How many further frames are wanted on each side; not all are needed."""

  @property
  def num_stored(self) -> int | None:
    """How many frames are stored of each dive, margins among them.

    None where dives have different numbers.
    """

  def needed(self, first: int, last: int) -> Sequence[int]:
    """Returns the frames of an event that a dive needs, in order.

    Args:
      first: number of the dive's first frame in the event.
      last: number of its last.
    """

  def of_dive(self, num_frames: int) -> tuple[Sequence[int], tuple[int, int]]:
    """Returns the places of frames in a source of one dive, and the padding.

    Args:
      num_frames: of the source.

    Returns:
      Places from 0 on, margins among them; and how many frames of the two
      margins are lacking.

    Raises:
      TooShort: there are too few frames.
    """


@dataclasses.dataclass(frozen=True)
class EndWindow:
  """The 103 frames that end with the dive, with their margins.

  A window is told by its end, because the entry is there.
  """

  margin: int = features.MARGIN_FRAMES

  @property
  def num_stored(self) -> int:
    """See `Window`."""
    return features.WINDOW_FRAMES + 2 * self.margin

  def needed(self, first: int, last: int) -> Sequence[int]:
    """See `Window`."""
    del first  # Dives are cut at their heads.
    return range(last + 1 - features.WINDOW_FRAMES, last + 1)

  def of_dive(self, num_frames: int) -> tuple[Sequence[int], tuple[int, int]]:
    """See `Window`.

    103 frames are the window. 109 frames are the window and its margins. Of
    more frames the last 109 are taken. Of 104 to 108 frames, those beyond 103
    are split between the two margins.
    """
    margins = num_frames - features.WINDOW_FRAMES
    if margins < 0:
      raise TooShort(f'{features.WINDOW_FRAMES} are needed')
    margins = min(margins, 2 * self.margin)
    head = (margins + 1) // 2
    tail = margins - head
    first = num_frames - features.WINDOW_FRAMES - margins
    return range(first, num_frames), (self.margin - head, self.margin - tail)


@dataclasses.dataclass(frozen=True)
class EvenWindow:
  """A number of frames, evenly from the first of a dive to its last.

  Attributes:
    num_frames: at least 2. A shorter dive has some frames twice.
  """

  num_frames: int
  margin: int = 0

  @property
  def num_stored(self) -> int:
    """See `Window`."""
    return self.num_frames

  def needed(self, first: int, last: int) -> Sequence[int]:
    """See `Window`."""
    frames = np.linspace(first, last, self.num_frames).astype(int)
    return list(frames.tolist())

  def of_dive(self, num_frames: int) -> tuple[Sequence[int], tuple[int, int]]:
    """See `Window`."""
    return self.needed(0, num_frames - 1), (0, 0)


@dataclasses.dataclass(frozen=True)
class StartWindow:
  """The first frames of a dive: for clips of one length, made by the authors.

  Attributes:
    num_frames: how many.
  """

  num_frames: int
  margin: int = 0

  @property
  def num_stored(self) -> int:
    """See `Window`."""
    return self.num_frames

  def needed(self, first: int, last: int) -> Sequence[int]:
    """See `Window`."""
    del last
    return range(first, first + self.num_frames)

  def of_dive(self, num_frames: int) -> tuple[Sequence[int], tuple[int, int]]:
    """See `Window`."""
    if num_frames < self.num_frames:
      raise TooShort(f'{self.num_frames} are needed')
    return range(self.num_frames), (0, 0)


@dataclasses.dataclass(frozen=True)
class StrideWindow:
  """Every n-th frame of a dive, from its first on.

  Attributes:
    stride: frames from one that is taken to the next.
  """

  stride: int
  margin: int = 0

  @property
  def num_stored(self) -> None:
    """See `Window`."""

  def needed(self, first: int, last: int) -> Sequence[int]:
    """See `Window`."""
    return range(first, last + 1, self.stride)

  def of_dive(self, num_frames: int) -> tuple[Sequence[int], tuple[int, int]]:
    """See `Window`."""
    return self.needed(0, num_frames - 1), (0, 0)
