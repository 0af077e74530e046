"""From numbered JPEG files to batches, as the official code reads them."""

import os
import pathlib
from collections.abc import Iterator

import cv2
import ml_collections
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

# The official code draws one of these for each frame.
_FILTERS = (
  Image.Resampling.NEAREST,
  Image.Resampling.BILINEAR,
  Image.Resampling.BICUBIC,
  Image.Resampling.LANCZOS,
)
_MEAN = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
_STD = torch.tensor((0.229, 0.224, 0.225))[:, None, None]
# Network -> (width, height) to which the official code resizes frames.
_RESIZE = {'c3davg': (171, 128), 'mscadc': (640, 360)}


class DiveFrames(Dataset):
  """Dives as folders of frames; one item is the video of a dive."""

  def __init__(
    self,
    folder: pathlib.Path,
    config: ml_collections.ConfigDict,
    is_official: bool,
  ):
    """Lists the dives.

    Args:
      folder: holds a folder of numbered JPEG files a dive.
      config: config of the network: which frames it sees.
      is_official: Pillow, a resize with a filter drawn for each frame, and
        float32 that is normalised here. Otherwise OpenCV, frames that are
        stored in the size that they are needed in, and uint8.
    """
    self._dives = sorted(folder.iterdir())
    self._input = config.input
    # The frames of a toy are stored in the size that it needs.
    is_toy = config.input.crop < 112
    self._resize = None if is_toy else _RESIZE[config.network]
    self._is_official = is_official

  def __len__(self) -> int:
    return len(self._dives)

  def __getitem__(self, index: int) -> torch.Tensor:
    """Returns a video with temporal shift and flip.

    Returns:
      float32 [3, time, height, width], normalised, as the official code; or
      uint8 [time, height, width, 3].
    """
    paths = sorted(self._dives[index].glob('*.jpg'))
    video = self._input
    margin = (len(paths) - video.window_frames) // 2
    shift = int(torch.randint(-video.max_shift, video.max_shift + 1, ()))
    flip = bool(torch.rand(()) < 0.5)
    offsets = np.floor(video.stride * np.arange(video.frames)).astype(int)
    if video.anchor == 'end':
      offsets += video.window_frames - 1 - offsets[-1]
    used = [paths[margin + shift + offset] for offset in offsets]
    if self._is_official:
      return torch.stack([self._as_official(path, flip) for path in used], 1)
    frames = np.stack([self._decoded(path) for path in used])
    return torch.from_numpy(frames[:, :, ::-1].copy() if flip else frames)

  def _as_official(self, path: pathlib.Path, flip: bool) -> torch.Tensor:
    """Returns a frame, float32 [3, height, width]."""
    image = Image.open(path).convert('RGB')
    if self._resize:
      drawn = _FILTERS[int(torch.randint(len(_FILTERS), ()))]
      image = image.resize(self._resize, drawn)
    left, top = self._corner(image.width, image.height)
    crop = self._input.crop
    image = image.crop((left, top, left + crop, top + crop))
    if flip:
      image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    return (pixels.float() / 255 - _MEAN) / _STD

  def _decoded(self, path: pathlib.Path) -> np.ndarray:
    """Returns a frame, uint8 [height, width, 3]."""
    frame = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    height, width, _ = frame.shape
    left, top = self._corner(width, height)
    crop = self._input.crop
    return frame[top : top + crop, left : left + crop]

  def _corner(self, width: int, height: int) -> tuple[int, int]:
    crop = self._input.crop
    return round((width - crop) / 2), round((height - crop) / 2)


class _Draws(Sampler):
  """Draws a number of dives that can be changed between epochs."""

  def __init__(self, num_dives: int):
    self._num_dives = num_dives
    self.count = num_dives

  def __len__(self) -> int:
    return self.count

  def __iter__(self) -> Iterator[int]:
    drawn = torch.randint(self._num_dives, (self.count,))
    return iter(drawn.tolist())


class Batches:
  """A DataLoader with a worker for each core, that yields so many batches."""

  def __init__(self, dives: DiveFrames, batch_size: int):
    """Starts no worker yet."""
    self._draws = _Draws(len(dives))
    self._batch_size = batch_size
    self._loader = DataLoader(
      dives,
      batch_size,
      sampler=self._draws,
      num_workers=len(os.sched_getaffinity(0)),
      persistent_workers=True,
    )

  def read(self, count: int) -> None:
    """Reads so many batches; nothing is read ahead for the next call."""
    self._draws.count = count * self._batch_size
    for _ in self._loader:
      pass
