"""Whether the memory is there for the frames that a cache keeps."""

import math
import pathlib

import jax

from aqa_jax.data.cached_dives import crops_shape
from aqa_jax.data.video_input import VideoInput
from tfds_mtl_aqa import control_group
from tfds_mtl_aqa.input_error import InputError

_MEMORY = pathlib.Path('/proc/meminfo')


def check_memory(
  video_input: VideoInput,
  num_train: int,
  num_validation: int,
  devices: list[jax.Device],
  host_memory: int | None = None,
) -> None:
  """Checks that the frames fit into memory, before they are decoded.

  What the training itself takes is not known here.

  Args:
    video_input: which frames are kept, and where.
    num_train: dives to train on.
    num_validation: dives to choose the checkpoint by.
    devices: devices of this process.
    host_memory: bytes that are free; None to ask the system.

  Raises:
    InputError: they do not fit.
  """
  train = math.prod(crops_shape(video_input, True, num_train))
  host = train + math.prod(crops_shape(video_input, False, num_validation))
  dives = num_train + num_validation
  if video_input.cache == 'device':
    dives = num_train
    for device in devices:
      free = _free_on(device)
      if free is not None and train > free:
        raise InputError(
          f"config.input.cache='device': the frames of {num_train} training "
          f'dives take {_gib(train)}, and {device} has {_gib(free)} left; give '
          "'memory', or 'none'."
        )
    if devices[0].platform == 'cpu':
      host += train * len(devices)
  free = available_memory() if host_memory is None else host_memory
  if free is not None and host > free:
    raise InputError(
      f"config.input.cache='{video_input.cache}': the frames of {dives} dives "
      f"take {_gib(host)} of this machine's memory, and {_gib(free)} are left; "
      "give 'none'."
    )


def available_memory() -> int | None:
  """Returns the bytes that this process may still take; None if unknown.

  Linux alone tells, for the machine and for the container.
  """
  found = [control_group.free_memory()]
  try:
    lines = _MEMORY.read_text().splitlines()
  except OSError:
    lines = []
  for line in lines:
    if line.startswith('MemAvailable:'):
      found.append(1024 * int(line.split()[1]))
  return min((free for free in found if free is not None), default=None)


def _free_on(device: jax.Device) -> int | None:
  """Returns the bytes that JAX may still take on a device; None if unknown."""
  # CPUs have none.
  statistics = device.memory_stats() or {}
  if 'bytes_limit' not in statistics:
    return None
  return int(statistics['bytes_limit']) - int(statistics['bytes_in_use'])


def _gib(count: int) -> str:
  return f'{count / 2**30:.1f} GiB'
