"""Reads what is judged of a video: a clip for each dive."""

import dataclasses
import numbers
import os
from collections.abc import Callable, Iterator
from typing import TypedDict, Unpack

import numpy as np

from aqa_jax.judging import kinetics, video
from aqa_jax.judging.clip import Clip
from aqa_jax.judging.dive_clips import UNSURE, read_dives
from aqa_jax.judging.dive_search import DiveFinder, DiveSearch
from aqa_jax.judging.model import Model
from aqa_jax.judging.recent_frames import RecentFrames
from aqa_jax.judging.user_path import user_path
from aqa_jax.judging.window import Window, read_window
from tfds_mtl_aqa.input_error import InputError

# Called with how much of a video is read, s, and its length if it is known.
Progress = Callable[[float, float | None], None]
# A path, or uint8 [frames, height, width, 3], RGB.
Video = str | os.PathLike[str] | np.ndarray

# Of dives it is 4.8 at most by the rules, of vaults 7.
_HIGHEST_DIFFICULTY = 10.0
# What I3D has to say of a dive; docs/weights.md has figures.
_DIVE_PROBABILITY = 0.5


class Options(TypedDict, total=False):
  """How videos are read.

  Attributes:
    end_frame: number of the last frame to judge, from 1.
    end_seconds: time of the last frame to judge, instead.
    speed: how fast the video shows what happened: 0.25 for slow motion at a
      quarter of the speed.
    frames_per_second: of folders and arrays; None for the rate that the network
      has learned from. A file tells its own.
    with_pictures: whether the judgement has pictures of the frames.
    force: whether to judge what seems to be no dive, too.
    difficulty: difficulty of the dives, for a model that predicts the
      execution; None to take those of the likeliest dives.
  """

  end_frame: int | None
  end_seconds: float | None
  speed: float
  frames_per_second: float | None
  with_pictures: bool
  force: bool
  difficulty: float | None


