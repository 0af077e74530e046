"""A network that tells the stages of a dive: see README.md."""

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.systems.ed_tcn.network import EDTCN
from aqa_jax.task import Task
from aqa_jax.tasks.chosen_tasks import only_task
from aqa_jax.tasks.stages import StagesTask
from tfds_mtl_aqa.input_error import InputError


def choose_tasks(
  config: ml_collections.ConfigDict, schema: Schema
) -> tuple[Task, ...]:
  """Returns the task of the stages.

  Args:
    config: a config such as `configs/ed_tcn.py`.
    schema: which labels the dataset has.

  Raises:
    InputError: the config asks for another task, or has no layers.
  """
  tasks = only_task(config, schema, StagesTask)
  nodes = tuple(config.model.nodes)
  if not nodes or min(nodes) < 1:
    raise InputError(
      f'config.model.nodes={nodes}: give one number of channels or more, such '
      'as (256, 512).'
    )
  return tasks


# The authors' code is of Keras; there are no weights to read.
SYSTEM = System(
  'ed_tcn',
  EDTCN,
  choose_tasks,
  OfficialNames(modules={}, layers={}, only_in={}),
)
