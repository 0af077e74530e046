"""Checkpoints: the latest, to resume from, and the best, to use."""

import contextlib
import logging
import pathlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging as absl_logging

from aqa_jax.files import is_disk_full
from aqa_jax.train_state import TrainState, Variables
from aqa_jax.workdir import differences
from tfds_mtl_aqa.input_error import InputError

# Part of the names that Orbax gives to unfinished checkpoints.
_UNFINISHED = '.orbax-checkpoint-tmp'


class _OfUse(logging.Filter):
  """Drops what Orbax logs and no user can do anything about.

  That is its own traceback of each thread, since the error is raised; and that
  a part of a checkpoint has no metadata of its own, which is no fault.
  """

  def filter(self, record: logging.LogRecord) -> bool:
    """Returns whether a record is to be written."""
    if 'orbax' not in pathlib.PurePath(record.pathname).parts:
      return True
    is_of_metadata = record.getMessage().startswith('Metadata file does not')
    return not (record.exc_info or is_of_metadata)


_FILTER = _OfUse()


class Checkpoints:
  """The checkpoints of a workdir.

  Orbax writes a checkpoint under another name and renames it when it is whole,
  so that a killed run never leaves half of one.
  """

  def __init__(
    self, workdir: pathlib.Path, origin: Mapping[str, Any] | None = None
  ):
    """Opens the checkpoints.

    Args:
      workdir: folder of the run.
      origin: stored with every checkpoint; see `provenance.describe`.
    """
    self._origin = dict(origin or {})
    self._latest = _manager(workdir / 'checkpoints', max_to_keep=2)
    self._best = _manager(workdir / 'best', max_to_keep=1)
    # Manager -> the step that it is saving.
    self._saving: dict[ocp.CheckpointManager, int] = {}

  def clean_up(self) -> None:
    """Removes unfinished checkpoints of a killed run.

    Only the process that trains in the workdir may call it: the save of another
    may be under way.
    """
    for manager in (self._latest, self._best):
      for path in pathlib.Path(manager.directory).glob(f'*{_UNFINISHED}*'):
        shutil.rmtree(path)

  def latest_step(self) -> int | None:
    """Returns the step to go on from; None where there is none."""
    self._wait(self._latest)
    return self._latest.latest_step()

  def best_step(self) -> int | None:
    """Returns the step of the best checkpoint; None where there is none."""
    self._wait(self._best)
    return self._best.latest_step()

  def is_begun(self) -> bool:
    """Returns whether there is a checkpoint, of either kind."""
    return self.latest_step() is not None or self.best_step() is not None

  def best_value(self) -> float | None:
    """Returns the measure of the best checkpoint; None where there is none."""
    step = self.best_step()
    if step is None:
      return None
    restored = _read(self._best, chosen_for=ocp.args.JsonRestore())
    return restored['chosen_for']['value']

  def save(
    self,
    state: TrainState,
    unwritten: Sequence[Mapping[str, Any]] = (),
    is_validated: bool = True,
  ) -> None:
    """Begins to save the state as the latest; waits until the best is saved.

    The caller may change the state at once. It is on the disk after `wait`, or
    when the next one is saved. The best comes first, because the latest says
    that its step was validated.

    Args:
      state: state to save.
      unwritten: see `StepLog`; saved with it.
      is_validated: False if the step's validation is left to the next start.

    Raises:
      InputError: the disk is full; the save before may have failed.
    """
    self._wait(self._best)
    self._save(
      self._latest,
      state,
      unwritten=list(unwritten),
      is_validated=is_validated,
    )

  def _save(
    self, manager: ocp.CheckpointManager, state: TrainState, **more: Any
  ) -> bool:
    self._wait(manager)
    step = int(state.step)
    with _tells_full_disk(manager, step):
      is_saved = manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(state),
          **{name: ocp.args.JsonSave(value) for name, value in more.items()},
          about=ocp.args.JsonSave(self._origin),
        ),
      )
    self._saving[manager] = step
    return is_saved

  def _wait(self, manager: ocp.CheckpointManager) -> None:
    if manager in self._saving:
      with _tells_full_disk(manager, self._saving.pop(manager)):
        manager.wait_until_finished()

  def wait(self) -> None:
    """Waits until all checkpoints are on the disk.

    Raises:
      InputError: the disk is full.
    """
    for manager in (self._best, self._latest):
      self._wait(manager)

  def is_saving(self) -> bool:
    """Returns whether a checkpoint is being written."""
    return any(m.is_saving_in_progress() for m in (self._best, self._latest))

  def save_best(self, state: TrainState, value: float) -> bool:
    """Saves the state as the best so far.

    Args:
      state: state to save.
      value: its measure; higher is better.

    Returns:
      Whether it was saved. It is not if a start that was killed before its next
      checkpoint has saved this step as the best already.
    """
    return self._save(self._best, state, chosen_for={'value': value})

  def restore_latest(self, state: TrainState) -> TrainState:
    """Returns the latest checkpoint.

    Args:
      state: of the same shapes and shardings; its values are not used.

    Raises:
      InputError: there is none, it is damaged, or it was trained on other data.
    """
    return self._restore(self._latest, state)

  def left_to_do(self) -> tuple[list[dict[str, Any]], bool]:
    """Returns unwritten and is_validated of the latest; see `save`."""
    restored = _read(
      self._latest,
      unwritten=ocp.args.JsonRestore(),
      is_validated=ocp.args.JsonRestore(),
    )
    return restored['unwritten'], restored['is_validated']

  def restore_best(self, state: TrainState) -> TrainState:
    """Returns the best checkpoint; see `restore_latest`.

    Raises:
      InputError: see `restore_latest`.
    """
    return self._restore(self._best, state)

  def _restore(
    self, manager: ocp.CheckpointManager, state: TrainState
  ) -> TrainState:
    self._wait(manager)
    step = manager.latest_step()
    if step is None:
      raise InputError(
        f'{manager.directory}: holds no checkpoint; train first, or give the '
        '--workdir of a training.'
      )
    origin = _read(manager, about=ocp.args.JsonRestore())['about']
    found = differences(
      _same_data(origin.get('dataset')),
      _same_data(self._origin.get('dataset')),
      'dataset',
    )
    if found:
      raise InputError(
        f'{manager.directory}: step {step} was trained on other data ('
        + '; '.join(found)
        + '); give the dataset that it was trained on, or another --workdir. A '
        'dataset with records that can not be read counts as another one.'
      )
    _check_parts(manager, step, state)
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
    restored = _read(manager, state=ocp.args.StandardRestore(abstract))
    return restored['state']

  def close(self) -> None:
    """Waits for what is being written, and closes the checkpoints."""
    self._latest.close()
    self._best.close()


