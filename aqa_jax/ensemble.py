"""Evaluates several trained networks together: `python -m aqa_jax.ensemble`.

  python -m aqa_jax.ensemble --workdirs=workdir/a,workdir/b --out=workdir/both

They are trainings of the same tasks on the same dives, such as of different
seeds; see `evaluation.ensemble`. The folder gets what an evaluation writes.
"""

import argparse
import contextlib
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aqa_jax import small_command
from tfds_mtl_aqa.input_error import InputError

if TYPE_CHECKING:
  import ml_collections

  from aqa_jax.evaluation.evaluator import Evaluator
  from aqa_jax.predictions import Predictions
  from aqa_jax.task import Task


def _workdirs(text: str) -> list[pathlib.Path]:
  """Returns the folders, with commas between."""
  found = [small_command.path(part.strip()) for part in text.split(',')]
  if len(found) < 2 or len({p.absolute() for p in found}) < len(found):
    raise argparse.ArgumentTypeError(
      f'{text!r}: give two workdirs or more, all different, with commas between'
    )
  return found


def main(arguments: Sequence[str] | None = None) -> None:
  """Evaluates the ensemble that the arguments name.

  Raises:
    InputError: an argument or a workdir is wrong.
  """
  parser = small_command.Parser(
    prog='python -m aqa_jax.ensemble',
    description='Evaluates several trained networks together: the mean of '
    'their scores, and how unsure it is.',
  )
  parser.add_argument(
    '--workdirs',
    type=_workdirs,
    required=True,
    help='of finished trainings of the same tasks on the same dives, with '
    'commas between',
  )
  parser.add_argument(
    '--out',
    type=small_command.path,
    required=True,
    help='folder of the evaluation',
  )
  chosen = parser.parse_args(arguments)
  if chosen.out.exists() and not chosen.out.is_dir():
    raise InputError(f'--out={chosen.out}: is no folder; give another name.')
  if (chosen.out / 'config.json').exists():
    raise InputError(
      f'--out={chosen.out}: is the workdir of a training; give a new folder.'
    )
  # JAX takes seconds to import: errors in the arguments come before.
  from aqa_jax import compilation_cache

  # All of them, before the first is computed.
  configs = [_config(workdir) for workdir in chosen.workdirs]
  compilation_cache.use_for_user()
  members = []
  for workdir, config in zip(chosen.workdirs, configs, strict=True):
    print(f'Predicting with {workdir}.', flush=True)
    members.append(_member(workdir, config))
    _check_same(members[0], members[-1])
  try:
    chosen.out.mkdir(parents=True, exist_ok=True)
  except OSError as e:
    raise InputError(
      f'--out={chosen.out}: {e.strerror}; give another folder.'
    ) from e
  _evaluate(members, chosen.out)


@dataclasses.dataclass(frozen=True)
class _Member:
  """What a network says of the dives held out and of the test splits.

  Attributes:
    workdir: folder of its training.
    tasks: what it has learned.
    evaluators: those of its config.
    validation: predictions for the dives held out.
    tests: predictions by split.
    trained_on: dives of each split that had a part in the training.
    is_finished: whether its training has done its last step.
    facts: facts for the report's head.
  """

  workdir: pathlib.Path
  tasks: tuple['Task', ...]
  evaluators: list['Evaluator']
  validation: 'Predictions'
  tests: dict[str, 'Predictions']
  trained_on: dict[str, int]
  is_finished: bool
  facts: dict[str, str]


def _config(workdir: pathlib.Path) -> 'ml_collections.ConfigDict':
  """Returns the config of a workdir.

  Raises:
    InputError: it can't be a member.
  """
  import ml_collections

  from aqa_jax.tasks.chosen_tasks import chosen_classes
  from aqa_jax.workdir import recorded_config

  recorded = recorded_config(workdir)
  if recorded is None:
    raise InputError(
      f'--workdirs: {workdir} is no workdir of a training; give folders that '
      'aqa_jax.main has written as --workdir.'
    )
  config = ml_collections.ConfigDict(recorded).lock()
  if (
    config.get('select_on') != 'validation'
    or 'tasks' not in config
    or not any(task.gives_score for task in chosen_classes(config))
  ):
    raise InputError(
      f'--workdirs: {workdir} is no training of scores that has held out '
      "dives; give trainings with a score and select_on='validation'."
    )
  return config


