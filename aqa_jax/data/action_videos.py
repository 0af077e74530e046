"""Videos of actions, each of one class: to pretrain a trunk on."""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import tensorflow_datasets as tfds

from aqa_jax.data import batches
from aqa_jax.data.batches import HostBatch, Row
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.encoded_frames import decode_frame, encoded_video
from tfds_mtl_aqa.clips import video_file
from tfds_mtl_aqa.input_error import InputError

# Given the first frame and how many, returns frames, uint8 RGB.
_ReadFrames = Callable[[int, int], Sequence[np.ndarray]]

_SUFFIXES = ('.avi', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm')
# UCF-101 cuts several videos from each recording: v_Diving_g07_c02.avi.
_GROUP = re.compile(r'_g(\d+)_c\d+$')


@dataclasses.dataclass(frozen=True)
class ClipInput:
  """Which pixels of a video the network sees.

  Attributes:
    frames: frames of a clip; 16 in the paper.
    stride: steps from one of them to the next, in frames of the video.
    height: height that frames are resized to, in pixels.
    width: width that frames are resized to, in pixels.
    crop: side of the square that is cut out, in pixels: at random in training,
      from the middle otherwise.
    flip: mirror half of the training clips.
  """

  frames: int
  stride: int
  height: int
  width: int
  crop: int
  flip: bool

  def check(self) -> None:
    """Checks that the fields go together.

    Raises:
      InputError: a field is wrong; the message names it.
    """
    if min(self.frames, self.stride) < 1:
      raise InputError(
        f'config.input.frames={self.frames}, stride={self.stride}: give 1 or '
        'more.'
      )
    if not 1 <= self.crop <= min(self.height, self.width):
      raise InputError(
        f'config.input.crop={self.crop}: the frames are resized to '
        f'{self.width} x {self.height} pixels.'
      )


@dataclasses.dataclass(frozen=True)
class ActionVideos:
  """Videos with their classes.

  Attributes:
    class_names: names of the classes, in the order of the labels.
    labels: int [videos].
    groups: str [videos]; videos of one group show the same recording.
    held_out: bool [videos], which of them choose the checkpoint; None if
      `hold_out` draws them by group.
    clip_reader: given the place of a video, returns its number of frames, and a
      function of (first, count) that returns so many frames, uint8 RGB.
  """

  class_names: tuple[str, ...]
  labels: np.ndarray
  groups: np.ndarray
  clip_reader: Callable[[int], tuple[int, _ReadFrames]]
  held_out: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.labels)


def open_videos(
  name: str, data_dir: str, split: str, validation_split: str
) -> ActionVideos:
  """Opens a folder of class-named folders of videos, or a TFDS dataset.

  Args:
    name: path of the folder, or such as 'ucf101/ucf101_1'.
    data_dir: where TFDS keeps its datasets; empty for its default.
    split: split of the TFDS dataset to train on; of a folder all videos count.
    validation_split: split of the TFDS dataset to choose the checkpoint by.
      TFDS does not say which videos show the same recording; its splits keep
      them apart.

  Raises:
    InputError: it is neither, is empty, or has fewer than two classes.
  """
  folder = pathlib.Path(name)
  if folder.is_dir():
    return _open_folder(folder)
  try:
    builder = tfds.builder(
      name, data_dir=data_dir or None, file_format='array_record'
    )
    train, validation = (
      builder.as_data_source(part, decoders=encoded_video())
      for part in (split, validation_split)
    )
  except (
    tfds.core.DatasetNotFoundError,
    AssertionError,
    FileNotFoundError,
    ImportError,
    KeyError,
    NotImplementedError,
    ValueError,
  ) as e:
    raise InputError(
      f'config.dataset.name={name!r}: is no folder, and TFDS can not open it '
      f'({str(e).splitlines()[0] if str(e) else type(e).__name__}).'
    ) from e
  labels = [int(row['label']) for part in (train, validation) for row in part]

  def clip_reader(index: int) -> tuple[int, _ReadFrames]:
    is_later = index >= len(train)
    source = validation if is_later else train
    encoded = source[index - is_later * len(train)]['video']

    def read(first: int, count: int) -> list[np.ndarray]:
      frames = encoded[first : first + count]
      return [decode_frame(data, f'{name}, video {index}') for data in frames]

    return len(encoded), read

  return ActionVideos(
    class_names=tuple(builder.info.features['label'].names),
    labels=np.array(labels),
    groups=np.arange(len(labels)).astype(str),
    clip_reader=clip_reader,
    held_out=np.arange(len(labels)) >= len(train),
  )


