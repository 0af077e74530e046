"""The pixels of a dive that a network sees."""

import dataclasses

import cv2
import numpy as np
from numpy.typing import DTypeLike
from PIL import Image

from aqa_jax.data.batches import Row
from aqa_jax.data.dive_input import DiveInput
from aqa_jax.data.dive_split import dive_key
from aqa_jax.data.encoded_frames import decode_frame
from aqa_jax.data.schema import Example
from tfds_mtl_aqa.input_error import InputError

# The official code draws one of these for each frame.
_RANDOM_FILTERS = (
  Image.Resampling.NEAREST,
  Image.Resampling.BILINEAR,
  Image.Resampling.BICUBIC,
  Image.Resampling.LANCZOS,
)


@dataclasses.dataclass(frozen=True)
class VideoInput(DiveInput):
  """Which pixels of a stored dive the network sees.

  Attributes:
    window_frames: stored frames without the margins; 103 in the paper.
    frames: how many of the window's frames are used; 96 in the paper for
      C3D-AVG, 16 for MSCADC.
    stride: distance from one of them to the next, in frames: 1 for C3D-AVG; 6.5
      for MSCADC. Places are rounded down: 0, 6, 13, ..., 97.
    anchor: 'end' uses the last frames of the window, which show the entry and
      the splash; 'start' uses the first ones, as in the official code.
    max_shift: temporal augmentation in frames; 3 in the paper.
    crop: side of the centred square crop in pixels; 112 in the paper.
    flip: mirror half of the training videos, as in the paper.
    resize: (width, height) in pixels that the stored frames are resized to;
      empty to use them as they are.
    interpolation: how they are resized: 'area'; or 'random', one of four
      filters for each frame, also in evaluation, as in the official code.
    resize_evaluation: False leaves out the resizing in evaluation, as the
      official MSCADC does by mistake.
  """

  window_frames: int
  frames: int
  stride: float
  anchor: str
  max_shift: int
  crop: int
  flip: bool
  resize: tuple[int, ...] = ()
  interpolation: str = 'area'
  resize_evaluation: bool = True

  @property
  def shape(self) -> tuple[int, int, int, int]:
    """The (time, height, width, 3) that the network sees of a dive."""
    return self.frames, self.crop, self.crop, 3

  def specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of `video` and `flip`."""
    return {'video': (self.shape, np.uint8), 'flip': ((), np.bool_)}

  def read(self, example: Example, rng: np.random.Generator | None) -> Row:
    """Returns video, uint8 [frames, crop, crop, 3], and flip, bool.

    Raises:
      InputError: a stored frame can't be decoded, or is too small.
    """
    encoded = example['video']
    margin = (len(encoded) - self.window_frames) // 2
    head, tail = (int(count) for count in example.get('padded_frames', (0, 0)))
    shift, flip = 0, False
    if rng is not None:
      # Not into padding, whose frames repeat their neighbour.
      low = -min(self.max_shift, max(margin - head, 0))
      high = min(self.max_shift, max(margin - tail, 0))
      shift = int(rng.integers(low, high + 1))
      flip = bool(rng.random() < 0.5) and self.flip
    chosen = [encoded[margin + shift + offset] for offset in self.offsets()]
    return {
      'video': _decode_frames(chosen, self, example, rng),
      'flip': np.bool_(flip),
    }

  def offsets(self) -> np.ndarray:
    """Returns int [frames]: which frames of the window are used."""
    offsets = np.floor(self.stride * np.arange(self.frames)).astype(int)
    if self.anchor == 'end':
      offsets += self.window_frames - 1 - offsets[-1]
    return offsets

  def check(
    self, num_frames: int, height: int | None, width: int | None
  ) -> None:
    """Checks that the fields fit the stored dives.

    Args:
      num_frames: stored frames.
      height: height of the stored frames; None where it differs from dive to
        dive, and has to be checked when a dive is read.
      width: width of the stored frames, or None.

    Raises:
      InputError: a field does not fit; the message names it.
    """
    margin = (num_frames - self.window_frames) // 2
    resize_fits = not self.resize or (
      len(self.resize) == 2 and min(self.resize) >= self.crop
    )
    sizes: list[tuple[int, ...]] = []
    if width is not None and height is not None:
      sizes.append((width, height))
    if self.resize and resize_fits:
      sizes = [self.resize] + (not self.resize_evaluation) * sizes
    smallest: tuple[int, ...] = (self.crop, self.crop)
    if sizes:
      smallest = min(sizes, key=lambda size: min(size))
    problems = {
      f'anchor={self.anchor!r}: give start or end': (
        self.anchor not in ('start', 'end')
      ),
      f'window_frames={self.window_frames}: the dataset stores {num_frames} '
      'frames a dive; give that or less': margin < 0,
      f'stride={self.stride}: give 1 or more': not self.stride >= 1,
      f'frames={self.frames} at stride {self.stride:g}: the window has '
      f'{self.window_frames}; give less': (
        self.stride * (self.frames - 1) >= self.window_frames
      ),
      f'frames={self.frames}: give 1 or more': self.frames < 1,
      f'max_shift={self.max_shift}: {margin} frames are stored on each side of '
      'the window': (not 0 <= self.max_shift <= max(margin, 0)),
      f'interpolation={self.interpolation!r}: give area or random': (
        self.interpolation not in ('area', 'random')
      ),
      f'resize={tuple(self.resize)}: give () or (width, height), neither '
      f'below crop={self.crop}': not resize_fits,
      f'crop={self.crop}: the frames are {smallest[0]} x {smallest[1]} '
      'pixels; give no more than the smaller side': (
        not 1 <= self.crop <= min(smallest)
      ),
    }
    for message, is_problem in problems.items():
      if is_problem:
        raise InputError(f'config.input.{message}.')


def crop_offset(size: int, crop: int) -> int:
  """Returns where a centred crop begins, rounded as torchvision does it."""
  return round((size - crop) / 2)


def _decode_frames(
  encoded: list[bytes],
  video_input: VideoInput,
  example: Example,
  rng: np.random.Generator | None,
) -> np.ndarray:
  """Returns the centred crops, uint8 [frames, crop, crop, 3]."""
  dive = f'dive {dive_key(example)}'
  crop = video_input.crop
  is_resized = video_input.resize and (
    rng is not None or video_input.resize_evaluation
  )
  if rng is None:
    # In evaluation too the filters are random, but the same every time.
    rng = np.random.default_rng(dive_key(example))
  frames = np.empty((len(encoded), crop, crop, 3), np.uint8)
  for index, data in enumerate(encoded):
    frame = decode_frame(data, dive)
    if is_resized:
      frame = _resized(frame, video_input, rng)
    height, width, _ = frame.shape
    if min(height, width) < crop:
      raise InputError(
        f'config.input.crop={crop}: the frames of {dive} are {width} x '
        f'{height} pixels; give config.input.resize, or a smaller crop.'
      )
    top, left = crop_offset(height, crop), crop_offset(width, crop)
    frames[index] = frame[top : top + crop, left : left + crop]
  return frames


def _resized(
  frame: np.ndarray, video_input: VideoInput, rng: np.random.Generator
) -> np.ndarray:
  """Returns a frame of the size asked for, uint8 [height, width, 3]."""
  width, height = video_input.resize
  size = (width, height)
  if video_input.interpolation == 'area':
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
  drawn = _RANDOM_FILTERS[rng.integers(len(_RANDOM_FILTERS))]
  return np.asarray(Image.fromarray(frame).resize(size, drawn))
