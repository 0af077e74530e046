"""The tasks that a config chooses."""

from collections.abc import Sequence

import ml_collections

from aqa_jax import own_parts
from aqa_jax.data.schema import Schema
from aqa_jax.task import Task
from aqa_jax.tasks.captions import CaptionsTask
from aqa_jax.tasks.classes import ClassesTask
from aqa_jax.tasks.commentary import CommentaryTask
from aqa_jax.tasks.execution import ExecutionTask
from aqa_jax.tasks.faults import FaultsTask
from aqa_jax.tasks.gaussian_execution import GaussianExecutionTask
from aqa_jax.tasks.judge_marks import JudgeMarksTask
from aqa_jax.tasks.ranked_score import RankedScoreTask
from aqa_jax.tasks.relative_score import RelativeScoreTask
from aqa_jax.tasks.score import ScoreTask
from aqa_jax.tasks.score_distribution import ScoreDistributionTask
from tfds_mtl_aqa.input_error import InputError

# In the order of the paper's loss (equation 4).
_BUILT_IN: tuple[type[Task], ...] = (
  ScoreTask,
  RankedScoreTask,
  ExecutionTask,
  GaussianExecutionTask,
  ScoreDistributionTask,
  JudgeMarksTask,
  RelativeScoreTask,
  ClassesTask,
  FaultsTask,
  CaptionsTask,
  CommentaryTask,
)
# Of the parts of networks, of a batch, and of a step's scalars.
_RESERVED = (
  *(f'the head {n}' for n in ('c3d', 'fc6', 'bn_average', 'bn_clips')),
  *(f'the head {n}' for n in ('bn_segments', 'conv_segments', 'i3d')),
  'the head caption_head',
  *(f'the label {n}' for n in ('video', 'flip', 'features', 'dive_id')),
  *(f'the label {n}' for n in ('index', 'is_real')),
  *(f'the task {n}' for n in ('loss', 'gradient_norm', 'is_finite', 'dive_id')),
)
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
      fit the dataset; or none has a measure to choose the checkpoint by.
  """
  classes = chosen_classes(config)
  tasks = tuple(cls.create(config, schema) for cls in classes)
  for task in tasks:
    if task.name not in config.loss_weights:
      raise InputError(
        f"config.tasks='{config.tasks}': config.loss_weights has no "
        f'{task.name}; in a config file of your own, add it to loss_weights.'
      )
  _check_names(config, tasks)
  return tasks


def only_task(
  config: ml_collections.ConfigDict, schema: Schema, task: type[Task]
) -> tuple[Task, ...]:
  """Returns the one task of a network on features.

  Args:
    config: a config of that network, such as `configs/c3d_lstm.py`.
    schema: which labels the dataset has.
    task: its class.

  Raises:
    InputError: the config asks for other tasks, or has no features.
  """
  if config.tasks != task.name or 'features' not in config:
    raise InputError(
      f"config.network='{config.network}' with config.tasks='{config.tasks}': "
      f'begin with configs/{config.network}.py.'
    )
  return (task.create(config, schema),)


def _check_names(
  config: ml_collections.ConfigDict, tasks: tuple[Task, ...]
) -> None:
  """Raises an InputError where a task takes a name that is taken."""
  taken = dict.fromkeys(_RESERVED, 'this package')
  for task in tasks:
    names = [f'the task {task.name}', f'the head {task.head}']
    names += [f'the label {label}' for label in task.label_specs()]
    for name in names:
      if name in taken:
        raise InputError(
          f"config.tasks='{config.tasks}': {name} of {type(task).__name__} is "
          f'a name of {taken[name]} already; choose another.'
        )
      taken[name] = type(task).__name__


def chosen_classes(config: ml_collections.ConfigDict) -> list[type[Task]]:
  """Returns the classes of the tasks, the built-in ones first.

  Args:
    config: see `chosen_tasks`.

  Raises:
    InputError: a task is unknown or there twice, or none has a measure to
      choose the checkpoint by.
  """
  names = [name.strip() for name in config.tasks.split(',')]
  found = [
    _own_task(name, config) if ':' in name else TASKS[name]
    for name in names
    if ':' in name or name in TASKS
  ]
  if len(found) < len(names):
    raise InputError(
      f"config.tasks='{config.tasks}': give {', '.join(TASKS)}, with commas "
      'between; or package.module:Class for a task of your own.'
    )
  names = [task.name for task in found]
  if len(set(names)) < len(names):
    raise InputError(f"config.tasks='{config.tasks}': a task is there twice.")
  scores = [task.name for task in found if task.gives_score]
  if len(scores) > 1:
    raise InputError(
      f"config.tasks='{config.tasks}': {' and '.join(scores)} both give the "
      'score; leave one of them out.'
    )
  of_words = [task.name for task in found if issubclass(task, CaptionsTask)]
  if len(of_words) > 1:
    raise InputError(
      f"config.tasks='{config.tasks}': {' and '.join(of_words)} both give the "
      'caption; leave one of them out.'
    )
  order = list(TASKS.values())
  found.sort(
    key=lambda task: order.index(task) if task in order else len(order)
  )
  if not measure_to_choose_by(found):
    raise InputError(
      f"config.tasks='{config.tasks}': has no measure to choose the checkpoint "
      'by; add score or classes, or give a task of your own its chooses_by.'
    )
  return found


def measure_to_choose_by(tasks: Sequence[Task | type[Task]]) -> str:
  """Returns the measure by which checkpoints are chosen; '' for none.

  Args:
    tasks: tasks in the order of `chosen_tasks`, or their classes.
  """
  return next((task.chooses_by for task in tasks if task.chooses_by), '')


def _own_task(name: str, config: ml_collections.ConfigDict) -> type[Task]:
  field = f"config.tasks='{config.tasks}'"
  task = own_parts.imported(name, field)
  if not (isinstance(task, type) and issubclass(task, Task)):
    raise InputError(f'{field}: {name} is no subclass of aqa_jax.task.Task.')
  missing = sorted(
    {n for n in ('name', 'head') if not hasattr(task, n)}
    | getattr(task, '__abstractmethods__', set())
  )
  if missing:
    raise InputError(f'{field}: {name} lacks {", ".join(missing)}.')
  if not (task.name.isidentifier() and task.head.isidentifier()):
    raise InputError(
      f'{field}: name and head of {name} have to be made of letters, digits '
      'and _.'
    )
  return task