def _open_folder(folder: pathlib.Path) -> ActionVideos:
  classes = [path for path in _visible(folder) if path.is_dir()]
  paths, labels = [], []
  for label, path in enumerate(classes):
    found = [f for f in _visible(path) if f.suffix.lower() in _SUFFIXES]
    if not found:
      raise InputError(
        f'{path}: holds no video ({", ".join(_SUFFIXES)}); every folder in '
        f'{folder} is a class.'
      )
    paths += found
    labels += [label] * len(found)
  if len(classes) < 2:
    raise InputError(
      f'{folder}: holds {len(classes)} folders; give one for each class, with '
      'its videos in it.'
    )

  def clip_reader(index: int) -> tuple[int, _ReadFrames]:
    video = video_file.probe(paths[index], check_rate=False)

    def read(first: int, count: int) -> list[np.ndarray]:
      return [frame[..., ::-1] for frame in video.read(first, count)]

    return video.num_frames, read

  return ActionVideos(
    class_names=tuple(path.name for path in classes),
    labels=np.array(labels),
    groups=np.array(
      [
        f'{path.parent.name}/{match[1] if match else path.stem}'
        for path in paths
        for match in [_GROUP.search(path.stem)]
      ]
    ),
    clip_reader=clip_reader,
  )


def _visible(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns what is in a folder, without what macOS adds to every file."""
  return sorted(p for p in folder.iterdir() if not p.name.startswith('._'))


def hold_out(
  videos: ActionVideos, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns which videos to train on and which to choose checkpoints by.

  Args:
    videos: videos to divide.
    fraction: fraction of each class's groups to hold out, if `videos.held_out`
      is None.
    seed: seed of the draw.

  Returns:
    Indices, in order. No group is in both.

  Raises:
    InputError: one of them would be empty.
  """
  if videos.held_out is not None:
    return np.flatnonzero(~videos.held_out), np.flatnonzero(videos.held_out)
  rng = np.random.default_rng(seed)
  held_out = np.zeros(len(videos), bool)
  for label in range(len(videos.class_names)):
    groups = np.unique(videos.groups[videos.labels == label])
    chosen = rng.permutation(groups)[: round(fraction * len(groups))]
    held_out |= np.isin(videos.groups, chosen) & (videos.labels == label)
  if held_out.all() or not held_out.any():
    raise InputError(
      f'config.validation.fraction={fraction} of {len(videos)} videos leaves '
      f'{held_out.sum()} to validate on; give another fraction, or more videos.'
    )
  return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def make_row(
  videos: ActionVideos,
  index: int,
  clip_input: ClipInput,
  rng: np.random.Generator | None,
) -> Row:
  """Returns one row of a batch.

  Args:
    videos: videos that `index` refers to.
    index: place of the video, from 0.
    clip_input: which pixels to take.
    rng: draws the clip, the crop and the flip; None for the middle and no flip.

  Returns:
    video uint8 [frames, crop, crop, 3], RGB; flip bool; action int32.

  Raises:
    InputError: the video can't be decoded.
  """
  num_frames, read = videos.clip_reader(int(index))
  span = min((clip_input.frames - 1) * clip_input.stride + 1, num_frames)
  rooms = (
    num_frames - span,
    clip_input.height - clip_input.crop,
    clip_input.width - clip_input.crop,
  )
  if rng is None:
    first, top, left = (room // 2 for room in rooms)
    flip = False
  else:
    first, top, left = (int(rng.integers(room + 1)) for room in rooms)
    flip = bool(rng.random() < 0.5) and clip_input.flip
  frames = read(first, span)
  # A video that is too short repeats its last frame.
  chosen = np.minimum(
    np.arange(clip_input.frames) * clip_input.stride, len(frames) - 1
  )
  size = (clip_input.width, clip_input.height)
  clip = np.stack(
    [
      cv2.resize(
        np.ascontiguousarray(frames[i]), size, interpolation=cv2.INTER_AREA
      )
      for i in chosen
    ]
  )
  return {
    'video': clip[
      :, top : top + clip_input.crop, left : left + clip_input.crop
    ],
    'flip': np.bool_(flip),
    'action': np.int32(videos.labels[index]),
  }


def training_batches(
  videos: ActionVideos,
  indices: np.ndarray,
  clip_input: ClipInput,
  batch_size: int,
  part: tuple[int, int],
  seed: int,
  first_step: int,
  corrupt: CorruptRecords,
) -> Iterator[HostBatch]:
  """Yields the batches of training; see `batches.shuffled`.

  Args:
    videos: videos that `indices` refer to.
    indices: indices of the videos to train on.
    clip_input: which pixels to take.
    batch_size: rows of the whole batch.
    part: number of the part, from 0, and number of parts.
    seed: seed of shuffling and augmentation.
    first_step: step to begin at.
    corrupt: counts the videos that can't be decoded; another video takes the
      place of each.
  """

  def make_readable_row(index: int, rng: np.random.Generator) -> Row:
    while True:
      try:
        return make_row(videos, index, clip_input, rng)
      except InputError as e:
        corrupt.leave_out(f'video {int(index)}', str(e))
        index = indices[rng.integers(len(indices))]

  return batches.shuffled(
    indices,
    make_readable_row,
    batch_size,
    part,
    seed,
    first_step,
  )
