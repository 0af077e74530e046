"""The decoded frames of a training: of the dives to train on and to choose by.

`config.input.cache` says where they are kept.
"""

import dataclasses
import time

import jax
from jax.sharding import Mesh

from aqa_jax.data.batches import Source
from aqa_jax.data.cache_memory import check_memory
from aqa_jax.data.cached_dives import decode_dives
from aqa_jax.data.device_frames import DeviceFrames
from aqa_jax.data.schema import Example
from aqa_jax.data.video_input import VideoInput


@dataclasses.dataclass(frozen=True)
class TrainingCache:
  """Dives with frames that are decoded.

  Attributes:
    train: dives to train on.
    validation: dives to choose the checkpoint by.
    device_frames: the frames of `train`, on the devices; None if they are in
      the memory of the host.
  """

  train: Source[Example]
  validation: Source[Example]
  device_frames: DeviceFrames | None


def make_cache(
  video_input: VideoInput,
  train: Source[Example],
  validation: Source[Example],
  mesh: Mesh,
) -> TrainingCache | None:
  """Decodes the frames of a training; None with cache='none'.

  Each process decodes all dives, as in the course of its epochs it needs them
  all. Of cache='device' the validation stays in the memory of the host.

  Args:
    video_input: what the network sees of a dive.
    train: dives to train on, as they are stored.
    validation: dives to choose the checkpoint by, likewise.
    mesh: mesh of all processes.

  Raises:
    InputError: they do not fit into memory, or are smaller than the crop.
  """
  if video_input.cache == 'none':
    return None
  on_device = video_input.cache == 'device'
  check_memory(video_input, len(train), len(validation), mesh.local_devices)
  started = time.monotonic()
  is_first = jax.process_index() == 0
  cached = decode_dives(
    train, video_input, True, on_device, 'decoding train', is_first
  )
  held_out = decode_dives(
    validation, video_input, False, False, 'decoding validation', is_first
  )
  device_frames = DeviceFrames(cached.crops, mesh) if on_device else None
  if is_first:
    size = (cached.crops.nbytes + held_out.crops.nbytes) / 2**30
    place = 'on each device' if on_device else 'in memory'
    print(
      f'The frames of {len(train)} dives to train on are {place}, of '
      f'{len(validation)} to choose by in memory, {size:.2f} GiB together: '
      f'decoded in {time.monotonic() - started:.1f} s.'
    )
  return TrainingCache(cached.examples, held_out.examples, device_frames)
