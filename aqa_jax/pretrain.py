"""Pretraining of a trunk on actions, from a config to the best checkpoint."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Iterator

import jax
import ml_collections
import numpy as np

from aqa_jax import sharding
from aqa_jax.data import action_videos
from aqa_jax.data.action_videos import ActionVideos, ClipInput
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.schema import Schema
from aqa_jax.evaluation import evaluation_files
from aqa_jax.training import training_loop
from aqa_jax.training.setup import choose_devices, make_setup
from aqa_jax.training.training import Training
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError

_TRUNKS = ('c3d', 'dilated_c3d')


@dataclasses.dataclass
class Pretraining(Training):
  """A training on videos of actions.

  Attributes:
    videos: videos of all classes.
    train: indices of those to train on.
    validation: indices of those to choose the checkpoint by.
    clip_input: which pixels the network sees.
  """

  videos: ActionVideos
  train: np.ndarray
  validation: np.ndarray
  clip_input: ClipInput

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
    outputs = self.outputs(
      self.validation,
      lambda index: action_videos.make_row(
        self.videos, index, self.clip_input, rng=None
      ),
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
  """Opens the videos, and makes network, optimizer and an abstract state.

  Args:
    config: a config such as `configs/pretrain_ucf101.py`.
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
  config, mesh = choose_devices(config, recorded_config(workdir))
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
  size = (clip_input.frames, clip_input.crop, clip_input.crop, 3)
  schema = Schema(classes=(('action', videos.class_names),))
  setup = make_setup(config, mesh, schema, size, len(train))
  checkpoints = training_loop.begin(setup, workdir)
  return Pretraining(
    setup=setup,
    workdir=workdir,
    state=setup.abstract_state(),
    checkpoints=checkpoints,
    started=started,
    videos=videos,
    train=train,
    validation=validation,
    clip_input=clip_input,
  )


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> float:
  """Trains, or goes on training.

  Args:
    config: a config such as `configs/pretrain_ucf101.py`.
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
  with contextlib.closing(pretraining):
    training_loop.run(pretraining)
    return evaluate_best(pretraining)


def evaluate_best(pretraining: Pretraining) -> float:
  """Returns the best checkpoint's accuracy on the validation videos.

  Writes it into eval_validation.json, too.

  Args:
    pretraining: made by `set_up`.

  Raises:
    InputError: there is no checkpoint.
  """
  pretraining.state = pretraining.checkpoints.restore_best(pretraining.state)
  accuracy = pretraining.validate()['accuracy']
  checkpoints = pretraining.checkpoints
  if jax.process_index() == 0:
    evaluation_files.write_evaluation(
      pretraining.workdir,
      'validation',
      {
        'split': 'validation',
        'step': int(pretraining.state.step),
        'is_finished': checkpoints.latest_step() == pretraining.setup.num_steps,
        'num_videos': len(pretraining.validation),
        'accuracy': accuracy,
      },
    )
  print(
    f'\nThe best checkpoint recognises {accuracy:.1f} % of the validation '
    f'videos. Begin with its trunk: --config.init_from={pretraining.workdir} '
    '--config.init_scope=backbone'
  )
  return accuracy
