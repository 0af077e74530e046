"""Reads frames of a video file by their number."""

import dataclasses
import pathlib
import shlex
from collections.abc import Iterator

import av
import numpy as np

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.clips import frame_clock, orientation

# How many frames before a frame to start decoding. The next is tried where the
# container jumps to a later frame. The last starts any file from its start.
_RUN_UPS = (0, 50, 1000, 1 << 40)
# More frames than can be missing at the beginning of a cut AVI.
_CHECKED_AT_END = 50


class UnreadableError(input_error.InputError):
  """A file exists, but is no video, or is damaged."""


@dataclasses.dataclass(frozen=True)
class VideoFile:
  """A video whose frames are numbered as ffmpeg numbers extracted images.

  Attributes:
    path: of the file.
    num_frames: number of frames, including the repeated ones.
    clock: gives the numbers of the frames in the file.
    lead: how often the first frame is repeated at the start, because the sound
      starts earlier.
    folder: where error messages tell the user to extract the frames.
    is_strict: whether frames at irregular times are an error. Otherwise they
      are counted in their order.
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
      first: number of the first frame, counted from 0.
      count: how many frames, at least 1.

    Returns:
      `count` frames, each uint8 [height, width, 3], BGR.

    Raises:
      InputError: the file is damaged, or its times are irregular.
    """
    wanted = [max(first + k - self.lead, 0) for k in range(count)]
    frames = self._decode(wanted[0], wanted[-1] - wanted[0] + 1)
    return [frames[index - wanted[0]] for index in wanted]

  def count_to_end(self) -> int:
    """Returns how many frames of the file can be shown; decodes the last ones.

    The first frames of a cut AVI may be impossible to decode, and nothing in
    the file says so.
    """
    count = self.num_frames - self.lead
    last = self._numbered(max(count - _CHECKED_AT_END, 0))
    try:
      return max((index + 1 for index, _ in last), default=count)
    except av.FFmpegError:  # `read` reports it if the frame is needed.
      return count

  def _decode(self, first: int, count: int) -> list[np.ndarray]:
    """Returns frames by their place in the file, without the repeated ones."""
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
            for later, frame in decoded:
              if later is not None:
                yield later, frame
            return
      if not start:
        return


def probe(
  path: pathlib.Path, check_rate: bool = True, folder: str | None = None
) -> VideoFile:
  """Counts and numbers the frames of a video, decoding the first few.

  Args:
    path: of the file.
    check_rate: whether a variable frame rate is an error. ffmpeg repeats or
      drops frames of such a video, and annotations count the frames that it
      extracts. Otherwise such frames are counted in their order.
    folder: where an error message tells the user to extract the frames.

  Raises:
    UnreadableError: the file is no video, or is damaged.
    InputError: `check_rate`, and the frame rate is variable.
  """
  folder = folder or f'whole_videos_frames/{path.stem}'
  if path.exists() and not path.is_file():
    raise UnreadableError(
      f'{path}: is a pipe, a folder or a device; put a video file there.'
    )
  try:
    with av.open(str(path)) as container:
      stream = _video_stream(container, path)
      times = frame_clock.shown_times(stream)
      if not times or stream.time_base is None:
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
      f'{path}: {reason}, so its frames cannot be numbered as in the '
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
  """Returns a sentence: how to turn a video into a folder of numbered frames.

  Args:
    path: of the video.
    folder: for the frames.
  """
  # In names of images, % begins the number of the image.
  images = f'{folder.replace("%", "%%")}/%06d.jpg'
  return (
    'Extract its frames into the manual_dir instead: mkdir -p '
    f'{shlex.quote(folder)} && ffmpeg -i {shlex.quote(str(path))} -q:v 2 '
    f'{shlex.quote(images)}'
  )


def _video_stream(
  container: av.container.InputContainer, path: pathlib.Path
) -> av.VideoStream:
  """Returns the stream that ffmpeg uses: the largest, and no cover picture."""
  stream = container.streams.best('video')
  if not isinstance(stream, av.VideoStream):
    raise UnreadableError(
      f'{path}: has no video stream; put a video file there.'
    )
  return stream


def _unreadable(path: pathlib.Path, error: Exception) -> UnreadableError:
  reason = getattr(error, 'strerror', None) or type(error).__name__
  return UnreadableError(
    f'{path}: cannot be read as a video ({reason}); the file is truncated or '
    'damaged, get it again.'
  )
