"""The tasks that a config chooses."""

import importlib

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.task import Task
from aqa_jax.tasks.captions import CaptionsTask
from aqa_jax.tasks.classes import ClassesTask
from aqa_jax.tasks.score import ScoreTask
from tfds_mtl_aqa.input_error import InputError

# In the order of the paper's loss (equation 4).
_BUILT_IN: tuple[type[Task], ...] = (ScoreTask, ClassesTask, CaptionsTask)
TASKS = {task.name: task for task in _BUILT_IN}


def chosen_tasks(
  config: ml_collections.ConfigDict, schema: Schema
) -> tuple[Task, ...]:
  """Returns the tasks of `config.tasks`.

  Args:
    config: one of `configs/`; tasks is such as 'score,classes,captions', or
      with 'package.module:Class' for a task from elsewhere.
    schema: which labels the dataset has.

  Raises:
    InputError: a task is unknown, is there twice, has no weight, or does not
      fit the dataset; or the score is not among them.
  """
  classes = chosen_classes(config)
  tasks = tuple(cls.create(config, schema) for cls in classes)
  for task in tasks:
    if task.name not in config.loss_weights:
      raise InputError(
        f"config.tasks='{config.tasks}': config.loss_weights has no "
        f'{task.name}; in a config file of your own, add it to loss_weights.'
      )
  return tasks


def chosen_classes(config: ml_collections.ConfigDict) -> list[type[Task]]:
  """Returns the classes of the tasks, the built-in ones first.

  Args:
    config: see `chosen_tasks`.

  Raises:
    InputError: a task is unknown or there twice, or the score is not among
      them.
  """
  names = [name.strip() for name in config.tasks.split(',')]
  found = [
    _imported(name, config) if ':' in name else TASKS[name]
    for name in names
    if ':' in name or name in TASKS
  ]
  if len(found) < len(names) or ScoreTask not in found:
    raise InputError(
      f"config.tasks='{config.tasks}': give score, and perhaps classes and "
      'captions, with commas between; or package.module:Class for a task of '
      'your own.'
    )
  names = [task.name for task in found]
  if len(set(names)) < len(names):
    raise InputError(f"config.tasks='{config.tasks}': a task is there twice.")
  order = list(TASKS.values())
  return sorted(
    found, key=lambda task: order.index(task) if task in order else len(order)
  )


def _imported(name: str, config: ml_collections.ConfigDict) -> type[Task]:
  module, _, attribute = name.partition(':')
  try:
    task = getattr(importlib.import_module(module), attribute)
  except (ImportError, AttributeError, ValueError) as e:
    raise InputError(
      f"config.tasks='{config.tasks}': {name} can't be imported ({e}); give "
      'package.module:Class, of a package that is installed or in this folder.'
    ) from e
  if not (isinstance(task, type) and issubclass(task, Task)):
    raise InputError(
      f"config.tasks='{config.tasks}': {name} is no subclass of "
      'aqa_jax.task.Task.'
    )
  return task
