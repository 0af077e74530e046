"""Finds the frames of the dives in the layouts that are in common use."""

import functools
import pathlib
import re
from collections.abc import Iterator, Mapping

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.clips import clip, video_file
from tfds_mtl_aqa.clips.sought_dive import (
  IMAGE_SUFFIXES,
  VIDEO_SUFFIXES,
  SoughtDive,
)
from tfds_mtl_aqa.clips.window import EndWindow, TooShort, Window


class _NotInSource(Exception):
  """A source exists, but lacks the dive; the text says why."""


class FrameSources:
  """The frames in a folder of the user.

  Looks for each dive in this order, and takes the first source that has it: the
  frames of its event, the video of its event, a folder with the frames of this
  dive, a video of this dive.

  Attributes:
    manual_dir: the folder.
    window: which frames of a dive are taken.
    allow_unreadable: whether to look for another source where a video can't be
      read. Otherwise that is an error.
  """

  def __init__(
    self,
    manual_dir: pathlib.Path,
    window: Window | None = None,
    allow_unreadable: bool = False,
  ):
    self.manual_dir = manual_dir
    self.window = window or EndWindow()
    self.allow_unreadable = allow_unreadable
    # Each event and folder is read once for all its dives.
    self._entries = functools.cache(_entries)
    self._numbered_images = functools.cache(_numbered_images)
    self._probed = functools.cache(_probed)

  def find(self, dive: SoughtDive) -> clip.Clip | str:
    """Returns the frames of a dive, or why there are none.

    Args:
      dive: to look for.

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
        found = source(dive)
      except _NotInSource as e:
        reasons.append(str(e))
        continue
      if found is not None:
        return found
    return '; '.join(reasons)

  def _in_event_folder(self, dive: SoughtDive) -> clip.Clip | None:
    if dive.frames is None:
      return None
    for folder in self._folders(dive, dive.layouts.event_folders):
      names = self._numbered_images(folder)
      if not names:
        continue
      # Frames are counted from 1, unless there is a file 0.
      from_0 = 0 in names
      numbers = [n - from_0 for n in self.window.needed(*dive.frames)]
      if absent := [number for number in numbers if number not in names]:
        raise _NotInSource(
          f'{folder}: holds {len(names)} frames, {min(names)} to {max(names)}; '
          f"frame {absent[0]} is not there ({len(absent)} of the dive's are "
          'not)'
        )
      head = tail = self.window.margin
      while head and numbers[0] - 1 in names:
        numbers.insert(0, numbers[0] - 1)
        head -= 1
      while tail and numbers[-1] + 1 in names:
        numbers.append(numbers[-1] + 1)
        tail -= 1
      files = clip.FrameFiles(folder, tuple(names[n] for n in numbers))
      return clip.Clip(files, (head, tail))
    return None

  def _in_event_video(self, dive: SoughtDive) -> clip.Clip | None:
    path = self._video(dive, dive.layouts.event_videos)
    if path is None or dive.frames is None:
      return None
    video = self._probe(path, dive, check_rate=True)
    places = [n - 1 for n in self.window.needed(*dive.frames)]
    if places[0] < 0 or video.num_frames <= places[-1]:
      raise _NotInSource(
        f'{path}: has {video.num_frames} frames; it is truncated, or another '
        'cut of the event'
      )
    head = min(self.window.margin, places[0])
    tail = min(self.window.margin, video.num_frames - 1 - places[-1])
    places = [
      *range(places[0] - head, places[0]),
      *places,
      *range(places[-1] + 1, places[-1] + 1 + tail),
    ]
    padding = self.window.margin - head, self.window.margin - tail
    return clip.Clip(clip.VideoFrames(video, tuple(places)), padding)

  def _in_dive_folder(self, dive: SoughtDive) -> clip.Clip | None:
    for folder in self._folders(dive, dive.layouts.dive_folders):
      names = self._numbered_images(folder)
      if not names:
        continue
      numbers = sorted(names)
      if numbers[-1] - numbers[0] >= len(numbers):
        gap = next(n for n in numbers if n + 1 not in names)
        raise _NotInSource(f'{folder}: frame {gap + 1} is not there')
      places, padding = self._part_of_dive(len(numbers), folder)
      files = tuple(names[numbers[place]] for place in places)
      return clip.Clip(clip.FrameFiles(folder, files), padding)
    return None

  def _in_dive_video(self, dive: SoughtDive) -> clip.Clip | None:
    path = self._video(dive, dive.layouts.dive_videos)
    if path is None:
      return None
    # All frames are taken in their order, so their times do not matter.
    video = self._probe(path, dive, check_rate=False)
    places, padding = self._part_of_dive(video.num_frames, path)
    return clip.Clip(clip.VideoFrames(video, places), padding)

  def _part_of_dive(
    self, num_frames: int, path: pathlib.Path
  ) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Returns which frames to take of a source of one dive, and the padding."""
    try:
      places, padding = self.window.of_dive(num_frames)
    except TooShort as e:
      raise _NotInSource(f'{path}: has {num_frames} frames, {e}') from e
    return tuple(places), padding

  def _probe(
    self, path: pathlib.Path, dive: SoughtDive, check_rate: bool
  ) -> video_file.VideoFile:
    """Opens a video; errors say to extract its frames to a place."""
    layouts = dive.layouts
    templates = layouts.event_folders if check_rate else layouts.dive_folders
    folder = next(dive.places(templates, self.manual_dir))
    video = self._probed(path, check_rate, str(folder))
    if isinstance(video, video_file.VideoFile):
      return video
    if isinstance(video, video_file.UnreadableError) and self.allow_unreadable:
      raise _NotInSource(str(video).rstrip('.'))
    raise video

  def _folders(
    self, dive: SoughtDive, templates: tuple[str, ...]
  ) -> Iterator[pathlib.Path]:
    for place in dive.places(templates, self.manual_dir):
      if place.name in self._entries(place.parent) and place.is_dir():
        yield place

  def _video(
    self, dive: SoughtDive, templates: tuple[str, ...]
  ) -> pathlib.Path | None:
    for place in dive.places(templates, self.manual_dir):
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
