"""Parts of videos that are read a second time."""

import pathlib
from collections.abc import Callable, Iterator

from aqa_jax.judging.video import VideoFrame


class VideoParts:
  """Reads parts of videos: those of one video in one pass, where they can be.

  Each part of a long video would else be read from the video's beginning.
  """

  def __init__(
    self, open_video: Callable[[pathlib.Path], Iterator[VideoFrame]]
  ):
    """Reads nothing yet.

    Args:
      open_video: returns all frames of a video, in the order of time.
    """
    self._open = open_video
    self._path: pathlib.Path | None = None
    self._frames: Iterator[VideoFrame] = iter(())
    self._next = 1

  def part(
    self, path: pathlib.Path, first: int, last: int
  ) -> Iterator[VideoFrame]:
    """Yields the frames of a part; to be consumed before the next part is.

    Args:
      path: of the video.
      first: number of the first frame, from 1.
      last: number of the last frame.

    Raises:
      InputError: the video can't be read.
    """
    if path != self._path or first < self._next:
      self._path, self._frames, self._next = path, self._open(path), 1
    try:
      for frame in self._frames:
        self._next = frame.number + 1
        if frame.number >= first:
          yield frame
        if frame.number >= last:
          return
    except BaseException:
      self._path = None  # There are no more frames after an error.
      raise
