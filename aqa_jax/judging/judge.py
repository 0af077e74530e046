"""Judges videos with a model."""

import math
import numbers
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, Unpack, overload

import jax
import jax.numpy as jnp
import numpy as np

from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.evaluation.conformal import COVERAGE
from aqa_jax.evaluation.frame_importance import make_importance_step
from aqa_jax.judging import difficulty, dive_number, video
from aqa_jax.judging.clip import Clip, Window, read_clip
from aqa_jax.judging.judgement import Judgement
from aqa_jax.judging.model import Model
from aqa_jax.judging.user_path import user_path
from aqa_jax.layers.normalize import normalize
from aqa_jax.predictions import Columns
from aqa_jax.train_state import Variables
from tfds_mtl_aqa.input_error import InputError

# A path, or uint8 [frames, height, width, 3], RGB.
Video = str | os.PathLike[str] | np.ndarray

# Three judges' awards of 10 count.
_MAX_EXECUTION = 30.0
# So many videos are in memory and on the device at once.
_BATCH = 8


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
  """

  end_frame: int | None
  end_seconds: float | None
  speed: float
  frames_per_second: float | None
  with_pictures: bool


class Judge:
  """Judges videos with a model; see `aqa_jax.load`.

  Thread-safe. It compiles at the first video, and at the first list of more.
  """

  def __init__(self, model: Model):
    """Makes a judge; computes nothing yet.

    Args:
      model: model to judge by.
    """
    self.model = model
    self._lock = threading.Lock()
    self._variables = jax.device_put(dict(model.variables))
    self._step = jax.jit(self._predict)
    self._importance = None
    if any(task.name == 'score' for task in model.tasks):
      self._importance = make_importance_step(model.network)

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
    """Judges a video, or several.

    What is judged are the last frames of the video, as many as the network
    sees, or those up to the end that is given.

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
      return self.judge(self.read(videos, **options))
    if not isinstance(videos, Iterable) or isinstance(videos, bytes):
      raise TypeError(
        f'a {type(videos).__name__} is no video; give a path, a NumPy array, '
        'or a list of them'
      )
    return list(self.judge_each(self.read(item, **options) for item in videos))

  def read(self, item: Video, **options: Unpack[Options]) -> Clip:
    """Returns the part of a video that is judged.

    Args:
      item: a video; see `__call__`.
      **options: see `Options`.

    Raises:
      InputError: see `__call__`.
    """
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
    warnings: list[str] = []
    name, frames = self.frames(item, options.get('frames_per_second'), warnings)
    return read_clip(
      name,
      frames,
      self.model.frame_format,
      self.model.num_clip_frames,
      window,
      options.get('with_pictures', False),
      warnings,
    )

  def frames(
    self,
    item: Video,
    frames_per_second: float | None = None,
    warnings: list[str] | None = None,
  ) -> tuple[str, Iterator[video.VideoFrame]]:
    """Returns the name of a video and its frames, which are read one by one.

    Args:
      item: a video; see `__call__`.
      frames_per_second: see `Options`.
      warnings: what reading finds wrong is added.

    Raises:
      InputError: there is no such video; reading may raise more.
    """
    rate = frames_per_second
    if rate is None:
      rate = self.model.frame_format.frames_per_second
    if not isinstance(rate, numbers.Real) or not 0.1 <= rate <= 1e5:
      raise InputError(f'frames_per_second={rate!r}: give 0.1 to 100000.')
    if isinstance(item, np.ndarray):
      return 'array', video.read_array(item, float(rate))
    if not isinstance(item, (str, os.PathLike)):
      raise TypeError(
        f'a {type(item).__name__} is no video; give a path, or a NumPy array '
        'uint8 [frames, height, width, 3]'
      )
    path = user_path(item)
    # Of a name that is no UTF-8, what can be printed.
    name = os.fspath(path).encode('utf-8', 'backslashreplace').decode()
    if video.is_image_folder(path):
      return name, video.read_folder(path, float(rate))
    return name, video.read_file(path, warnings if warnings is not None else [])

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

  def _predict(
    self, variables: dict[str, Variables], pixels: jax.Array
  ) -> dict[str, Any]:
    """Returns what each task predicts for videos, uint8 [batch, ...]."""
    frames = normalize(pixels, jnp.zeros(len(pixels), bool))
    outputs: Any = self.model.network.apply(variables, frames)
    predicted: dict[str, Any] = {}
    for task in self.model.tasks:
      predicted |= task.predict(outputs[task.name])
    return predicted

  def _judge(self, clips: list[Clip], batch: int) -> list[Judgement]:
    """Returns the judgements of at most `batch` clips."""
    model = self.model
    rows = [_pixels(clip, model) for clip in clips]
    rows += [rows[-1]] * (batch - len(rows))
    pixels = np.stack(rows)
    with self._lock:  # So that threads do not compile the same at once.
      outputs = jax.device_get(self._step(self._variables, pixels))
      importance = None
      if self._importance is not None:
        importance = jax.device_get(
          self._importance(
            self._variables['params'], self._variables['batch_stats'], pixels
          )
        )
    for task in model.tasks:
      outputs |= task.decode(outputs, model.schema)
    return [
      self._judgement(
        clip,
        _row(outputs, i),
        None if importance is None else importance[i],
      )
      for i, clip in enumerate(clips)
    ]

  def _judgement(
    self, clip: Clip, row: dict[str, Any], importance: np.ndarray | None
  ) -> Judgement:
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
      half = model.intervals.half_width(COVERAGE)
      if math.isfinite(half):
        interval = (max(score - half, 0.0), score + half)
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
      highest = _MAX_EXECUTION * max(difficulties.values())
      if score > highest:
        warnings.append(
          f'Score and classes do not fit each other: a {number} gets '
          f'{highest:.1f} points at most.'
        )
    offsets = model.video_input.offsets()
    offsets -= offsets[0]
    caption = row.get('captions')
    return Judgement(
      name=clip.name,
      score=score,
      score_interval=interval,
      classes=classes,
      class_probabilities=probabilities,
      dive_number=number,
      difficulties=difficulties,
      caption=None if caption is None else ' '.join(caption),
      frame_numbers=clip.numbers[offsets],
      frame_seconds=clip.seconds[offsets],
      importance=importance,
      warnings=tuple(warnings),
      is_of_simulated_dives=model.is_of_simulated_dives,
      pictures=tuple(clip.pictures[i] for i in offsets if clip.pictures),
    )


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
