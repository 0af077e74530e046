"""Frames of a video file by their number."""

import dataclasses
import fractions
import pathlib
from collections.abc import Iterator

import av
import numpy as np

from tfds_mtl_aqa import input_error

# How far before a frame to start decoding, in frames; each is tried when the
# one before it landed too late. The last goes back to the start of any file.
_RUN_UPS = (0, 50, 1000, 1 << 40)


@dataclasses.dataclass(frozen=True)
class VideoFile:
  """A video of constant frame rate, in which frame k has a known time.

  Attributes:
    path: of the file.
    num_frames: frames in the video stream.
    first_time: of frame 0, in units of the stream's time base.
    interval: between frames, in the same units.
  """

  path: pathlib.Path
  num_frames: int
  first_time: int
  interval: fractions.Fraction

  def read(self, first: int, count: int) -> list[np.ndarray]:
    """Decodes consecutive frames.

    Args:
      first: the first frame, counted from 0.
      count: how many.

    Returns:
      `count` frames, uint8 [height, width, 3], BGR.

    Raises:
      InputError: the file is damaged, or its times are not regular.
    """
    frames: list[np.ndarray] = []
    try:
      for index, frame in self._numbered(first):
        if index != first + len(frames):
          raise input_error.InputError(
            f'{self.path}: frame {index + 1} follows frame '
            f'{first + len(frames)}; the file is damaged or of variable '
            f'frame rate. {extract_advice(self.path)}'
          )
        if frame.is_corrupt:
          break
        frames.append(frame.to_ndarray(format='bgr24'))
        if len(frames) == count:
          break
    except (av.FFmpegError, OSError) as e:
      if not frames:
        raise _unreadable(self.path, e) from e
    if len(frames) < count:
      raise input_error.InputError(
        f'{self.path}: can be decoded up to frame {first + len(frames)} only, '
        f'frames {first + 1} to {first + count} are needed; the file is '
        'truncated or damaged, get it again.'
      )
    return frames

  def _numbered(self, first: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yields (index, frame) from frame `first` on."""
    for run_up in _RUN_UPS:
      start = max(first - run_up, 0)
      with av.open(str(self.path)) as container:
        stream = container.streams.video[0]
        if start:
          time = int(self.first_time + start * self.interval)
          container.seek(time, stream=stream)
        decoded = (
          (self._index(frame), frame) for frame in container.decode(stream)
        )
        for index, frame in decoded:
          if index > first:
            break  # The container has no key frame where it says.
          if index == first:
            yield index, frame
            yield from decoded
            return
      if not start:
        return

  def _index(self, frame: av.VideoFrame) -> int:
    time = frame.pts if frame.pts is not None else frame.dts
    if time is None:
      raise input_error.InputError(
        f'{self.path}: has frames without a time, so that they cannot be '
        f'numbered. {extract_advice(self.path)}'
      )
    return round((time - self.first_time) / self.interval)


def probe(path: pathlib.Path, check_rate: bool = True) -> VideoFile:
  """Counts and numbers the frames of a video without decoding them.

  Args:
    path: of the file.
    check_rate: whether to refuse a variable frame rate. Annotations count the
      frames of the event's video as ffmpeg extracts them, which repeats or
      drops frames of a variable rate.

  Raises:
    InputError: the file is not a video or, with `check_rate`, of variable rate.
  """
  try:
    with av.open(str(path)) as container:
      if not container.streams.video:
        raise input_error.InputError(f'{path}: has no video stream.')
      stream = container.streams.video[0]
      times = _packet_times(container, stream)
      first_time = min(times) if times else 0
      if stream.start_time is not None:
        first_time = stream.start_time
  except (av.FFmpegError, OSError) as e:
    raise _unreadable(path, e) from e
  if not times:
    raise input_error.InputError(
      f'{path}: has no frames; the file is damaged, get it again.'
    )
  deltas = np.diff(np.sort(np.asarray(times, np.int64)))
  if len(deltas) and check_rate:
    usual = float(np.median(deltas))
    # Containers with coarse times round them; a frame left out doubles one.
    odd = np.flatnonzero(np.abs(deltas - usual) > 0.5 * usual)
    if len(odd) or abs(deltas.mean() / usual - 1) > 0.02:
      where = int(odd[0]) + 1 if len(odd) else 1
      raise input_error.InputError(
        f'{path}: has a variable frame rate (frames {where} and {where + 1} '
        f'are {deltas[where - 1] / usual:.2f} usual intervals apart), so that '
        'its frames cannot be numbered as in the annotations. '
        f'{extract_advice(path)}'
      )
  return VideoFile(
    path=path,
    num_frames=len(times),
    first_time=first_time,
    interval=fractions.Fraction(int(deltas.sum()), len(deltas))
    if len(deltas) and deltas.sum()
    else fractions.Fraction(1),
  )


def extract_advice(path: pathlib.Path) -> str:
  """Returns how to turn a video into a folder of numbered frames."""
  folder = f'whole_videos_frames/{path.stem}'
  return (
    f'Extract its frames into the manual_dir instead: mkdir -p {folder} && '
    f'ffmpeg -i {path} -q:v 2 {folder}/%06d.jpg'
  )


def _packet_times(
  container: av.container.InputContainer, stream: av.VideoStream
) -> list[int]:
  """Returns the time of every frame, in the order of the file."""
  entries = stream.index_entries
  # MP4 and AVI list every frame; Matroska lists key frames only.
  if len(entries) > 1 and len(entries) == stream.frames:
    return [entry.timestamp for entry in entries if entry.size]
  times = []
  for packet in container.demux(stream):
    time = packet.pts if packet.pts is not None else packet.dts
    if time is not None and packet.size:
      times.append(time)
  return times


def _unreadable(path: pathlib.Path, error: Exception) -> input_error.InputError:
  reason = getattr(error, 'strerror', None) or type(error).__name__
  return input_error.InputError(
    f'{path}: cannot be read as a video ({reason}); the file is truncated or '
    'damaged, get it again.'
  )