def _same_data(dataset: Mapping[str, Any] | None) -> dict[str, Any]:
  """Returns what a dataset has to have in common with the one trained on.

  Versions with the same first number have the same examples: the others only
  add features.
  """
  described = dict(dataset or {})
  if 'name' in described:
    described['name'] = re.sub(r'/(\d+)\.\d+\.\d+$', r'/\1', described['name'])
  return described


@contextlib.contextmanager
def _tells_full_disk(
  manager: ocp.CheckpointManager, step: int
) -> Iterator[None]:
  """Raises an InputError for a disk that is full."""
  try:
    yield
  except (OSError, ValueError) as e:
    if not is_disk_full(e):
      raise
    raise InputError(
      f'{manager.directory}: the disk is full, step {step} could not be saved; '
      'earlier checkpoints are whole. Make room, and give the same command '
      'again.'
    ) from e


def _manager(folder: pathlib.Path, max_to_keep: int) -> ocp.CheckpointManager:
  absl_logging.get_absl_logger().addFilter(_FILTER)
  return ocp.CheckpointManager(
    folder.absolute(),
    options=ocp.CheckpointManagerOptions(
      max_to_keep=max_to_keep,
      create=True,
    ),
  )


def _read(
  manager: ocp.CheckpointManager, **items: ocp.args.CheckpointArgs
) -> ocp.args.Composite:
  """Reads items of the latest checkpoint.

  Raises:
    InputError: it is damaged.
  """
  step = manager.latest_step()
  try:
    return manager.restore(step, args=ocp.args.Composite(**items))
  except (OSError, ValueError, KeyError) as e:
    earlier = [other for other in manager.all_steps() if other < step]
    if pathlib.Path(manager.directory).name == 'best':
      remedy = ', and train: the last step is judged again'
    elif earlier:
      remedy = f' to go on from step {max(earlier)}'
    else:
      remedy = ' to begin anew'
    raise _damaged(
      manager.directory / str(step), e, f'remove that folder{remedy}'
    ) from e