def _member(
  workdir: pathlib.Path, config: 'ml_collections.ConfigDict'
) -> _Member:
  """Returns what a network says."""
  from aqa_jax import train
  from aqa_jax.evaluation.evaluator import chosen_evaluators

  training = train.set_up(config, workdir)
  with contextlib.closing(training):
    if training.dive_input.have_seen_training_dives():
      raise InputError(
        f'{workdir}: its features have seen the dives held out, so its errors '
        'tell nothing; give another training.'
      )
    train.restore_best(training)
    tasks = training.setup.tasks
    return _Member(
      workdir=workdir,
      tasks=tasks,
      evaluators=chosen_evaluators(config, tasks, training.train_labels()),
      validation=training.predictions(training.validation),
      tests={
        name: training.predictions(split)
        for name, split in training.tests.items()
      },
      trained_on={
        name: train.count_seen(training, split)
        for name, split in training.tests.items()
      },
      is_finished=training.checkpoints.latest_step() == training.num_steps,
      facts=training.facts(),
    )


def _check_same(first: _Member, other: _Member) -> None:
  """Raises an InputError where two members are not of one kind."""
  if [task.name for task in first.tasks] != [task.name for task in other.tasks]:
    raise InputError(
      f'{other.workdir}: has learned other tasks than {first.workdir}; give '
      'trainings of the same.'
    )
  splits = {'validation': first.validation} | first.tests
  others = {'validation': other.validation} | other.tests
  if {k: _dives(v) for k, v in splits.items()} != {
    k: _dives(v) for k, v in others.items()
  }:
    raise InputError(
      f'{other.workdir}: has held out or tests other dives than '
      f'{first.workdir}; give trainings with the same dataset, validation and '
      'test_splits.'
    )


def _dives(predictions: 'Predictions') -> list[tuple[Any, ...]]:
  """Returns what tells the dives of a split from others, and their scores."""
  labels = predictions.labels
  names = [n for n in ('event', 'sample', 'final_score') if n in labels]
  return list(
    zip(*(predictions.label(name).tolist() for name in names), strict=True)
  )


def _evaluate(members: Sequence[_Member], out: pathlib.Path) -> None:
  """Writes the files of the evaluation, and prints its tables."""
  from aqa_jax import split_evaluation
  from aqa_jax.evaluation import ensemble
  from aqa_jax.evaluation.conformal import ScoreIntervals, with_half_widths

  first = members[0]
  scales = [ensemble.spread_scale(member.validation) for member in members]
  held_out = ensemble.combined([m.validation for m in members], scales)
  intervals = ScoreIntervals.of(
    held_out.outputs['score'],
    held_out.label('final_score'),
    held_out.outputs['score_spread'],
  )
  intervals.write(out, 0)
  for name in first.tests:
    predictions = with_half_widths(
      ensemble.combined([m.tests[name] for m in members], scales), intervals
    )
    evaluation: dict[str, Any] = {
      'split': name,
      'step': None,
      'selected_on': 'validation',
      'trained_on': max(member.trained_on[name] for member in members),
      'is_finished': all(member.is_finished for member in members),
      'members': [str(member.workdir) for member in members],
    }
    split_evaluation.add_measures(
      evaluation, first.tasks, predictions, first.evaluators, intervals
    )
    facts = first.facts | {'ensemble of': f'{len(members)} trainings'}
    split_evaluation.publish(
      out, first.tasks, evaluation, predictions, None, facts
    )
  print(f'\nPredictions and evaluations are in {out}.')


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.ensemble')


if __name__ == '__main__':
  run()
