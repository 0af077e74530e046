"""A classifier of dives by dilated 3D convolutions: see README.md."""

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.systems.dilated_classifier.network import DilatedClassifier
from aqa_jax.task import Task
from aqa_jax.tasks.captions import CaptionsTask
from aqa_jax.tasks.chosen_tasks import chosen_classes, chosen_tasks
from tfds_mtl_aqa.input_error import InputError


def _tasks(
  config: ml_collections.ConfigDict, schema: Schema
) -> tuple[Task, ...]:
  """Returns the tasks of the config, none of which says words."""
  # Created, the task of the captions would look for fields of the captioner.
  if not any(issubclass(c, CaptionsTask) for c in chosen_classes(config)):
    tasks = chosen_tasks(config, schema)
    if not any(task.num_words for task in tasks):
      return tasks
  raise InputError(
    f"config.tasks='{config.tasks}': config.network='{config.network}' has no "
    'captioner; leave captions out.'
  )


SYSTEM = System(
  'dilated_classifier',
  DilatedClassifier,
  _tasks,
  # There is no official code; the trunk is MSCADC's.
  OfficialNames(modules={'c3d': 'model_CNN'}, layers={}, only_in={}),
)
