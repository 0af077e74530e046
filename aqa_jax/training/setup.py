"""Makes network, optimizer and steps from a config and a dataset's schema."""

import dataclasses
import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import ml_collections
import optax
from jax.sharding import Mesh

from aqa_jax import duration, sharding
from aqa_jax.config import check_config
from aqa_jax.data.schema import Schema
from aqa_jax.system import System, with_compute_dtype
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.task import Task
from aqa_jax.train_state import (
  TrainState,
  abstract_train_state,
  create_train_state,
)
from aqa_jax.training import optimizer, steps
from aqa_jax.workdir import Recorded
from tfds_mtl_aqa.input_error import InputError


@dataclasses.dataclass
class Setup:
  """Network, optimizer and steps of a training.

  Attributes:
    config: one of `configs/`; its compute_dtype is no longer 'auto'.
    system: the system that is trained.
    mesh: mesh of devices, which may be of another machine.
    schema: which labels the dataset has.
    tasks: what the network learns.
    model: the network.
    tx: its optimizer.
    input_shape: what the network sees of an example: (time, height, width, 3)
      of a video, or (steps, features).
    num_examples: training examples, those of an epoch.
  """

  config: ml_collections.ConfigDict
  system: System
  mesh: Mesh
  schema: Schema
  tasks: tuple[Task, ...]
  model: nn.Module
  tx: optax.GradientTransformation
  input_shape: tuple[int, ...]
  num_examples: int

  @property
  def caption_length(self) -> int:
    """Tokens of a padded caption; 1 for a network without captions."""
    return self.config.model.get('caption_length', 1)

  @property
  def num_steps(self) -> int:
    """Steps of the whole training."""
    return self.steps_of('duration')

  def steps_of(self, field: str) -> int:
    """Returns a duration of the config in steps."""
    return duration.to_steps(
      self.config[field], field, self.config.batch_size, self.num_examples
    )

  def abstract_state(self) -> TrainState:
    """Returns shapes, dtypes and shardings of a state; computes nothing."""
    state = abstract_train_state(
      self.model, self.tx, self.input_shape, self.caption_length
    )
    return sharding.abstract_on(
      state, sharding.state_sharding(self.mesh, state)
    )

  def create_state(self) -> TrainState:
    """Returns the state before the first step, on the mesh."""
    return create_train_state(
      self.model,
      self.tx,
      self.config.seed,
      self.input_shape,
      self.caption_length,
      self.mesh,
    )

  @functools.cached_property
  def train_step(self) -> steps.TrainStep:
    """The training step; see `steps.make_train_step`."""
    config = self.config
    return steps.make_train_step(
      self.model,
      self.tx,
      # A network of a single task, such as actions, needs no weight.
      {t.name: config.loss_weights.get(t.name, 1.0) for t in self.tasks},
      config.seed,
      self.mesh,
      config.accumulation,
    )

  @functools.cached_property
  def predict_step(self) -> steps.PredictStep:
    """The prediction step; see `steps.make_predict_step`."""
    return steps.make_predict_step(self.model, self.mesh)


def choose_devices(
  config: ml_collections.ConfigDict,
  recorded: Recorded | None = None,
  devices: Sequence[jax.Device] | None = None,
) -> tuple[ml_collections.ConfigDict, Mesh]:
  """Checks the config, and makes the mesh.

  Args:
    config: one of `configs/`.
    recorded: the config that the workdir was begun with; None for a new one.
    devices: devices to choose from; None for those of all processes.

  Returns:
    The config, with a dtype for compute_dtype 'auto'; and the mesh.

  Raises:
    InputError: something in the config is wrong, or does not fit the devices.
  """
  check_config(config)
  mesh = sharding.make_mesh(**config.mesh, devices=devices)
  clips = config.model.get('clips', 1)
  if clips % mesh.shape['clip']:
    raise InputError(
      f'config.mesh.clip={mesh.shape["clip"]}: a video of {clips} clip(s) can '
      'not be spread over so many devices; give a divisor of it.'
    )
  config = with_compute_dtype(config, sharding.platform(mesh), recorded)
  sharding.check_batch_size(config.batch_size, config.accumulation, mesh)
  return config, mesh


def make_setup(
  config: ml_collections.ConfigDict,
  mesh: Mesh,
  schema: Schema,
  input_shape: tuple[int, ...],
  num_examples: int,
) -> Setup:
  """Returns network, optimizer and steps of a training; computes nothing.

  Args:
    config: config from `choose_devices`.
    mesh: mesh from `choose_devices`.
    schema: which labels the dataset has.
    input_shape: shape of what the network sees of an example.
    num_examples: training examples.

  Raises:
    InputError: something in the config is wrong, or does not fit the dataset.
  """
  system = chosen_system(config.network)
  tasks = system.choose_tasks(config, schema)
  model = system.create_network(config, tasks, mesh)
  return Setup(
    config=config,
    system=system,
    mesh=mesh,
    schema=schema,
    tasks=tasks,
    model=model,
    tx=optimizer.create_optimizer(
      config.optimizer,
      duration.count_steps(config, num_examples),
      config.batch_size,
      num_examples,
      model.output_layers(),
    ),
    input_shape=input_shape,
    num_examples=num_examples,
  )