def _check_parts(
  manager: ocp.CheckpointManager, step: int, state: TrainState
) -> None:
  """Compares what a checkpoint has with what a state needs.

  Orbax itself would leave None in the place of what is missing.

  Raises:
    InputError: they differ, as where another version of aqa_jax wrote it.
  """
  folder = pathlib.Path(manager.directory) / str(step)
  try:
    with ocp.PyTreeCheckpointer() as checkpointer:
      saved = checkpointer.metadata(folder / 'state').item_metadata.tree
  except (OSError, ValueError, KeyError, AttributeError):
    return  # It is damaged, which reading it tells.
  found, needed = (
    {
      '.'.join(ocp.tree.str_keypath(path))
      for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    }
    for tree in (saved, state)
  )
  if odd := sorted(found ^ needed):
    raise InputError(
      f'{folder}: has other parts than this network and '
      f'optimizer ({odd[0]} and {len(odd) - 1} more): another version of '
      'aqa_jax wrote it, which can read it; or give another --workdir.'
    )


def _damaged(folder: pathlib.Path, error: Exception, remedy: str) -> InputError:
  return InputError(
    f'{folder}: the checkpoint is damaged '
    f'({" ".join(str(error).split())[:200]}); {remedy}.'
  )


def read_best(workdir: pathlib.Path) -> tuple[dict[str, Variables], int]:
  """Returns the variables of the best checkpoint, of any model.

  Args:
    workdir: folder of a training.

  Returns:
    `params` and `batch_stats`, host arrays; and the step.

  Raises:
    InputError: there is no checkpoint, or it is damaged.
  """
  steps = ocp.utils.checkpoint_steps(workdir / 'best')
  if not steps:
    raise InputError(
      f'{workdir}: holds no best checkpoint, which comes with the first '
      'validation; let the training go on, or give the workdir of another.'
    )
  step = max(steps)
  folder = workdir / 'best' / str(step)
  with ocp.PyTreeCheckpointer() as checkpointer:
    try:
      return _read_variables(checkpointer, folder / 'state'), step
    except (OSError, ValueError, KeyError, AttributeError) as e:
      raise _damaged(folder, e, 'give the workdir of another training') from e


def read_origin(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns the origin of the best checkpoint; see `provenance.describe`.

  Args:
    workdir: folder of a training, with a best checkpoint.

  Raises:
    InputError: the checkpoint is damaged.
  """
  step = max(ocp.utils.checkpoint_steps(workdir / 'best'))
  folder = (workdir / 'best' / str(step)).absolute()
  with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as checkpointer:
    try:
      return checkpointer.restore(folder / 'about')
    except (OSError, ValueError) as e:
      raise _damaged(folder, e, 'give the workdir of another training') from e


def _read_variables(
  checkpointer: ocp.PyTreeCheckpointer, folder: pathlib.Path
) -> dict[str, Variables]:
  """Returns `params` and `batch_stats` of a saved state."""
  folder = folder.absolute()
  saved = checkpointer.metadata(folder).item_metadata.tree
  wanted = {name: saved[name] for name in ('params', 'batch_stats')}
  return checkpointer.restore(
    folder,
    args=ocp.args.PyTreeRestore(
      item=wanted,
      restore_args=jax.tree.map(
        lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted
      ),
      partial_restore=True,
    ),
  )
