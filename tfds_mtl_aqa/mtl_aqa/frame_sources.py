"""Finds the frames of the dives in the layouts that are in common use."""

import functools
import pathlib
import re
from collections.abc import Iterator, Mapping

from tfds_mtl_aqa import features, input_error
from tfds_mtl_aqa.mtl_aqa import annotations, clip, unlv_dive, video_file

# Every layout is a list of places in the manual_dir, tried in this order.
# {e} is the event, {s} the sample, {i} the AQA-7 diving id; ':02d' pads.
EVENT_FOLDERS = (
  'whole_videos_frames/{e:02d}',
  'new_total_frames_256s/{e:02d}',
  'new_total_frames_256s/{e}',
  'new/new_total_frames_256s/{e:02d}',
  'new/new_total_frames_256s/{e}',
  'MTL-AQA/new/new_total_frames_256s/{e:02d}',
  'MTL-AQA/new/new_total_frames_256s/{e}',
  'new/{e:02d}',
  'MTL-AQA/new/{e:02d}',
  'frames/{e:02d}',
  'video{e}_frames',
  'video{e:02d}_frames',
  '{e:02d}',
)
EVENT_VIDEOS = (
  'whole_videos/{e:02d}',
  'videos/{e:02d}',
  '{e:02d}',
  'whole_videos/{e}',
  'videos/{e}',
  '{e}',
  'video{e}',
  'video{e:02d}',
)
DIVE_FOLDERS = (
  'frames/{e:02d}_{s:02d}',
  'data/frames/{e:02d}_{s:02d}',
  'frames_long/{e:02d}_{s:02d}',
  'MTL_AQA/frames_long/{e:02d}_{s:02d}',
  '{e:02d}_{s:02d}',
)
DIVE_VIDEOS = (
  'dives/{e:02d}_{s:02d}',
  'videos/{e:02d}_{s:02d}',
  '{e:02d}_{s:02d}',
  'mtl_aqa_{e:02d}_{s:02d}',
)
AQA7_FOLDERS = (
  'diving-out/{i:03d}',
  'diving_samples_lstm_103/frames/{i:03d}',
)
AQA7_VIDEOS = ('diving-out/{i:03d}', 'diving/{i:03d}')

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')
VIDEO_SUFFIXES = (
  '.mp4', '.mkv', '.webm', '.avi', '.mov', '.m4v', '.flv', '.ts', '.mpg',
)  # fmt: skip

# The first and the last frame of the window, from end_frame.
WINDOW_START = 1 - features.WINDOW_FRAMES


class _NotInSource(Exception):
  """A source exists, but lacks the dive; the text says why."""


