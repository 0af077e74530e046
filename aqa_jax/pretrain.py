"""Pretraining of a trunk on actions, from a config to the best checkpoint."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator

import ml_collections
import numpy as np

from aqa_jax import duration, sharding
from aqa_jax.config import check_config
from aqa_jax.data import action_videos
from aqa_jax.data.action_videos import ActionVideos, ClipInput
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.evaluation import evaluate
from aqa_jax.models import network
from aqa_jax.models.action_classifier import ActionClassifier
from aqa_jax.train_state import abstract_train_state, create_train_state
from aqa_jax.training import optimizer, steps, training_loop
from aqa_jax.training.training_loop import Training
from aqa_jax.weights.checkpoint import Checkpoints
from aqa_jax.workdir import check_workdir, recorded_config
from tfds_mtl_aqa.input_error import InputError

_TRUNKS = ('c3d', 'dilated_c3d')


@dataclasses.dataclass
class Pretraining(Training):
  """A training on videos of actions.

  Attributes:
    videos: of all classes.
    train: indices of those to train on.
    validation: indices of those to choose the checkpoint by.
    clip_input: which pixels the network sees.
    predict_step: from `steps.make_predict_step`.
  """

  videos: ActionVideos
  train: np.ndarray
  validation: np.ndarray
  clip_input: ClipInput
  predict_step: Callable

  measure = 'accuracy'

  def batches(self, first_step: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of training."""
    return action_videos.training_batches(
      self.videos,
      self.train,
      self.clip_input,
      self.config.batch_size,
      sharding.batch_part(self.mesh),
      self.config.seed,
      first_step,
      CorruptRecords(len(self.train), self.config.max_corrupt_fraction),
    )

  def validate(self) -> dict[str, float]:
    """Returns the percentage of validation videos that are recognised."""
    outputs = evaluate.collect(
      self.predict_step,
      self.state,
      action_videos.evaluation_batches(
        self.videos,
        self.validation,
        self.clip_input,
        sharding.rounded_up(self.config.eval_batch_size, self.mesh),
        sharding.batch_part(self.mesh),
      ),
      len(self.validation),
      self.mesh,
    )
    right = outputs['actions'] == self.videos.labels[self.validation]
    return {'accuracy': 100 * float(right.mean())}

  def summary(self) -> str:
    """Returns the sizes of the splits."""
    return (
      f'{len(self.train)} videos of {len(self.videos.class_names)} actions, '
      f'choosing by {len(self.validation)} others'
    )


def set_up(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> Pretraining:
  """Opens the videos and makes model, optimizer and state.

  Args:
    config: such as `configs/pretrain_ucf101.py`.
    workdir: folder of the run.
    started: `time.monotonic()` when the program was started; None for now.

  Raises:
    InputError: something in the config, the videos or the workdir is wrong.
  """
  started = time.monotonic() if started is None else started
  if config.network != 'action_classifier':
    raise InputError(
      f"config.tasks='actions' with config.network='{config.network}': begin "
      'with a config of actions, such as configs/pretrain_ucf101.py.'
    )
  check_config(config)
  mesh = sharding.make_mesh(**config.mesh)
  config = network.with_compute_dtype(
    config, sharding.platform(mesh), recorded_config(workdir)
  )
  sharding.check_batch_size(config.batch_size, config.accumulation, mesh)
  if config.mesh.clip != 1:
    raise InputError(
      f'config.mesh.clip={config.mesh.clip}: an action is one clip; give 1.'
    )
  clip_input = ClipInput(**config.input)
  clip_input.check()
  if config.model.trunk not in _TRUNKS:
    raise InputError(
      f"config.model.trunk='{config.model.trunk}': give {' or '.join(_TRUNKS)}."
    )
  videos = action_videos.open_videos(
    config.dataset.name,
    config.dataset.data_dir,
    config.dataset.train_split,
    config.validation.split,
  )
  train, validation = action_videos.hold_out(
    videos, config.validation.fraction, config.validation.seed
  )
  model = ActionClassifier(
    len(videos.class_names),
    **network.trunk_options(config, sharding.platform(mesh)),
    **config.model,
  )
  num_steps = duration.count_steps(config, len(train))
  tx = optimizer.create_optimizer(
    config.optimizer, num_steps, config.batch_size, len(train)
  )
  size = (clip_input.frames, clip_input.crop, clip_input.crop, 3)
  training_loop.check_init_from(
    config, workdir, lambda: abstract_train_state(model, tx, size, 1)
  )
  # Last, so that what was refused leaves no trace.
  check_workdir(workdir, config.to_dict())
  return Pretraining(
    config=config,
    workdir=workdir,
    mesh=mesh,
    state=create_train_state(model, tx, config.seed, size, 1, mesh),
    train_step=steps.make_train_step(
      model, tx, {'actions': 1.0}, config.seed, mesh, config.accumulation
    ),
    num_examples=len(train),
    started=started,
    checkpoints=Checkpoints(workdir),
    videos=videos,
    train=train,
    validation=validation,
    clip_input=clip_input,
    predict_step=steps.make_predict_step(model, mesh),
  )


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> float:
  """Trains, or goes on training.

  Args:
    config: such as `configs/pretrain_ucf101.py`.
    workdir: folder of the run, which `config.init_from` takes afterwards.
    started: see `set_up`.

  Returns:
    The best checkpoint's accuracy on the validation videos, in percent.

  Raises:
    InputError: something in the config, the videos or the workdir is wrong.
    FloatingPointError: too many losses in a row were not finite.
    PreemptedError: SIGTERM has come, and the state is saved.
  """
  pretraining = set_up(config, workdir, started)
  with contextlib.closing(pretraining.checkpoints):
    training_loop.run(pretraining)
    return evaluate_best(pretraining)


def evaluate_best(pretraining: Pretraining) -> float:
  """Returns the best checkpoint's accuracy on the validation videos.

  Args:
    pretraining: from `set_up`.

  Raises:
    InputError: there is no checkpoint.
  """
  pretraining.state = pretraining.checkpoints.restore_best(pretraining.state)
  accuracy = pretraining.validate()['accuracy']
  print(
    f'\nThe best checkpoint recognises {accuracy:.1f} % of the validation '
    f'videos. Begin with its trunk: --config.init_from={pretraining.workdir} '
    '--config.init_scope=backbone'
  )
  return accuracy
