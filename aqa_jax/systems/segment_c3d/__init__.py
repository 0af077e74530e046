"""Segment C3D: a C3D for each part of a dive, after Li et al. (2018)."""

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.systems.segment_c3d.network import SegmentC3D
from aqa_jax.task import Task
from aqa_jax.tasks.chosen_tasks import chosen_classes, chosen_tasks
from tfds_mtl_aqa.input_error import InputError


def _chosen_tasks(
  config: ml_collections.ConfigDict, schema: Schema
) -> tuple[Task, ...]:
  """Returns the tasks; checks that the segments fit the video.

  Raises:
    InputError: they don't, or a task does not fit.
  """
  model, frames = config.model, config.input.frames
  segments = model.get('segments', SegmentC3D.segments)
  length = model.get('segment_frames', SegmentC3D.segment_frames)
  if segments < 1:
    raise InputError(f'config.model.segments={segments}: give 1 or more.')
  if not 1 <= length <= frames or segments * length < frames:
    raise InputError(
      f'config.model.segment_frames={length}: {segments} segments have to '
      f'cover the {frames} frames of config.input.frames; give '
      f'{-(-frames // segments)} to {frames}.'
    )
  for task in chosen_classes(config):
    if task.num_words is not Task.num_words:  # It says words.
      raise InputError(
        f"config.tasks='{config.tasks}': config.network='{config.network}' has "
        f'no captioner; leave {task.name} out.'
      )
  return chosen_tasks(config, schema)


# C3D's own files, which go into each of the segments' C3Ds.
SYSTEM = System(
  'segment_c3d',
  SegmentC3D,
  _chosen_tasks,
  OfficialNames(modules={'c3d': 'model_CNN'}, layers={}, only_in={}),
)
