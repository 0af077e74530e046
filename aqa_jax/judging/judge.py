"""Judges videos with a model."""

import dataclasses
import functools
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Unpack, overload

import jax
import numpy as np

from aqa_jax.data import difficulty, dive_number
from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.evaluation.conformal import COVERAGE
from aqa_jax.evaluation.fault_timing import make_timing_step
from aqa_jax.evaluation.frame_importance import make_importance_step
from aqa_jax.judging.clip import Clip
from aqa_jax.judging.clip_reader import ClipReader, Options, Progress, Video
from aqa_jax.judging.dive_search import DiveFinder
from aqa_jax.judging.judgement import Judgement
from aqa_jax.judging.lost_points import knows_costs, lost_points
from aqa_jax.judging.model import Model
from aqa_jax.judging.prediction import predict
from aqa_jax.predictions import Columns
from aqa_jax.task import finish
from tfds_mtl_aqa.input_error import InputError

# Of the half-width of the interval: 98 % of the simulated dives that the small
# model judges change by less where all frames are two earlier.
_UNSTABLE = 0.85
# So many videos are in memory and on the device at once.
_BATCH = 8


class Judge:
  """Judges videos with a model; see `aqa_jax.load`.

  Thread-safe. It compiles at the first video, and at the first list of more.

  Attributes:
    model: model that it judges by.
    reader: reads videos, and finds the dives in them.
  """

  def __init__(self, model: Model, finder: DiveFinder):
    """Makes a judge; computes nothing yet.

    Args:
      model: model to judge by.
      finder: finds the dives in a video.
    """
    self.model = model
    self.reader = ClipReader(model, finder)
    self._lock = threading.Lock()
    self._variables = jax.device_put(dict(model.variables))
    self._step = jax.jit(functools.partial(predict, model.network))
    self._importance = None
    if any(task.gives_score for task in model.tasks):
      self._importance = make_importance_step(model.network)
    self._timing = None
    if knows_costs(model.tasks):
      self._timing = make_timing_step(model.network)

  # A text is a path, though it is a sequence of texts, too.
  @overload
  def __call__(  # type: ignore[overload-overlap]
    self, videos: Video, **options: Unpack[Options]
  ) -> Judgement: ...

  @overload
  def __call__(
    self, videos: Sequence[Video], **options: Unpack[Options]
  ) -> list[Judgement]: ...

  def __call__(
    self, videos: Video | Sequence[Video], **options: Unpack[Options]
  ) -> Judgement | list[Judgement]:
    """Judges the dive of a video, or of several videos.

    The dive is looked for, unless its end is given. Of a video with more than
    one it is the first: `dives` gives all.

    Args:
      videos: path of a video file or of a folder of images, or uint8 [frames,
        height, width, 3], RGB; or a list of them.
      **options: see `Options`.

    Returns:
      The judgement, or for a list one for each.

    Raises:
      InputError: a video can't be read, or ends before the end that is given.
    """
    if isinstance(videos, (str, os.PathLike, np.ndarray)):
      return self.judge(self._first(videos, options))
    if not isinstance(videos, Iterable) or isinstance(videos, bytes):
      raise TypeError(
        f'a {type(videos).__name__} is no video; give a path, a NumPy array, '
        'or a list of them'
      )
    return list(self.judge_each(self._first(item, options) for item in videos))

  def dives(
    self,
    item: Video,
    progress: Progress | None = None,
    **options: Unpack[Options],
  ) -> list[Judgement]:
    """Judges all dives of a video, in the order of time.

    Args:
      item: a video; see `__call__`.
      progress: called while the video is read. What it raises ends that.
      **options: see `Options`.

    Returns:
      At least one: of a video without a dive, one that tells so.

    Raises:
      InputError: see `__call__`.
    """
    return list(self.judge_each(self.reader.clips(item, progress, **options)))

  def _first(self, item: Video, options: Options) -> Clip:
    """Returns the clip of a video's first dive."""
    first, *others = self.reader.clips(item, **options)
    if not others:
      return first
    warning = (
      f'It shows {len(others) + 1} dives; this is the first: `dives` gives all.'
    )
    return dataclasses.replace(first, warnings=(*first.warnings, warning))

  def judge(self, clip: Clip) -> Judgement:
    """Returns the judgement of a clip."""
    (judgement,) = self._judge([clip], 1)
    return judgement

  def judge_each(self, clips: Iterator[Clip]) -> Iterator[Judgement]:
    """Yields the judgements of clips, which are read as they are needed."""
    waiting: list[Clip] = []
    for clip in clips:
      waiting.append(clip)
      if len(waiting) == _BATCH:
        yield from self._judge(waiting, _BATCH)
        waiting = []
    if waiting:
      yield from self._judge(waiting, _BATCH)

  def _judge(self, clips: list[Clip], batch: int) -> list[Judgement]:
    """Returns the judgements of at most `batch` clips."""
    if not any(clip.is_dive for clip in clips):
      return [self._without_score(clip) for clip in clips]
    model = self.model
    rows = [_pixels(clip, model) for clip in clips]
    rows += [rows[-1]] * (batch - len(rows))
    pixels = np.stack(rows)
    with self._lock:  # So that threads do not compile the same at once.
      outputs = jax.device_get(self._step(self._variables, pixels))
      importance = earlier = timing = None
      if self._timing is not None:
        timing = jax.device_get(
          self._timing(
            self._variables['params'], self._variables['batch_stats'], pixels
          )
        )
      if self._importance is not None:
        # The same dives, two frames earlier.
        shifted = pixels[:, np.maximum(np.arange(pixels.shape[1]) - 2, 0)]
        earlier = jax.device_get(self._step(self._variables, shifted))
        importance = jax.device_get(
          self._importance(
            self._variables['params'], self._variables['batch_stats'], pixels
          )
        )
    known = [clip.difficulty for clip in clips]
    known += [None] * (batch - len(clips))
    given = {'difficulty': np.array(known, np.float64)}
    outputs = finish(model.tasks, outputs, given, model.schema)
    if earlier is not None:
      earlier = finish(model.tasks, earlier, given, model.schema)['score']
    return [
      self._judgement(
        clip,
        _row(outputs, i),
        None if importance is None else importance[i],
        None if earlier is None else float(earlier[i]),
        {} if timing is None else _row(timing, i),
      )
      for i, clip in enumerate(clips)
    ]

  def _judgement(
    self,
    clip: Clip,
    row: dict[str, Any],
    importance: np.ndarray | None,
    earlier: float | None = None,
    timing: Mapping[str, np.ndarray] = MappingProxyType({}),
  ) -> Judgement:
    if not clip.is_dive:
      return self._without_score(clip)
    model = self.model
    warnings = list(clip.warnings)
    score = float(row['score']) if 'score' in row else None
    interval = None
    if score is not None and not math.isfinite(score):
      raise InputError(
        f'{clip.name}: the model gives no finite score; get its folder again.'
      )
    # No dive has less than 0 points.
    score = None if score is None else max(score, 0.0)
    if score is not None and model.intervals is not None:
      half = model.intervals.half_width(COVERAGE, row.get('score_spread'))
      if math.isfinite(half):
        interval = (max(score - half, 0.0), score + half)
        if earlier is not None and abs(earlier - score) > _UNSTABLE * half:
          warnings.append(
            'The score depends on the exact frames: two frames earlier it is '
            f'{max(earlier, 0.0):.1f}. So it is with videos that differ from '
            'those that the network has learned from.'
          )
    names = model.schema.class_names
    classes = {
      name: names[name][int(index)]
      for name, index in row.get('classes', {}).items()
    }
    probabilities = {
      name: dict(zip(names[name], map(float, values), strict=True))
      for name, values in row.get('class_probabilities', {}).items()
    }
    number = dive_number.dive_number(classes)
    difficulties = {}
    if number is not None:
      found = {
        height: difficulty.difficulty(number, height)
        for height in difficulty.HEIGHTS
      }
      difficulties = {h: value for h, value in found.items() if value}
    if score is not None and difficulties:
      highest = difficulty.MAX_EXECUTION * max(difficulties.values())
      if score > highest:
        warnings.append(
          f'Score and classes do not fit each other: a {number} gets '
          f'{highest:.1f} points at most.'
        )
    caption = row.get('captions')
    used = row.get('used_difficulty')
    if used is not None and clip.difficulty is None:
      warnings.append(
        f'The score is made with a difficulty of {used:.2f}, that of the '
        'likeliest dive by these classes.'
      )
    judgement = self._without_score(clip)
    return dataclasses.replace(
      judgement,
      score=score,
      score_interval=interval,
      classes=classes,
      class_probabilities=probabilities,
      dive_number=number,
      difficulties=difficulties,
      caption=None if caption is None else ' '.join(caption),
      importance=importance,
      warnings=tuple(warnings),
      marks=tuple(map(float, row.get('marks', ()))),
      difficulty=None if used is None else float(used),
      points_lost=lost_points(
        row.get('points_lost', {}),
        model.tasks,
        clip,
        timing,
        judgement.frame_seconds,
      ),
      perfect_score=_known(row.get('perfect_score')),
    )

  def _without_score(self, clip: Clip) -> Judgement:
    """Returns what is known of a clip before the network has seen it."""
    offsets = self.model.video_input.offsets()
    # Of what is no dive the network sees nothing.
    offsets = offsets - offsets[0] if clip.is_dive else offsets[:0]
    dive = clip.dive
    return Judgement(
      name=clip.name,
      score=None,
      score_interval=None,
      classes={},
      class_probabilities={},
      dive_number=None,
      difficulties={},
      caption=None,
      frame_numbers=clip.numbers[offsets],
      frame_seconds=clip.seconds[offsets],
      importance=None,
      warnings=clip.warnings,
      is_dive=clip.is_dive,
      take_off_seconds=None if dive is None else dive.take_off,
      entry_seconds=None if dive is None else dive.entry,
      dive_confidence=clip.confidence,
      is_of_simulated_dives=self.model.is_of_simulated_dives,
      pictures=tuple(clip.pictures[i] for i in offsets if clip.pictures),
    )


def _known(value: float | None) -> float | None:
  """Returns a number; None where it is not known."""
  return None if value is None or math.isnan(value) else float(value)


def _row(outputs: Columns, index: int) -> dict[str, Any]:
  """Returns the outputs for one video."""
  return {
    name: _row(column, index) if isinstance(column, Mapping) else column[index]
    for name, column in outputs.items()
  }


def _pixels(clip: Clip, model: Model) -> np.ndarray:
  """Returns what the network sees of a clip, as in its evaluation."""
  # The window begins with frames that the network does not see.
  unseen = model.video_input.window_frames - len(clip.frames)
  example = {'video': clip.frames[:1] * unseen + clip.frames, 'sample': 0}
  return np.asarray(
    make_inputs(example, model.video_input, (), rng=None)['video']
  )