class FrameSources:
  """The frames in a folder of the user.

  Looks for each dive in this order, and takes the first source that has it: the
  frames of its event, the video of its event, a folder with the frames of this
  dive, a video of this dive. The last two may be numbered as in AQA-7.

  Attributes:
    manual_dir: the folder.
    allow_unreadable: whether to look for another source where a video can't be
      read. Otherwise that is an error.
  """

  def __init__(self, manual_dir: pathlib.Path, allow_unreadable: bool = False):
    self.manual_dir = manual_dir
    self.allow_unreadable = allow_unreadable
    self._aqa7_ids = unlv_dive.ids_by_key()
    # Each event and folder is read once for all its dives.
    self._entries = functools.cache(_entries)
    self._numbered_images = functools.cache(_numbered_images)
    self._probed = functools.cache(_probed)

  def find(self, key: annotations.Key, end_frame: int) -> clip.Clip | str:
    """Returns the frames of a dive, or why there are none.

    Args:
      key: event and sample.
      end_frame: number of the window's last frame in the event, from 1.

    Returns:
      The frames; else text that says why sources cannot be used; '' where
      there is no source.

    Raises:
      InputError: a video is damaged, the video of an event has a variable frame
        rate, or two files are the same video.
    """
    reasons = []
    for source in (
      self._in_event_folder,
      self._in_event_video,
      self._in_dive_folder,
      self._in_dive_video,
    ):
      try:
        found = source(key, end_frame)
      except _NotInSource as e:
        reasons.append(str(e))
        continue
      if found is not None:
        return found
    return '; '.join(reasons)

  def _in_event_folder(
    self, key: annotations.Key, end_frame: int
  ) -> clip.Clip | None:
    for folder in self._folders(EVENT_FOLDERS, key):
      names = self._numbered_images(folder)
      if not names:
        continue
      # Frames are counted from 1, unless there is a file 0.
      last = end_frame - (0 in names)
      window = range(last + WINDOW_START, last + 1)
      absent = [number for number in window if number not in names]
      if absent:
        raise _NotInSource(
          f'{folder}: holds {len(names)} frames, {min(names)} to {max(names)}; '
          f"frame {absent[0]} is not there ({len(absent)} of the dive's are "
          'not)'
        )
      numbers = list(window)
      head = tail = features.MARGIN_FRAMES
      while head and numbers[0] - 1 in names:
        numbers.insert(0, numbers[0] - 1)
        head -= 1
      while tail and numbers[-1] + 1 in names:
        numbers.append(numbers[-1] + 1)
        tail -= 1
      files = clip.FrameFiles(folder, tuple(names[n] for n in numbers))
      return clip.Clip(files, (head, tail))
    return None

  def _in_event_video(
    self, key: annotations.Key, end_frame: int
  ) -> clip.Clip | None:
    path = self._video(EVENT_VIDEOS, key)
    if path is None:
      return None
    video = self._probe(path, EVENT_FOLDERS[0], key, check_rate=True)
    if video.num_frames < end_frame:
      raise _NotInSource(
        f'{path}: has {video.num_frames} frames; it is truncated, or another '
        'cut of the event'
      )
    start = end_frame + WINDOW_START - 1 - features.MARGIN_FRAMES
    first = max(start, 0)
    stop = min(start + clip.NUM_FRAMES, video.num_frames)
    return clip.Clip(
      clip.VideoFrames(video, first, stop - first),
      (first - start, start + clip.NUM_FRAMES - stop),
    )

  def _in_dive_folder(
    self, key: annotations.Key, end_frame: int
  ) -> clip.Clip | None:
    del end_frame  # The folder is the dive.
    for folder in self._folders((*DIVE_FOLDERS, *AQA7_FOLDERS), key):
      names = self._numbered_images(folder)
      if not names:
        continue
      numbers = sorted(names)
      if numbers[-1] - numbers[0] >= len(numbers):
        gap = next(n for n in numbers if n + 1 not in names)
        raise _NotInSource(f'{folder}: frame {gap + 1} is not there')
      first, padding = _part_of_dive(len(numbers), folder)
      files = tuple(names[number] for number in numbers[first:])
      return clip.Clip(clip.FrameFiles(folder, files), padding)
    return None

  def _in_dive_video(
    self, key: annotations.Key, end_frame: int
  ) -> clip.Clip | None:
    del end_frame  # The file is the dive.
    path = self._video((*DIVE_VIDEOS, *AQA7_VIDEOS), key)
    if path is None:
      return None
    # All frames are taken in their order, so their times do not matter.
    video = self._probe(path, DIVE_FOLDERS[0], key, check_rate=False)
    first, padding = _part_of_dive(video.num_frames, path)
    frames = clip.VideoFrames(video, first, video.num_frames - first)
    return clip.Clip(frames, padding)

  def _probe(
    self, path: pathlib.Path, place: str, key: annotations.Key, check_rate: bool
  ) -> video_file.VideoFile:
    """Opens a video; errors say to extract its frames to a place."""
    event, sample = key
    folder = self.manual_dir / place.format(e=event, s=sample)
    video = self._probed(path, check_rate, str(folder))
    if isinstance(video, video_file.VideoFile):
      return video
    if isinstance(video, video_file.UnreadableError) and self.allow_unreadable:
      raise _NotInSource(str(video).rstrip('.'))
    raise video

  def _places(
    self, templates: tuple[str, ...], key: annotations.Key
  ) -> Iterator[pathlib.Path]:
    event, sample = key
    for template in templates:
      dive_id = self._aqa7_ids.get(key)
      if '{i' in template and dive_id is None:
        continue
      yield self.manual_dir / template.format(e=event, s=sample, i=dive_id)

  def _folders(
    self, templates: tuple[str, ...], key: annotations.Key
  ) -> Iterator[pathlib.Path]:
    for place in self._places(templates, key):
      if place.name in self._entries(place.parent) and place.is_dir():
        yield place

  def _video(
    self, templates: tuple[str, ...], key: annotations.Key
  ) -> pathlib.Path | None:
    for place in self._places(templates, key):
      found = [
        place.parent / name
        for name in self._entries(place.parent).get(place.name, ())
        if pathlib.Path(name).suffix.lower() in VIDEO_SUFFIXES
      ]
      if len(found) > 1:
        raise input_error.InputError(
          f'{found[0]} and {found[1].name}: both are of the same event or '
          'dive; remove one.'
        )
      if found:
        return found[0]
    return None


def dive_name(key: annotations.Key) -> str:
  """Returns the name of a dive, such as '03_55'."""
  event, sample = key
  return f'{event:02d}_{sample:02d}'


def _part_of_dive(
  num_frames: int, path: pathlib.Path
) -> tuple[int, tuple[int, int]]:
  """Returns the first frame to take of a source of one dive, and the padding.

  103 frames are the window. 109 frames are the window and its margins. Of more
  frames the last 109 are taken, because the window is counted from its end,
  where the entry is. Of 104 to 108 frames, those beyond 103 are split between
  the two margins.

  Raises:
    _NotInSource: there are fewer than 103 frames.
  """
  margins = num_frames - features.WINDOW_FRAMES
  if margins < 0:
    raise _NotInSource(
      f'{path}: has {num_frames} frames, {features.WINDOW_FRAMES} are needed'
    )
  margins = min(margins, 2 * features.MARGIN_FRAMES)
  head = (margins + 1) // 2
  tail = margins - head
  return num_frames - features.WINDOW_FRAMES - margins, (
    features.MARGIN_FRAMES - head,
    features.MARGIN_FRAMES - tail,
  )


def _probed(
  path: pathlib.Path, check_rate: bool, folder: str
) -> video_file.VideoFile | input_error.InputError:
  try:
    return video_file.probe(path, check_rate, folder)
  except input_error.InputError as e:
    return e


def _entries(folder: pathlib.Path) -> Mapping[str, list[str]]:
  """Returns names of files, by full name and by name without suffix."""
  entries: dict[str, list[str]] = {}
  if folder.is_dir():
    for path in _visible(folder):
      for name in {path.name, path.stem}:
        entries.setdefault(name, []).append(path.name)
  return entries


def _numbered_images(folder: pathlib.Path) -> Mapping[int, str]:
  """Returns names of images by the number at the end of their names."""
  names: dict[int, str] = {}
  for path in _visible(folder):
    match = re.search(r'(\d+)$', path.stem)
    if path.suffix.lower() not in IMAGE_SUFFIXES or match is None:
      continue
    number = int(match[1])
    if number in names:
      raise input_error.InputError(
        f'{path} and {names[number]}: are both frame {number}; remove one.'
      )
    names[number] = path.name
  return names


def _visible(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns what is in a folder, without the files that macOS adds (._*)."""
  return sorted(p for p in folder.iterdir() if not p.name.startswith('._'))
