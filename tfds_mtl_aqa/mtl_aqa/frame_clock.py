"""Which frame of a video has which number, as ffmpeg counts them.

The annotations count the frames that ffmpeg extracts as numbered images. Its
numbers are times: it repeats or leaves out frames so that they come at a
constant rate from the beginning of the file, whichever stream begins it.
"""

import dataclasses
import fractions
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import av
import numpy as np

# How many frames tell whether times can be relied on.
_PROBED_FRAMES = 5
# They begin with the picture, whatever begins first in them.
_TRANSPORT_FORMATS = ('mpegts', 'mpeg')
# How early a frame may be before ffmpeg leaves it out, in frames. One that is
# half a frame late is repeated.
_EARLIEST = -2
# How many frames may be shown before one that is stored before them.
_MAX_REORDERED = 16


@dataclasses.dataclass(frozen=True)
class FrameClock:
  """Tells the frames of a video by their times.

  Attributes:
    attribute: of the decoded frames that counts: 'pts'; 'dts', which is late by
      the same time in every frame; or '' where only the order counts.
    first_time: of frame 0, in units of the stream's time base.
    interval: between frames, in the same units.
  """

  attribute: str
  first_time: int
  interval: fractions.Fraction

  def number(
    self, frames: Iterable[av.VideoFrame], from_start: bool
  ) -> Iterator[tuple[int | None, av.VideoFrame]]:
    """Yields (index, frame), the index None where it can not be told.

    Args:
      frames: decoded, in order.
      from_start: whether they are all frames, not those after a seek.
    """
    index = -1 if from_start else None
    for frame in frames:
      time = getattr(frame, self.attribute) if self.attribute else None
      if time is not None:
        index = round((time - self.first_time) / self.interval)
      elif index is not None:
        index += 1
      yield index, frame


def read_clock(
  frames: Iterable[av.VideoFrame], times: Sequence[int], is_avi: bool
) -> FrameClock:
  """Returns the clock of a video.

  Args:
    frames: decoded from the start.
    times: of all frames, in any order.
    is_avi: whether the file is an AVI, which keeps no times to show frames at:
      those that libav makes up are wrong around B-frames.
  """
  probed = []
  try:
    probed.extend(itertools.islice(frames, _PROBED_FRAMES))
  except av.FFmpegError:
    if not probed:
      raise
  attributes = ('dts', 'pts') if is_avi else ('pts', 'dts')
  span = max(times) - min(times)
  interval = fractions.Fraction(span or 1, max(len(times) - 1, 1))
  for attribute in attributes:
    found = [getattr(frame, attribute) for frame in probed]
    # The last frames of a file may come without a packet of their own.
    known = [time for time in found if time is not None]
    if (
      known
      and found[: len(known)] == known
      and all(a < b for a, b in itertools.pairwise(known))
    ):
      return FrameClock(attribute, known[0], interval)
  return in_order()


def in_order() -> FrameClock:
  """Returns the clock that counts every frame from the start."""
  return FrameClock('', 0, fractions.Fraction(1))


def shown_times(stream: av.VideoStream) -> list[int]:
  """Returns the times of all frames that are shown, in the file's order.

  An edit list hides frames that others are made from.
  """
  entries = stream.index_entries
  # MP4 and AVI list every frame; Matroska lists key frames only. The times are
  # those to decode at: they have gaps where frames between them are hidden.
  if len(entries) > 1 and len(entries) == stream.frames:
    entries = list(entries)
    if not any(entry.is_discard for entry in entries):
      return [entry.timestamp for entry in entries if entry.size]
  times = []
  # Anew, from the start.
  with av.open(stream.container.name) as container:
    for packet in container.demux(container.streams[stream.index]):
      time = packet.pts if packet.pts is not None else packet.dts
      if time is not None and packet.size and not packet.is_discard:
        times.append(time)
  return times


def irregularity(
  times: Sequence[int], seconds: fractions.Fraction, rate: float | None
) -> str:
  """Returns why frames do not come at a constant rate; '' where they do.

  Args:
    times: of the frames, in any order.
    seconds: that one unit of them takes.
    rate: frames a second that ffmpeg extracts; None where it is not known.
  """
  times = np.sort(np.asarray(times, np.int64))
  deltas = np.diff(times)
  if not len(deltas):
    return ''
  usual = float(np.median(deltas))
  # Containers with coarse times round them; a frame left out doubles one.
  odd = np.flatnonzero(np.abs(deltas - usual) > 0.5 * usual)
  if len(odd) or abs(deltas.mean() / usual - 1) > 0.02:
    where = int(odd[0]) + 1 if len(odd) else 1
    return (
      f'frames {where} and {where + 1} are {deltas[where - 1] / usual:.2f} '
      'usual intervals apart'
    )
  if not rate:
    return ''
  late = (times - times[0]) * float(seconds * rate) - np.arange(len(times))
  wrong = np.flatnonzero((late >= 0.5) | (late <= _EARLIEST))
  if len(wrong):
    return (
      f'it says {float(rate):.6g} frames a second, but from frame '
      f'{int(wrong[0]) + 1} on another rate shows'
    )
  return ''


def without_ragged_end(times: Sequence[int]) -> list[int]:
  """Returns the times of a video up to the gap that cutting has left.

  Cut without encoding, it lacks frames between its last ones.
  """
  times = np.sort(np.asarray(times, np.int64))
  deltas = np.diff(times)
  if not len(deltas):
    return times.tolist()
  last = max(len(deltas) - _MAX_REORDERED, 1)
  gaps = np.flatnonzero(deltas[last:] > 1.5 * np.median(deltas))
  return times[: last + int(gaps[0]) + 1 if len(gaps) else None].tolist()


def lead(
  container: av.container.InputContainer,
  stream: av.VideoStream,
  clock: FrameClock,
) -> int:
  """Returns how often ffmpeg repeats the first frame before it.

  It does so where another stream, such as the sound, begins earlier.

  Args:
    container: the file.
    stream: its video.
    clock: of it.
  """
  if (
    len(container.streams) == 1
    or container.format.name in _TRANSPORT_FORMATS
    or container.start_time is None
    or not stream.guessed_rate
    or not clock.attribute
  ):
    return 0
  start = fractions.Fraction(container.start_time, av.time_base)
  seconds = clock.first_time * stream.time_base - start
  frames = seconds * stream.guessed_rate + fractions.Fraction(1, 2)
  return max(math.floor(frames), 0)
