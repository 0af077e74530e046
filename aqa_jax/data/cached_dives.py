"""Dives whose frames are decoded once, and kept in memory.

A frame is kept as the network sees it: cropped, uint8. The rest, which frames
and whether they are mirrored, is drawn for every batch as without a cache, so
the batches are the same, bit by bit.
"""

import concurrent.futures
import dataclasses
import sys

import numpy as np
import tqdm

from aqa_jax.data.batches import Source
from aqa_jax.data.decoded_frames import DecodedFrames
from aqa_jax.data.dive_split import dive_key
from aqa_jax.data.encoded_frames import DecodeError
from aqa_jax.data.schema import Example
from aqa_jax.data.video_input import VideoInput, decode_crop
from tfds_mtl_aqa.cores import available_cores


@dataclasses.dataclass(frozen=True)
class CachedDives:
  """Dives with their frames.

  Attributes:
    examples: the examples, `video` a `DecodedFrames`; one whose record can't be
      read is as the source gives it.
    crops: uint8 [dives, kept, crop, crop, 3], the frames.
  """

  examples: list[Example]
  crops: np.ndarray


def crops_shape(
  video_input: VideoInput, is_training: bool, num_dives: int
) -> tuple[int, int, int, int, int]:
  """Returns the shape of what is kept: (dives, kept, crop, crop, 3).

  Args:
    video_input: which pixels are kept.
    is_training: whether the frames are kept that temporal shifts reach.
    num_dives: how many dives.
  """
  kept = len(video_input.used_offsets(is_training))
  return num_dives, kept, video_input.crop, video_input.crop, 3


def decode_dives(
  source: Source[Example],
  video_input: VideoInput,
  is_training: bool,
  on_device: bool,
  description: str,
  shows_progress: bool = True,
) -> CachedDives:
  """Decodes the frames of dives, in as many threads as there are cores.

  Args:
    source: source of examples with encoded frames.
    video_input: which pixels are kept.
    is_training: whether the frames are kept that temporal shifts reach.
    on_device: whether the frames go on to a device: batches then have their
      rows there instead of them, see `DecodedFrames`.
    description: what the line of progress says.
    shows_progress: whether there is one, on standard error.

  Raises:
    InputError: the frames of a dive are smaller than the crop.
  """
  offsets = video_input.used_offsets(is_training)
  # Not np.empty: frames that can't be decoded are zero.
  crops = np.zeros(crops_shape(video_input, is_training, len(source)), np.uint8)
  progress = tqdm.tqdm(
    total=len(source),
    desc=description,
    unit='dive',
    mininterval=0.5 if sys.stderr.isatty() else 15,
    dynamic_ncols=True,
    disable=not shows_progress,
  )

  def decoded(index: int) -> Example:
    example = source[index]
    video = example['video']
    try:
      num_stored = len(video)
    except DecodeError:
      # Reading it for a batch raises again.
      return example
    dive = f'dive {dive_key(example)}'
    margin = video_input.margin(num_stored)
    damaged = _decode_into(
      crops[index],
      [video[margin + offset] for offset in offsets],
      video_input,
      is_training,
      dive,
    )
    frames = DecodedFrames(
      num_stored=num_stored,
      offsets=offsets,
      crops=None if on_device else crops[index],
      first_row=index * len(offsets),
      damaged=damaged,
      dive=dive,
    )
    return {**example, 'video': frames}

  pool = concurrent.futures.ThreadPoolExecutor(available_cores())
  try:
    examples = []
    for example in pool.map(decoded, range(len(source))):
      examples.append(example)
      progress.update()
  finally:
    # After Ctrl-C the dives that are not begun are left.
    pool.shutdown(cancel_futures=True)
    progress.close()
  return CachedDives(examples, crops)


def _decode_into(
  crops: np.ndarray,
  encoded: list[bytes],
  video_input: VideoInput,
  is_training: bool,
  dive: str,
) -> np.ndarray:
  """Decodes frames; returns bool [frames], those for which that fails."""
  damaged = np.zeros(len(encoded), bool)
  is_resized = video_input.is_resized(is_training)
  for place, data in enumerate(encoded):
    try:
      crops[place] = decode_crop(data, video_input, dive, None, is_resized)
    except DecodeError:
      damaged[place] = True
  return damaged
