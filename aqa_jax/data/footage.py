"""Videos of events with the times of their dives, to learn to find them."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from aqa_jax.data import batches
from aqa_jax.data.batches import HostBatch, Row
from aqa_jax.data.dive_split import open_builder
from aqa_jax.data.encoded_frames import decode_frame, encoded_video
from aqa_jax.data.phases import phases_at
from tfds_mtl_aqa.input_error import InputError

# Frames that are predicted at once, and so many on each side that only help.
CHUNK = 256


@dataclasses.dataclass(frozen=True)
class WindowInput:
  """Which pixels of a video the network sees in training.

  Attributes:
    frames: frames of a window.
    min_speed: how fast a video is shown at least, as a share of its rate.
    max_speed: how fast it is shown at most.
    min_zoom: side of the part of a frame that is cut out, at least, as a share.
    colour: how strongly colours are changed, from 0 to 1.
    flip: whether to mirror left and right at random.
  """

  frames: int
  min_speed: float
  max_speed: float
  min_zoom: float
  colour: float
  flip: bool

  def check(self) -> None:
    """Raises InputError where a field can't be."""
    for name, is_right, remedy in (
      ('frames', self.frames >= 2, 'give 2 or more'),
      ('min_speed', self.min_speed > 0, 'give more than 0'),
      ('max_speed', self.max_speed >= self.min_speed, 'give min_speed or more'),
      ('min_zoom', 0 < self.min_zoom <= 1, 'give more than 0, up to 1'),
      ('colour', 0 <= self.colour <= 1, 'give 0 to 1'),
    ):
      if not is_right:
        value = getattr(self, name)
        raise InputError(f'config.input.{name}={value}: {remedy}.')


@dataclasses.dataclass(frozen=True)
class Video:
  """A video of an event.

  Attributes:
    name: name of the video, for errors.
    frames: JPEG files.
    dives: (take-off, entry) of each dive, s from the first frame.
  """

  name: str
  frames: Sequence[bytes]
  dives: tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True)
class Footage:
  """Videos of events.

  Attributes:
    videos: the videos.
    frames_per_second: of all of them.
    size: (width, height) of their frames, pixels.
    dataset: name, config and version of the dataset.
  """

  videos: Sequence[Video]
  frames_per_second: float
  size: tuple[int, int]
  dataset: str


def open_footage(name: str, data_dir: str, split: str) -> Footage:
  """Opens a split of a dataset of videos of events; keeps its JPEG files.

  Args:
    name: such as 'simulated_footage/small'.
    data_dir: folder of all datasets; '' for TFDS's default.
    split: name of the split.

  Raises:
    InputError: the dataset has no dives' times, or is not prepared.
  """
  builder = open_builder(name, data_dir)
  features = builder.info.features
  if not {'take_off_seconds', 'entry_seconds'} <= set(features):
    raise InputError(
      f'config.dataset.name={name!r}: its features lack take_off_seconds and '
      'entry_seconds; give a dataset of footage, such as simulated_footage.'
    )
  if split not in builder.info.splits:
    raise InputError(
      f'{builder.info.full_name} has no split {split!r}; it has '
      f'{", ".join(sorted(builder.info.splits))}.'
    )
  source: Any = builder.as_data_source(
    split,  # type: ignore[arg-type]  # TFDS's decorator hides the parameters.
    decoders=encoded_video(),  # type: ignore[arg-type]
  )
  _, height, width, _ = features['video'].shape
  metadata: Mapping[str, Any] = builder.info.metadata or {}
  return Footage(
    videos=[
      Video(
        f'{name}, {split}, video {index}',
        row['video'],
        tuple(
          zip(
            map(float, row['take_off_seconds']),
            map(float, row['entry_seconds']),
            strict=True,
          )
        ),
      )
      for index, row in enumerate(source)
    ],
    frames_per_second=float(metadata['frames_per_second']),
    size=(width, height),
    dataset=builder.info.full_name,
  )


def make_row(
  video: Video,
  footage: Footage,
  window: WindowInput,
  rng: np.random.Generator,
) -> Row:
  """Returns one row of a batch of training: a random part of a video.

  Args:
    video: the video.
    footage: set that it belongs to.
    window: which pixels to take.
    rng: draws the part, speed, place, colours and flip.

  Returns:
    video uint8 [frames, height, width, 3], RGB; flip bool; phases.

  Raises:
    DecodeError: a frame is no JPEG file.
  """
  speed = rng.uniform(window.min_speed, window.max_speed)
  span = speed * (window.frames - 1)
  room = max(len(video.frames) - 1 - span, 0)
  first = rng.uniform(0, room)
  if video.dives and rng.random() < 0.5:
    # Half of the windows have a dive in them for sure.
    entry = video.dives[rng.integers(len(video.dives))][1]
    place = entry * footage.frames_per_second - rng.uniform(0.05, 1.0) * span
    first = min(max(place, 0), room)
  places = first + speed * np.arange(window.frames)
  # A video that is too short repeats its last frame.
  numbers = np.minimum(np.round(places), len(video.frames) - 1).astype(int)
  images = {n: decode_frame(video.frames[n], video.name) for n in set(numbers)}
  frames = np.stack([images[number] for number in numbers])
  return {
    'video': _changed(frames, window, rng),
    'flip': np.bool_(window.flip and rng.random() < 0.5),
    'phases': phases_at(places / footage.frames_per_second, video.dives),
  }