class ClipReader:
  """Reads videos, and finds the dives in them. Thread-safe.

  Attributes:
    model: tells how the clips are made.
    finder: finds the dives.
  """

  def __init__(self, model: Model, finder: DiveFinder):
    """Makes a reader; reads nothing yet."""
    self.model = model
    self.finder = finder

  def clips(
    self,
    item: Video,
    progress: Progress | None = None,
    **options: Unpack[Options],
  ) -> Iterator[Clip]:
    """Yields what is judged of a video: a clip for each dive.

    Args:
      item: a video; see `Judge.__call__`.
      progress: see `Judge.dives`.
      **options: see `Options`.

    Raises:
      InputError: see `Judge.__call__`.
    """
    difficulty = options.get('difficulty')
    self.check_difficulty(difficulty)
    for clip in self._clips(item, progress, **options):
      yield dataclasses.replace(clip, difficulty=difficulty)

  def check_difficulty(self, difficulty: float | None) -> None:
    """Checks that the model can do with a difficulty, or without one.

    Args:
      difficulty: see `Options`.

    Raises:
      InputError: it is needed, or of no use, or can't be.
    """
    tasks = self.model.tasks
    if difficulty is None:
      if any('difficulty' in task.required for task in tasks):
        raise InputError(
          'the score of this model follows from the difficulty, which its '
          'classes do not tell; give it, such as --difficulty=3.2.'
        )
      return
    if not any('difficulty' in task.given for task in tasks):
      raise InputError(
        f'difficulty={difficulty:g}: this model takes none, its score follows '
        'from the video alone; leave it out.'
      )
    if not 0 < difficulty <= _HIGHEST_DIFFICULTY:
      raise InputError(
        f'difficulty={difficulty:g}: give more than 0, '
        f'{_HIGHEST_DIFFICULTY:g} at most.'
      )

  def _clips(
    self, item: Video, progress: Progress | None, **options: Unpack[Options]
  ) -> Iterator[Clip]:
    """Yields the clips of a video, without the difficulty."""
    if unknown := sorted(set(options) - set(Options.__annotations__)):
      raise TypeError(
        f'unknown option {unknown[0]!r}; the options are '
        f'{", ".join(Options.__annotations__)}'
      )
    window = Window(
      options.get('end_frame'),
      options.get('end_seconds'),
      options.get('speed', 1.0),
    )
    window.check()
    with_pictures = options.get('with_pictures', False)
    warnings: list[str] = []
    name, frames = self.frames(item, options.get('frames_per_second'), warnings)
    if progress is not None:
      frames = _with_progress(frames, progress, video.seconds_of(item))
    if window.is_placed:
      yield read_window(
        name,
        frames,
        self.model.frame_format,
        self.model.num_clip_frames,
        window,
        with_pictures,
        warnings,
      )
      return
    search = self.finder.search(window.speed)
    force = options.get('force', False)
    recent = RecentFrames(window.speed)
    # A large network, if it is there, has a second look at what is no dive.
    looks_twice = kinetics.is_installed() and not force
    for clip in read_dives(
      name,
      recent.watch(frames) if looks_twice else frames,
      self.model,
      search,
      window.speed,
      with_pictures,
      warnings,
    ):
      if clip.is_dive:
        yield clip
        continue
      seen = 0.0
      if looks_twice:
        seen = kinetics.dive_probability(recent.images())
      if seen >= _DIVE_PROBABILITY:
        yield _seen_by_kinetics(clip, seen)
      else:
        yield _without_dive(clip, search, force)

  def frames(
    self,
    item: Video,
    frames_per_second: float | None = None,
    warnings: list[str] | None = None,
  ) -> tuple[str, Iterator[video.VideoFrame]]:
    """Returns the name of a video and its frames, which are read one by one.

    Args:
      item: a video; see `Judge.__call__`.
      frames_per_second: see `Options`.
      warnings: what reading finds wrong is added.

    Raises:
      InputError: there is no such video; reading may raise more.
    """
    warnings = [] if warnings is None else warnings
    if not isinstance(item, (str, os.PathLike, np.ndarray)):
      raise TypeError(
        f'a {type(item).__name__} is no video; give a path, or a NumPy array '
        'uint8 [frames, height, width, 3]'
      )
    if isinstance(item, np.ndarray):
      rate = self._rate(frames_per_second, warnings)
      return 'array', video.read_array(item, rate)
    path = user_path(item)
    # Of a name that is no UTF-8, what can be printed.
    name = os.fspath(path).encode('utf-8', 'backslashreplace').decode()
    if video.is_image_folder(path):
      rate = self._rate(frames_per_second, warnings)
      return name, video.read_folder(path, rate)
    self._rate(frames_per_second, [])
    return name, video.read_file(path, warnings)

  def _rate(self, given: float | None, warnings: list[str]) -> float:
    """Returns the rate of frames that do not tell their own.

    Raises:
      InputError: the rate that is given can't be.
    """
    if given is None:
      rate = self.model.frame_format.frames_per_second
      warnings.append(
        f'No rate was given: its frames count as {rate:g} a second, as in the '
        'training.'
      )
      return rate
    if (
      isinstance(given, bool)
      or not isinstance(given, numbers.Real)
      or not 0.1 <= given <= 1e5
    ):
      raise InputError(f'frames_per_second={given!r}: give 0.1 to 100000.')
    return float(given)


def _seen_by_kinetics(clip: Clip, probability: float) -> Clip:
  """Returns a clip that I3D alone takes for a dive, with a warning."""
  warning = (
    'The moments of the dive were not found; that it is one is what I3D says '
    f'({100 * probability:.0f} %). Its last frames are judged: give the end '
    'where the dive ends before.'
  )
  return dataclasses.replace(
    clip, is_dive=True, warnings=(*clip.warnings, warning)
  )


def _without_dive(clip: Clip, search: DiveSearch, force: bool) -> Clip:
  """Returns a clip in which no dive was found, with a warning."""
  confidence = search.surest.confidence if search.surest else 0.0
  warning = (
    'It seems to show no dive: what looks most like one has a confidence of '
    f'{confidence:.2f}, and {UNSURE * search.threshold:.2f} is needed. '
  )
  warning += (
    'It is judged all the same: its last frames.'
    if force
    else 'So it has no score, unless you force it, give the end of the dive, '
    'or the speed of slow motion.'
  )
  return dataclasses.replace(
    clip,
    is_dive=force,
    confidence=confidence,
    warnings=(*clip.warnings, warning),
  )


def _with_progress(
  frames: Iterator[video.VideoFrame],
  progress: Progress,
  total: float | None,
) -> Iterator[video.VideoFrame]:
  for frame in frames:
    progress(frame.seconds, total)
    yield frame
