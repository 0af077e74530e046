"""Frames of a video file by their number."""

import dataclasses
import pathlib
import shlex
from collections.abc import Iterator

import av
import numpy as np

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.mtl_aqa import frame_clock, orientation

# How far before a frame to start decoding, in frames; each is tried when the
# one before it landed too late. The last goes back to the start of any file.
_RUN_UPS = (0, 50, 1000, 1 << 40)
# More frames than can be missing at the beginning of a cut AVI.
_CHECKED_AT_END = 50


class UnreadableError(input_error.InputError):
  """A file is there, but it is no video, or a damaged one."""


@dataclasses.dataclass(frozen=True)
class VideoFile:
  """A video, its frames numbered as ffmpeg numbers those that it extracts.

  Attributes:
    path: of the file.
    num_frames: frames that are shown, with the repeated ones.
    clock: tells the frames in the file.
    lead: how often the first frame is repeated before it, because the sound
      begins earlier.
    folder: for the frames, should they have to be extracted.
    is_strict: whether frames that are not regular are an error; otherwise they
      are taken in their order.
  """

  path: pathlib.Path
  num_frames: int
  clock: frame_clock.FrameClock
  lead: int
  folder: str
  is_strict: bool

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
    wanted = [max(first + k - self.lead, 0) for k in range(count)]
    frames = self._decode(wanted[0], wanted[-1] - wanted[0] + 1)
    return [frames[index - wanted[0]] for index in wanted]

  def count_to_end(self) -> int:
    """Returns how many frames the file shows, by decoding the last ones.

    The first frames of a cut AVI may be such as can't be decoded, which nothing
    in it tells.
    """
    count = self.num_frames - self.lead
    last = self._numbered(max(count - _CHECKED_AT_END, 0))
    try:
      return max((index + 1 for index, _ in last), default=count)
    except av.FFmpegError:  # Told where a damaged frame is needed.
      return count

  def _decode(self, first: int, count: int) -> list[np.ndarray]:
    """Returns frames by their place in the file."""
    frames: list[np.ndarray] = []
    number = first + self.lead + 1
    try:
      for index, frame in self._numbered(first):
        if index != first + len(frames):
          if not self.is_strict and self.clock.attribute:
            in_order = dataclasses.replace(self, clock=frame_clock.in_order())
            return in_order._decode(first, count)
          raise input_error.InputError(
            f'{self.path}: frame {index + self.lead + 1} follows frame '
            f'{number + len(frames) - 1}; the file is damaged or of variable '
            f'frame rate. {extract_advice(self.path, self.folder)}'
          )
        if frame.is_corrupt:
          break
        frames.append(orientation.upright(frame))
        if len(frames) == count:
          break
    except (av.FFmpegError, OSError) as e:
      if not frames:
        raise _unreadable(self.path, e) from e
    if len(frames) < count:
      raise input_error.InputError(
        f'{self.path}: can be decoded up to frame {number + len(frames) - 1} '
        f'only, frames {number} to {number + count - 1} are needed; the file '
        'is truncated or damaged, get it again.'
      )
    return frames

  def _numbered(self, first: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yields (index, frame) from frame `first` on."""
    clock = self.clock
    for run_up in _RUN_UPS if clock.attribute else _RUN_UPS[-1:]:
      start = max(first - run_up, 0)
      with av.open(str(self.path)) as container:
        stream = _video_stream(container, self.path)
        if start:
          time = int(clock.first_time + start * clock.interval)
          container.seek(time, stream=stream)
        decoded = clock.number(container.decode(stream), not start)
        for index, frame in decoded:
          if index is None or index > first:
            break  # The container has no key frame where it says.
          if index == first:
            yield index, frame
            yield from decoded
            return
      if not start:
        return


def probe(
  path: pathlib.Path, check_rate: bool = True, folder: str | None = None
) -> VideoFile:
  """Counts and numbers the frames of a video, decoding the first few.

  Args:
    path: of the file.
    check_rate: whether to refuse a variable frame rate, of which ffmpeg repeats
      or drops frames: annotations count the frames of the event's video as it
      extracts them. Otherwise such frames are numbered in their order.
    folder: where to extract the frames of a video that is refused.

  Raises:
    InputError: the file is not a video or, with `check_rate`, of variable rate.
  """
  folder = folder or f'whole_videos_frames/{path.stem}'
  if path.exists() and not path.is_file():
    raise UnreadableError(
      f'{path}: is no file but a pipe, a folder or a device; put the video '
      'itself there.'
    )
  try:
    with av.open(str(path)) as container:
      stream = _video_stream(container, path)
      times = frame_clock.shown_times(stream)
      if not times:
        raise UnreadableError(
          f'{path}: has no frames; the file is damaged, get it again.'
        )
      if check_rate:
        times = frame_clock.without_ragged_end(times)
      is_avi = container.format.name == 'avi'
      clock = frame_clock.read_clock(container.decode(stream), times, is_avi)
      lead = frame_clock.lead(container, stream, clock)
      reason = frame_clock.irregularity(
        times, stream.time_base, stream.guessed_rate
      )
  except (av.FFmpegError, OSError) as e:
    raise _unreadable(path, e) from e
  if reason:
    reason = f'has a variable frame rate ({reason})'
  elif not clock.attribute:
    reason = 'has frames without a time'
  if reason and check_rate:
    raise input_error.InputError(
      f'{path}: {reason}, so that its frames cannot be numbered as in the '
      f'annotations. {extract_advice(path, folder)}'
    )
  if reason:
    clock, lead = frame_clock.in_order(), 0
  count = len(times) + lead
  video = VideoFile(path, count, clock, lead, folder, check_rate)
  if is_avi and clock.first_time > min(times) + 1:
    count = video.count_to_end() + lead
    video = dataclasses.replace(video, num_frames=count)
  return video


def extract_advice(path: pathlib.Path, folder: str) -> str:
  """Returns how to turn a video into a folder of numbered frames."""
  # In the name of the images, ffmpeg reads % as the beginning of a number.
  images = f'{folder.replace("%", "%%")}/%06d.jpg'
  return (
    'Extract its frames into the manual_dir instead: mkdir -p '
    f'{shlex.quote(folder)} && ffmpeg -i {shlex.quote(str(path))} -q:v 2 '
    f'{shlex.quote(images)}'
  )


def _video_stream(
  container: av.container.InputContainer, path: pathlib.Path
) -> av.VideoStream:
  """Returns the stream that ffmpeg takes: the largest, no cover picture."""
  stream = container.streams.best('video')
  if stream is None:
    raise UnreadableError(
      f'{path}: has no video stream; put the video itself there.'
    )
  return stream


def _unreadable(path: pathlib.Path, error: Exception) -> UnreadableError:
  reason = getattr(error, 'strerror', None) or type(error).__name__
  return UnreadableError(
    f'{path}: cannot be read as a video ({reason}); the file is truncated or '
    'damaged, get it again.'
  )
