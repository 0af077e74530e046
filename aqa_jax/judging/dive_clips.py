"""Cuts the dives of a video, which are looked for, into clips."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from aqa_jax.evaluation.found_dives import FoundDive
from aqa_jax.judging.clip import Clip
from aqa_jax.judging.dive_search import DiveSearch
from aqa_jax.judging.frame_buffer import NEAR, FrameBuffer
from aqa_jax.judging.model import Model
from aqa_jax.judging.video import VideoFrame
from tfds_mtl_aqa.input_error import InputError

# What is less sure is told. More than 98 % of the simulated dives are surer.
_SURE = 0.85
# A video without a dive may have one that needs this share of the confidence.
UNSURE = 2 / 3
# A video of at most so many windows is cut already: it ends where it should.
_CUT = 1.25


def read_dives(
  name: str,
  frames: Iterable[VideoFrame],
  model: Model,
  search: DiveSearch,
  speed: float,
  with_pictures: bool,
  warnings: Sequence[str],
) -> Iterator[Clip]:
  """Yields a clip for each dive in a video, as soon as it is found.

  Where there is none, it yields one clip, the video's end, that is no dive.

  Args:
    name: path of the video, for messages.
    frames: all frames of the video, in the order of time; read one by one.
    model: tells how the clips are made.
    search: a search that has just begun.
    speed: how fast the video shows what happened.
    with_pictures: whether to make pictures of the frames, for people.
    warnings: what reading the frames has found; it may add to them.

  Raises:
    InputError: the video has no frames.
  """
  rate = model.frame_format.frames_per_second
  count = model.num_clip_frames
  window = count / rate
  buffer = FrameBuffer(
    model.frame_format,
    count,
    (NEAR * window + model.seconds_after_entry) / speed + search.seconds_late,
    speed,
    with_pictures,
  )

  def cut(dive: FoundDive) -> Clip:
    end = dive.entry + model.seconds_after_entry / speed
    return _with_dive(buffer.clip(name, warnings, end), dive)

  num_found = 0
  for frame in frames:
    buffer.add(frame)
    for dive in search.add(frame):
      num_found += 1
      yield cut(dive)
  if not buffer:
    raise InputError(f'{name}: has no frames; give a video.')
  left = search.finish()
  if not num_found and not left:
    left = _unsure(search, buffer)
  seconds = (buffer.last.seconds + buffer.interval) * speed
  is_cut = seconds <= _CUT * window and len(left) <= 1
  if num_found or (left and not is_cut):
    for dive in left:
      yield cut(dive)
    return
  clip = buffer.clip(name, warnings)
  if left:
    yield _with_dive(clip, left[0])
  else:
    yield dataclasses.replace(clip, is_dive=False)


def _with_dive(clip: Clip, dive: FoundDive) -> Clip:
  """Returns a clip with its dive, and a warning where that is not sure."""
  warnings = list(clip.warnings)
  if dive.confidence < _SURE:
    warnings.append(
      f'It is not sure that it shows a dive: confidence {dive.confidence:.2f}.'
    )
  return dataclasses.replace(
    clip, dive=dive, confidence=dive.confidence, warnings=tuple(warnings)
  )


def _unsure(search: DiveSearch, buffer: FrameBuffer) -> list[FoundDive]:
  """Returns the surest moment of a video without a dive, if it may be one."""
  dive = search.surest
  if (
    dive is None
    or dive.confidence < UNSURE * search.threshold
    or dive.entry < buffer.first.seconds
  ):
    return []
  return [dive]
