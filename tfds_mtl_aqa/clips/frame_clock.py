"""Numbers the frames of a video as ffmpeg does.

The annotations count the frames that ffmpeg extracts as numbered images. ffmpeg
numbers frames by their time: it repeats and drops frames so that they come at a
constant rate from the start of the file, whichever stream starts first.
"""

import dataclasses
import fractions
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import av
import numpy as np

# How many frames are decoded to find out whether their times can be used.
_PROBED_FRAMES = 5
# In these formats ffmpeg counts from the first frame, even if the sound starts
# earlier.
_TRANSPORT_FORMATS = ('mpegts', 'mpeg')
# ffmpeg drops a frame that is this early or earlier, in frames. It repeats one
# that is half a frame late.
_EARLIEST = -2
# A frame may be stored this many places before its turn to be shown.
_MAX_REORDERED = 16


@dataclasses.dataclass(frozen=True)
class FrameClock:
  """Turns times of a video into numbers of frames.

  Attributes:
    attribute: the time of a decoded frame to use: 'pts'; 'dts', which differs
      from it by the same time in every frame; or '' to count frames instead.
    first_time: time of frame 0, in units of the stream's time base.
    interval: time between frames, in the same units.
  """

  attribute: str
  first_time: int
  interval: fractions.Fraction

  def number(
    self, frames: Iterable[av.VideoFrame], from_start: bool
  ) -> Iterator[tuple[int | None, av.VideoFrame]]:
    """Yields (index, frame); the index is None where it is not known.

    Once an index is known, those of all later frames are.

    Args:
      frames: decoded, in order.
      from_start: whether they begin with the first frame of the file, and not
        after a seek.
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
    times: of all frames, in any order, in units of the stream's time base.
    is_avi: whether the file is an AVI. AVI stores no times at which to show
      frames, and those that libav computes are wrong around B-frames.

  Raises:
    av.FFmpegError: no frame can be decoded.
  """
  probed: list[av.VideoFrame] = []
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
    # The last frames of a file may have no packet of their own, so no time.
    known = [time for time in found if time is not None]
    if (
      known
      and found[: len(known)] == known
      and all(a < b for a, b in itertools.pairwise(known))
    ):
      return FrameClock(attribute, known[0], interval)
  return in_order()


def in_order() -> FrameClock:
  """Returns the clock that counts frames from the start of the file."""
  return FrameClock('', 0, fractions.Fraction(1))


def shown_times(stream: av.VideoStream) -> list[int]:
  """Returns the times of all frames that are shown, in the order of the file.

  An edit list may hide frames that are needed only to decode others.

  Args:
    stream: of an open file.

  Returns:
    Times in units of the stream's time base.
  """
  # MP4 and AVI list all frames; Matroska lists key frames only. The times are
  # those for decoding: they have gaps where frames between them are hidden.
  if len(stream.index_entries) > 1 and (
    len(stream.index_entries) == stream.frames
  ):
    entries = list(stream.index_entries)
    if not any(entry.is_discard for entry in entries):
      return [entry.timestamp for entry in entries if entry.size]
  times = []
  # The stream may have been read already: start again.
  with av.open(stream.container.name) as container:
    for packet in container.demux(container.streams[stream.index]):
      time = packet.pts if packet.pts is not None else packet.dts
      if time is not None and packet.size and not packet.is_discard:
        times.append(time)
  return times


def irregularity(
  times: Sequence[int],
  seconds: fractions.Fraction,
  rate: fractions.Fraction | None,
) -> str:
  """Returns why frames do not come at a constant rate; '' where they do.

  Args:
    times: of the frames, in any order.
    seconds: length of one unit of `times`.
    rate: frames per second that ffmpeg extracts; None where it is not known.
  """
  ordered = np.sort(np.asarray(times, np.int64))
  deltas = np.diff(ordered)
  if not len(deltas):
    return ''
  usual = float(np.median(deltas))
  # Rounded times vary a little; a missing frame doubles an interval.
  odd = np.flatnonzero(np.abs(deltas - usual) > 0.5 * usual)
  if len(odd) or abs(deltas.mean() / usual - 1) > 0.02:
    where = int(odd[0]) + 1 if len(odd) else 1
    return (
      f'frames {where} and {where + 1} are {deltas[where - 1] / usual:.2f} '
      'usual intervals apart'
    )
  if not rate:
    return ''
  late = (ordered - ordered[0]) * float(seconds * rate)
  late -= np.arange(len(ordered))
  wrong = np.flatnonzero((late >= 0.5) | (late <= _EARLIEST))
  if len(wrong):
    return (
      f'it says {float(rate):.6g} frames a second, but has another rate from '
      f'frame {int(wrong[0]) + 1} on'
    )
  return ''


def without_ragged_end(times: Sequence[int]) -> list[int]:
  """Returns the times of a video, in ascending order, up to a gap near its end.

  A video that was cut without encoding may lack some of its last frames.

  Args:
    times: of all frames, in any order.
  """
  ordered = np.sort(np.asarray(times, np.int64))
  deltas = np.diff(ordered)
  if not len(deltas):
    return list(ordered.tolist())
  last = max(len(deltas) - _MAX_REORDERED, 1)
  gaps = np.flatnonzero(deltas[last:] > 1.5 * np.median(deltas))
  end = last + int(gaps[0]) + 1 if len(gaps) else None
  return list(ordered[:end].tolist())


def lead(
  container: av.container.InputContainer,
  stream: av.VideoStream,
  clock: FrameClock,
) -> int:
  """Returns how often ffmpeg repeats the first frame at the start.

  It does so where another stream, such as the sound, starts earlier.

  Args:
    container: the file.
    stream: its video.
    clock: of the video.
  """
  if (
    len(container.streams) == 1
    or container.format.name in _TRANSPORT_FORMATS
    or container.start_time is None
    or not stream.guessed_rate
    or stream.time_base is None
    or not clock.attribute
  ):
    return 0
  start = fractions.Fraction(container.start_time, av.time_base)
  seconds = clock.first_time * stream.time_base - start
  frames = seconds * stream.guessed_rate + fractions.Fraction(1, 2)
  return max(math.floor(frames), 0)
