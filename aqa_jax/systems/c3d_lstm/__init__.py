"""C3D-LSTM, on features of a frozen trunk: see README.md."""

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.systems.c3d_lstm.network import C3DLSTM
from aqa_jax.task import Task
from aqa_jax.tasks.chosen_tasks import only_task
from aqa_jax.tasks.step_scores import StepScoresTask


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
  return only_task(config, schema, StepScoresTask)


# The authors' weights are not published.
SYSTEM = System(
  'c3d_lstm',
  C3DLSTM,
  choose_tasks,
  OfficialNames(modules={}, layers={}, only_in={}),
)