def _changed(
  frames: np.ndarray, window: WindowInput, rng: np.random.Generator
) -> np.ndarray:
  """Returns a part of each frame, the same, in other colours."""
  _, height, width, _ = frames.shape
  zoom = rng.uniform(window.min_zoom, 1.0)
  stretch = rng.uniform(max(window.min_zoom, 0.8), 1.0)
  rows, columns = max(round(zoom * stretch * height), 1), round(zoom * width)
  top = int(rng.integers(height - rows + 1))
  left = int(rng.integers(width - columns + 1))
  part = frames[:, top : top + rows, left : left + columns]
  part = np.stack(
    [
      cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
      for image in np.ascontiguousarray(part)
    ]
  )
  if rng.random() >= window.colour:
    return part
  mixing = np.eye(3)
  if rng.random() < 0.5:
    mixing = mixing[rng.permutation(3)]
  grey = np.full((3, 3), 1 / 3)
  mixing = mixing + rng.uniform(-0.2, 1.0) * (grey - mixing)
  mixing = mixing * rng.uniform(0.6, 1.5) * rng.uniform(0.8, 1.2, (1, 3))
  middle = rng.uniform(60, 160)
  changed = (part.astype(np.float32) - middle) @ mixing.astype(np.float32)
  changed += rng.uniform(60, 160)
  if rng.random() < 0.5:
    # Noise of a few images serves all: drawing it takes time.
    noise = rng.standard_normal((4, height, width, 3), np.float32)
    changed += rng.uniform(0, 12) * noise[np.arange(len(changed)) % 4]
  return np.clip(changed, 0, 255).astype(np.uint8)


def training_batches(
  footage: Footage,
  window: WindowInput,
  batch_size: int,
  part: tuple[int, int],
  seed: int,
  first_step: int,
) -> Iterator[HostBatch]:
  """Yields the batches of training; see `batches.shuffled`.

  Args:
    footage: videos to train on.
    window: which pixels to take.
    batch_size: rows of the whole batch.
    part: number of the part, from 0, and number of parts.
    seed: seed of shuffling and augmentation.
    first_step: step to begin at.
  """
  return batches.shuffled(
    footage.videos,
    lambda video, rng: make_row(video, footage, window, rng),
    batch_size,
    part,
    seed,
    first_step,
  )


@dataclasses.dataclass(frozen=True)
class Chunks:
  """Parts of videos, of CHUNK frames each, that overlap by twice a margin.

  Attributes:
    videos: the videos.
    margin: frames of a chunk whose predictions do not count, on each side that
      is not an end of the video.
  """

  videos: Sequence[Video]
  margin: int

  def parts(self) -> list[tuple[int, int]]:
    """Returns (video, first frame) of each chunk, in order."""
    step = CHUNK - 2 * self.margin
    return [
      (index, first)
      for index, video in enumerate(self.videos)
      for first in range(0, max(len(video.frames) - 2 * self.margin, 1), step)
    ]

  def make_row(self, part: tuple[int, int]) -> Row:
    """Returns video uint8 [CHUNK, height, width, 3], and flip."""
    index, first = part
    video = self.videos[index]
    data = video.frames[first : first + CHUNK]
    frames = [decode_frame(frame, video.name) for frame in data]
    frames += [frames[-1]] * (CHUNK - len(frames))
    return {'video': np.stack(frames), 'flip': np.bool_(False)}

  def joined(self, predicted: np.ndarray) -> list[np.ndarray]:
    """Returns the predictions for each video, [frames, ...].

    Args:
      predicted: [chunks, CHUNK, ...], in the order of `parts`.
    """
    found: list[list[np.ndarray]] = [[] for _ in self.videos]
    for (index, first), values in zip(self.parts(), predicted, strict=True):
      end = len(self.videos[index].frames)
      is_last = first + CHUNK >= end
      begin = self.margin if first else 0
      last = end - first if is_last else CHUNK - self.margin
      found[index].append(values[begin:last])
    return [np.concatenate(values) for values in found]
