"""The pixels of a dive that a network sees."""

import dataclasses

import cv2
import numpy as np
from numpy.typing import DTypeLike
from PIL import Image

from aqa_jax.data.batches import Row
from aqa_jax.data.decoded_frames import DecodedFrames
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
CACHES = ('none', 'memory', 'device')


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
    cache: where the frames of a training are kept, decoded: 'none', 'memory' or
      'device'; see `cached_dives`. The pixels are the same.
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
  # Not in the text that names a folder of features: it changes no pixel.
  cache: str = dataclasses.field(default='none', repr=False)

  @property
  def shape(self) -> tuple[int, int, int, int]:
    """The (time, height, width, 3) that the network sees of a dive."""
    return self.frames, self.crop, self.crop, 3

  def specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of `video` and `flip`."""
    return {'video': (self.shape, np.uint8), 'flip': ((), np.bool_)}

  def read(self, example: Example, rng: np.random.Generator | None) -> Row:
    """Returns video, uint8 [frames, crop, crop, 3], and flip, bool.

    Of a dive of `cached_dives` the video is what is kept there; if it is kept
    on the device, `video_rows` is in its place: see `DecodedFrames`.

    Raises:
      InputError: a stored frame can't be decoded, or is too small.
    """
    frames = example['video']
    margin = self.margin(len(frames))
    head, tail = (int(count) for count in example.get('padded_frames', (0, 0)))
    shift, flip = 0, False
    if rng is not None:
      # Not into padding, whose frames repeat their neighbour.
      low = -min(self.max_shift, max(margin - head, 0))
      high = min(self.max_shift, max(margin - tail, 0))
      shift = int(rng.integers(low, high + 1))
      flip = bool(rng.random() < 0.5) and self.flip
    offsets = shift + self.offsets()
    inputs: Row = {'flip': np.bool_(flip)}
    if isinstance(frames, DecodedFrames):
      return inputs | frames.read(offsets)
    chosen = [frames[margin + offset] for offset in offsets]
    return inputs | {'video': _decode_frames(chosen, self, example, rng)}

  def margin(self, num_frames: int) -> int:
    """Returns how many of the stored frames are before the window."""
    return (num_frames - self.window_frames) // 2

  def offsets(self) -> np.ndarray:
    """Returns int [frames]: which frames of the window are used."""
    offsets = np.floor(self.stride * np.arange(self.frames)).astype(int)
    if self.anchor == 'end':
      offsets += self.window_frames - 1 - offsets[-1]
    return offsets

  def is_resized(self, is_training: bool) -> bool:
    """Returns whether stored frames are resized, in training or evaluation."""
    return bool(self.resize) and (is_training or self.resize_evaluation)

  def used_offsets(self, is_training: bool) -> np.ndarray:
    """Returns int [used], sorted: the frames of the window that `read` takes.

    Args:
      is_training: whether the window is shifted.
    """
    shifts = np.arange(-self.max_shift, self.max_shift + 1)
    return np.unique(self.offsets()[:, None] + is_training * shifts)

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
    margin = self.margin(num_frames)
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
      'the window; give that or less': (
        not 0 <= self.max_shift <= max(margin, 0)
      ),
      f'interpolation={self.interpolation!r}: give area or random': (
        self.interpolation not in ('area', 'random')
      ),
      f'resize={tuple(self.resize)}: give () or (width, height), neither '
      f'below crop={self.crop}': not resize_fits,
      f'crop={self.crop}: the frames are {smallest[0]} x {smallest[1]} '
      'pixels; give no more than the smaller side': (
        not 1 <= self.crop <= min(smallest)
      ),
      f'cache={self.cache!r}: give one of {", ".join(CACHES)}': (
        self.cache not in CACHES
      ),
      f"cache='{self.cache}': interpolation='random' makes other pixels of a "
      "frame each time; give cache='none', or interpolation='area'": (
        self.cache != 'none'
        and bool(self.resize)
        and self.interpolation == 'random'
      ),
    }
    for message, is_problem in problems.items():
      if is_problem:
        raise InputError(f'config.input.{message}.')


def crop_offset(size: int, crop: int) -> int:
  """Returns where a centred crop begins, rounded as torchvision does it."""
  return round((size - crop) / 2)


def decode_crop(
  data: bytes,
  video_input: VideoInput,
  dive: str,
  rng: np.random.Generator | None,
  is_resized: bool,
) -> np.ndarray:
  """Returns the centred crop of a frame, uint8 [crop, crop, 3].

  Args:
    data: the frame as it is stored.
    video_input: what the network sees of it.
    dive: name of the dive, for errors.
    rng: draws the filter of interpolation='random'; None where there is none.
    is_resized: whether the frame is resized first.

  Raises:
    DecodeError: the frame can't be decoded.
    InputError: it is smaller than the crop.
  """
  frame = decode_frame(data, dive)
  if is_resized:
    frame = _resized(frame, video_input, rng)
  crop = video_input.crop
  height, width, _ = frame.shape
  if min(height, width) < crop:
    raise InputError(
      f'config.input.crop={crop}: the frames of {dive} are {width} x '
      f'{height} pixels; give config.input.resize, or a smaller crop.'
    )
  top, left = crop_offset(height, crop), crop_offset(width, crop)
  return frame[top : top + crop, left : left + crop]


def _decode_frames(
  encoded: list[bytes],
  video_input: VideoInput,
  example: Example,
  rng: np.random.Generator | None,
) -> np.ndarray:
  """Returns the centred crops, uint8 [frames, crop, crop, 3]."""
  dive = f'dive {dive_key(example)}'
  is_resized = video_input.is_resized(rng is not None)
  if rng is None:
    # In evaluation too the filters are random, but the same every time.
    rng = np.random.default_rng(dive_key(example))
  frames = np.empty(video_input.shape, np.uint8)
  for index, data in enumerate(encoded):
    frames[index] = decode_crop(data, video_input, dive, rng, is_resized)
  return frames


def _resized(
  frame: np.ndarray,
  video_input: VideoInput,
  rng: np.random.Generator | None,
) -> np.ndarray:
  """Returns a frame of the size asked for, uint8 [height, width, 3]."""
  width, height = video_input.resize
  size = (width, height)
  if video_input.interpolation == 'area' or rng is None:
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
  drawn = _RANDOM_FILTERS[rng.integers(len(_RANDOM_FILTERS))]
  return np.asarray(Image.fromarray(frame).resize(size, drawn))
