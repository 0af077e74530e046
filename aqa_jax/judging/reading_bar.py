"""A progress bar for the reading of a long video."""

import sys
from typing import Any

import tqdm

# A shorter video has none.
_LONG_SECONDS = 30.0


class ReadingBar:
  """Shows how much of a long video is read."""

  def __init__(self, name: str):
    """Shows nothing yet.

    Args:
      name: of the video.
    """
    self._name = name
    self._bar: Any = None

  def __enter__(self) -> 'ReadingBar':
    """Returns it."""
    return self

  def __exit__(self, *error: object) -> None:
    """Removes the bar."""
    if self._bar is not None:
      self._bar.close()

  def update(self, seconds: float, total: float | None) -> None:
    """Shows that so many seconds of the video are read."""
    if self._bar is None:
      if (total or seconds) < _LONG_SECONDS or not sys.stderr.isatty():
        return
      self._bar = tqdm.tqdm(
        desc=self._name,
        total=total and round(total),
        unit='s',
        leave=False,
        file=sys.stderr,
        bar_format='{desc}: {percentage:3.0f}% of {total_fmt} s '
        '[{elapsed}<{remaining}]'
        if total
        else None,
      )
    self._bar.update(int(seconds) - self._bar.n)
