"""The training loop: steps, progress, validation, checkpoints."""

import contextlib
import math
import pathlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from aqa_jax import sharding
from aqa_jax.task import Batch
from aqa_jax.train_state import TrainState
from aqa_jax.training import preemption
from aqa_jax.training.goodput import Goodput
from aqa_jax.training.metrics_writer import MetricsWriter
from aqa_jax.training.preemption import PreemptedError
from aqa_jax.training.progress import ProgressLine
from aqa_jax.training.schedule import Schedule
from aqa_jax.training.setup import Setup
from aqa_jax.training.step_log import StepLog
from aqa_jax.training.trace import Trace
from aqa_jax.training.training import Training
from aqa_jax.weights import pretrained
from aqa_jax.weights.checkpoint import Checkpoints
from aqa_jax.workdir import check_workdir, has_checkpoint
from tfds_mtl_aqa.file_lock import file_lock


def run(training: Training) -> None:
  """Trains, or goes on training, to the last step.

  Args:
    training: the training; afterwards its state is the last one.

  Raises:
    InputError: `config.init_from` does not fit, or another process trains in
      the workdir.
    FloatingPointError: too many losses in a row were not finite.
    PreemptedError: SIGTERM has come, and the state is saved.
  """
  with contextlib.ExitStack() as stack:
    if jax.process_index() == 0:
      message = (
        f'--workdir={training.workdir}: another process is training there; '
        'wait for it, or end it.'
      )
      stack.enter_context(file_lock(training.workdir / '.lock', message))
      training.checkpoints.clean_up()
    _run(training)


def _run(training: Training) -> None:
  checkpoints, num_steps = training.checkpoints, training.num_steps
  first_step = checkpoints.latest_step() or 0
  devices = (
    f'{training.mesh.size} {sharding.platform(training.mesh)} device(s) in '
    f'{training.config.compute_dtype}'
  )
  unwritten: list[dict[str, Any]] = []
  is_validated = True
  batches: Iterator[Batch] = iter(())
  if first_step < num_steps:
    batches = _start_compiling(training, first_step)
  if first_step:
    training.state = checkpoints.restore_latest(training.state)
    unwritten, is_validated = checkpoints.left_to_do()
    print(f'Going on from step {first_step} of {num_steps}, on {devices}.')
  else:
    create_state(training)
    print(
      f'Training on {training.summary()}, for {num_steps} steps of '
      f'{training.config.batch_size}, on {devices}. The first step compiles.'
    )
  # The line of a step that is not validated yet is written again.
  last_line = first_step - (not is_validated)
  if first_step == num_steps and checkpoints.best_step() is None:
    # A damaged best one was removed: the last step is judged again.
    is_validated = False
  with contextlib.closing(
    MetricsWriter(
      training.workdir,
      last_line or None,
      training.config.tensorboard,
      enabled=jax.process_index() == 0,
    )
  ) as writer:
    step_log = StepLog(
      training.workdir,
      writer,
      first_step or None,
      # A training of fewer steps ends so too.
      min(training.config.max_non_finite, num_steps),
    )
    step_log.restore(unwritten)
    _train(training, batches, first_step, is_validated, writer, step_log)


def _start_compiling(training: Training, first_step: int) -> Iterator[Batch]:
  """Compiles the training step in a thread of its own.

  It takes longer than all else before the first step.

  Args:
    training: the training; its state may be abstract.
    first_step: steps that are done already.

  Returns:
    The batch of each step, on the devices; the first waits for the compiling.
  """
  abstract_state = training.state
  batches = training.batches(first_step)

  def compile_for_first() -> Batch:
    first = training.place(next(batches))
    # What it compiles stays in the cache of the jitted function.
    training.setup.train_step.lower(abstract_state, first).compile()
    return first

  thread = ThreadPoolExecutor(1)
  first = thread.submit(compile_for_first)
  thread.shutdown(wait=False)

  def placed() -> Iterator[Batch]:
    yield first.result()
    for batch in batches:
      yield training.place(batch)

  return placed()


def begin(
  setup: Setup, workdir: pathlib.Path, origin: Mapping[str, Any] | None = None
) -> Checkpoints:
  """Records the config in the workdir; returns its checkpoints.

  If it raises, it has written nothing.

  Args:
    setup: setup of the training.
    workdir: folder of the run.
    origin: stored with each checkpoint; see `provenance.describe`.

  Raises:
    InputError: `config.init_from` can't be read, or does not fit, or the
      workdir belongs to another config.
  """
  if setup.config.init_from and not has_checkpoint(workdir):
    _pretrained_variables(setup, setup.abstract_state())
  check_workdir(workdir, setup.config.to_dict())
  return Checkpoints(workdir, origin)


