"""C3D-LSTM, on features of a frozen trunk: see README.md."""

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.systems.c3d_lstm.network import C3DLSTM
from aqa_jax.task import Task
from aqa_jax.tasks.step_scores import StepScoresTask
from tfds_mtl_aqa.input_error import InputError


def choose_tasks(
  config: ml_collections.ConfigDict, schema: Schema
) -> tuple[Task, ...]:
  """Returns the task of the score after each clip.

  Args:
    config: a config such as `configs/c3d_lstm.py`.
    schema: which labels the dataset has.

  Raises:
    InputError: the config asks for other tasks, or has no features.
  """
  if config.tasks != StepScoresTask.name or 'features' not in config:
    raise InputError(
      f"config.network='{config.network}' with config.tasks='{config.tasks}': "
      'begin with configs/c3d_lstm.py.'
    )
  return (StepScoresTask.create(config, schema),)


# The authors' weights are not published.
SYSTEM = System(
  'c3d_lstm',
  C3DLSTM,
  choose_tasks,
  OfficialNames(modules={}, layers={}, only_in={}),
)
