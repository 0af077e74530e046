"""I3D on windows of a dive, the network of USDL and CoRe."""

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.systems.i3d.network import WindowedI3D, first_frames
from aqa_jax.task import Task
from aqa_jax.tasks.chosen_tasks import chosen_tasks
from aqa_jax.trunks.i3d import LEAST_FRAMES, LEAST_PIXELS
from tfds_mtl_aqa.input_error import InputError


def _chosen_tasks(
  config: ml_collections.ConfigDict, schema: Schema
) -> tuple[Task, ...]:
  """Returns the tasks; checks that the windows fit the video.

  Raises:
    InputError: they don't, or a task does not fit.
  """
  model, frames = config.model, config.input.frames
  windows, length, stride, width = (
    model.get(name, getattr(WindowedI3D, name))
    for name in ('windows', 'window_frames', 'window_stride', 'width')
  )
  for name, value in (('windows', windows), ('window_stride', stride)):
    if value < 1:
      raise InputError(f'config.model.{name}={value}: give 1 or more.')
  if not LEAST_FRAMES <= length <= frames:
    raise InputError(
      f'config.model.window_frames={length}: of the {frames} frames of '
      f'config.input.frames give {LEAST_FRAMES} to {frames}.'
    )
  firsts = first_frames(frames, windows, length, stride)
  if len(set(firsts)) < windows:
    raise InputError(
      f'config.model.windows={windows}: with config.model.window_stride='
      f'{stride} the {frames} frames of config.input.frames have '
      f'{len(set(firsts))} different windows of {length}; give that or less.'
    )
  if width % 8:
    raise InputError(f'config.model.width={width}: give a multiple of 8.')
  if config.input.crop < LEAST_PIXELS:
    raise InputError(
      f"config.input.crop={config.input.crop}: config.network='i3d' needs "
      f'{LEAST_PIXELS} pixels or more; give that, and config.input.resize '
      'where the frames are smaller.'
    )
  return chosen_tasks(config, schema)


# Its authors' files are of the trunk alone: see `i3d_weights`.
SYSTEM = System(
  'i3d',
  WindowedI3D,
  _chosen_tasks,
  OfficialNames(modules={}, layers={}, only_in={}),
)