def create_state(training: Training) -> None:
  """Computes the state before the first step.

  Where `config.init_from` gives weights, it prints which were loaded.

  Args:
    training: the training; afterwards it has the state.

  Raises:
    InputError: `config.init_from` does not fit.
  """
  training.state = training.setup.create_state()
  if not training.config.init_from:
    return
  variables, table = _pretrained_variables(training.setup, training.state)
  print(table)
  training.state = training.state.replace(
    **jax.device_put(
      variables, sharding.state_sharding(training.mesh, variables)
    )
  )


def _pretrained_variables(
  setup: Setup, state: TrainState
) -> tuple[dict[str, Any], str]:
  """Returns variables of `config.init_from`, and a table of them."""
  return pretrained.initialize(
    {'params': state.params, 'batch_stats': state.batch_stats},
    setup.config.init_from,
    setup.config.init_scope,
    setup.system.official_names,
  )


def _train(
  training: Training,
  batches: Iterator[Batch],
  first_step: int,
  is_validated: bool,
  writer: MetricsWriter,
  step_log: StepLog,
) -> None:
  """Runs the training steps that are left.

  Raises:
    PreemptedError: SIGTERM has come, and the state is saved.
  """
  config, num_steps = training.config, training.num_steps
  if first_step == num_steps and is_validated:
    return
  checkpoints = training.checkpoints
  schedule = Schedule(
    num_steps,
    max(training.setup.steps_of('checkpoint_every'), 1),
    config.log_steps,
  )
  progress = ProgressLine(
    num_steps, config.batch_size, seconds=config.progress_seconds
  )
  goodput = Goodput(training.workdir, training.started)
  best = checkpoints.best_value()
  if not is_validated:
    step_log.write()
    best = _choose(training, first_step, best, writer, progress)
  trace = Trace(training.workdir, first_step, config.profile)
  notice = preemption.Notice()
  with contextlib.closing(trace), contextlib.ExitStack() as stack:
    for step in range(first_step + 1, num_steps + 1):
      trace.before(step)
      begun = time.monotonic()
      with jax.profiler.StepTraceAnnotation('train', step_num=step):
        batch = next(batches)
        # All that a step needs has to be on the devices already.
        with jax.transfer_guard('disallow'):
          training.state, scalars = training.setup.train_step(
            training.state, batch
          )
      step_log.add(step, scalars)
      is_first = step == first_step + 1
      shows_progress = progress.due(step)
      if (
        schedule.is_logged(step)
        or shows_progress
        or is_first
        or trace.ends_with(step)
      ):
        # What reads them below would wait, and its time is not in the goodput.
        jax.block_until_ready(scalars)
      if is_first:
        # Before the first step there is nothing to save: SIGTERM just ends it.
        stack.enter_context(notice.listening())
        is_preempted = notice.came_before(step)
        print(
          f'The first step was done {time.monotonic() - training.started:.1f} '
          's after the start.'
        )
      else:
        goodput.add(time.monotonic() - begun)
        is_preempted = notice.has_come(step)
      trace.after(step)
      if shows_progress:
        progress.update(step, _losses(scalars))
      due = schedule.due(step, is_preempted)
      if due.logs:
        step_log.write()
        if not checkpoints.is_saving():
          goodput.keep()
        goodput.record()
      if due.validates:
        best = _choose(training, step, best, writer, progress)
      if due.saves:
        # First the lines: a checkpoint relies on them. Steps of a line that is
        # not complete are saved, and the next start completes it.
        writer.flush()
        checkpoints.save(
          training.state, step_log.unwritten(), not due.leaves_validation
        )
        goodput.mark()
      if due.ends:
        checkpoints.wait()
        goodput.keep()
        raise PreemptedError(f'asked to end; step {step} is saved')
  checkpoints.wait()
  goodput.keep()
  print(goodput.summary())


def _losses(scalars: Mapping[str, jax.Array]) -> dict[str, float]:
  """Returns the losses among the scalars of a step."""
  others = ('gradient_norm', 'is_finite', 'dive_id')
  return {k: float(v) for k, v in scalars.items() if k not in others}


def _choose(
  training: Training,
  step: int,
  best: float | None,
  writer: MetricsWriter,
  progress: ProgressLine,
) -> float | None:
  """Evaluates on the validation split; keeps the state if it is the best."""
  started = time.monotonic()
  figures = training.validate()
  writer.write_scalars(
    step, {f'validation/{name}': value for name, value in figures.items()}
  )
  figure = figures[training.measure]
  # NaN: a constant prediction, which is worse than any other.
  value = -math.inf if np.isnan(figure) else float(figure)
  progress.break_line()
  is_best = best is None or value > best
  print(
    f'validation at step {step}: {training.measure} {figure:.3f}, '
    f'{time.monotonic() - started:.0f}s' + (' (best so far)' * is_best)
  )
  if is_best and training.checkpoints.save_best(training.state, value):
    return value
  return best
