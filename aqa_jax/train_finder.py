"""Training of a network that finds dives, from a config to its evaluation."""

import contextlib
import dataclasses
import json
import pathlib
import time
from collections.abc import Iterator

import ml_collections
import numpy as np

from aqa_jax import sharding
from aqa_jax.data import footage
from aqa_jax.data.footage import Chunks, Footage, WindowInput
from aqa_jax.data.schema import Schema
from aqa_jax.evaluation import found_dives
from aqa_jax.evaluation.found_dives import FinderFigures, FoundDive
from aqa_jax.files import write_atomically
from aqa_jax.systems.dive_finder.network import RADIUS
from aqa_jax.training import training_loop
from aqa_jax.training.setup import choose_devices, make_setup
from aqa_jax.training.training import Training
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError

# Thresholds of confidence that the validation chooses from.
_THRESHOLDS = tuple(np.round(np.arange(0.2, 0.91, 0.05), 2).tolist())


@dataclasses.dataclass
class FinderTraining(Training):
  """A training on videos of events.

  Attributes:
    train: videos to train on.
    validation: videos to choose checkpoint and threshold by.
    test: videos to evaluate on.
    window: which pixels the network sees.
  """

  train: Footage
  validation: Footage
  test: Footage
  window: WindowInput

  # Many checkpoints have an F1 of 1 on the validation.
  measure = 'mean_f1'

  def batches(self, first_step: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of training."""
    return footage.training_batches(
      self.train,
      self.window,
      self.config.batch_size,
      sharding.batch_part(self.mesh),
      self.config.seed,
      first_step,
    )

  def validate(self) -> dict[str, float]:
    """Returns the figures of the validation videos.

    Returns:
      mean_f1: see `found_dives.mean_f1`; checkpoints are chosen by it.
      threshold: that of the best F1.
      recall, precision, and so on: see `FinderFigures`; at that threshold.
    """
    videos = self.validation
    phases = self.phases(videos)
    found = {
      threshold: _found(videos, phases, threshold) for threshold in _THRESHOLDS
    }
    true = _true(videos)
    figures = {
      threshold: found_dives.match(dives, true)
      for threshold, dives in found.items()
    }
    best = max(figure.f1 for figure in figures.values())
    # Of those that are as good, the one in the middle.
    good = [t for t, figure in figures.items() if figure.f1 == best]
    threshold = good[len(good) // 2]
    return {
      **_as_dict(figures[threshold]),
      'mean_f1': found_dives.mean_f1(found, true),
      'threshold': threshold,
    }

  def phases(self, videos: Footage) -> list[np.ndarray]:
    """Returns the phases that the present state sees, float [frames, 3]."""
    chunks = Chunks(videos.videos, RADIUS)
    outputs = self.outputs(chunks.parts(), chunks.make_row)
    return chunks.joined(outputs['phases'])

  def summary(self) -> str:
    """Returns the sizes of the splits."""
    return (
      f'{len(self.train.videos)} videos with {_num_dives(self.train)} dives, '
      f'choosing by {len(self.validation.videos)} others with '
      f'{_num_dives(self.validation)}'
    )


def _num_dives(videos: Footage) -> int:
  return sum(len(video.dives) for video in videos.videos)


def _found(
  videos: Footage, phases: list[np.ndarray], threshold: float
) -> list[list[FoundDive]]:
  """Returns the dives that are found in each video."""
  return [
    found_dives.find_dives(seen, videos.frames_per_second, threshold)
    for seen in phases
  ]


def _true(videos: Footage) -> list[tuple[tuple[float, float], ...]]:
  """Returns (take-off, entry) of the dives of each video, s."""
  return [video.dives for video in videos.videos]


def _as_dict(figures: FinderFigures) -> dict[str, float]:
  return {
    **{k: float(v) for k, v in dataclasses.asdict(figures).items()},
    'f1': figures.f1,
  }


def set_up(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> FinderTraining:
  """Opens the videos, and makes network, optimizer and an abstract state.

  Args:
    config: a config such as `configs/find_dives.py`.
    workdir: folder of the run.
    started: `time.monotonic()` when the program was started; None for now.

  Raises:
    InputError: something in the config, the videos or the workdir is wrong.
  """
  started = time.monotonic() if started is None else started
  if config.network != 'dive_finder':
    raise InputError(
      f"config.tasks='phases' with config.network='{config.network}': begin "
      'with configs/find_dives.py.'
    )
  config, mesh = choose_devices(config, recorded_config(workdir))
  window = WindowInput(**config.input)
  window.check()
  train, validation, test = (
    footage.open_footage(config.dataset.name, config.dataset.data_dir, split)
    for split in (
      config.dataset.train_split,
      config.validation.split,
      config.test_split,
    )
  )
  width, height = train.size
  setup = make_setup(
    config,
    mesh,
    Schema(),
    (window.frames, height, width, 3),
    len(train.videos),
  )
  return FinderTraining(
    setup=setup,
    workdir=workdir,
    state=setup.abstract_state(),
    checkpoints=training_loop.begin(
      setup,
      workdir,
      {
        'config': setup.config.to_dict(),
        # What has to be the same when the training goes on.
        'dataset': {
          'name': train.dataset,
          'frames_per_second': train.frames_per_second,
          'size': list(train.size),
          'training videos': len(train.videos),
        },
      },
    ),
    started=started,
    train=train,
    validation=validation,
    test=test,
    window=window,
  )


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> dict[str, float]:
  """Trains, or goes on training, and evaluates the best checkpoint.

  Args:
    config: a config such as `configs/find_dives.py`.
    workdir: folder of the run.
    started: see `set_up`.

  Returns:
    The figures of the test videos.

  Raises:
    InputError: something in the config, the videos or the workdir is wrong.
    FloatingPointError: too many losses in a row were not finite.
    PreemptedError: SIGTERM has come, and the state is saved.
  """
  training = set_up(config, workdir, started)
  with contextlib.closing(training):
    training_loop.run(training)
    return evaluate_best(training)


def evaluate_best(training: FinderTraining) -> dict[str, float]:
  """Evaluates the best checkpoint; writes finder.json into the workdir.

  Args:
    training: made by `set_up`.

  Returns:
    The figures of the test videos.

  Raises:
    InputError: there is no checkpoint.
  """
  training.state = training.checkpoints.restore_best(training.state)
  chosen_by = training.validate()
  threshold = chosen_by.pop('threshold')
  phases = training.phases(training.test)
  figures = found_dives.match(
    _found(training.test, phases, threshold), _true(training.test)
  )
  found = {
    'step': int(training.state.step),
    'threshold': threshold,
    'validation': chosen_by,
    'test': _as_dict(figures),
  }
  path = training.workdir / 'finder.json'
  write_atomically(path, json.dumps(found, indent=1) + '\n')
  print(
    f'\nOf {figures.num_dives} dives in {len(training.test.videos)} test '
    f'videos, the entry of {100 * figures.recall:.1f} % was found within '
    f'{found_dives.ENTRY_SECONDS} s, and the take-off of '
    f'{100 * figures.take_off_recall:.1f} % within '
    f'{found_dives.TAKE_OFF_SECONDS} s; {100 * figures.precision:.1f} % of '
    f'what was found is one. Written: {path}'
  )
  return _as_dict(figures)
