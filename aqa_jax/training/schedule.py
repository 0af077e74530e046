"""What is due after a training step."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Due:
  """What the loop has to do after a step.

  Attributes:
    logs: write a line of metrics.
    validates: measure the validation split, and keep the best.
    saves: write a checkpoint.
    ends: end the program, after the checkpoint: it was asked to.
    leaves_validation: the step's validation is left to the next start.
  """

  logs: bool
  validates: bool
  saves: bool
  ends: bool
  leaves_validation: bool


@dataclasses.dataclass(frozen=True)
class Schedule:
  """When a training logs, validates and saves.

  Attributes:
    num_steps: steps of the whole training.
    checkpoint_every: steps between checkpoints, 1 or more.
    log_steps: steps between lines of metrics.
  """

  num_steps: int
  checkpoint_every: int
  log_steps: int

  def is_logged(self, step: int) -> bool:
    """Returns whether a step gets a line, if the program need not end."""
    return self._at_checkpoint(step) or step % self.log_steps == 0

  def due(self, step: int, is_preempted: bool) -> Due:
    """Returns what is due after a step.

    Args:
      step: steps done, from 1.
      is_preempted: the program was asked to end. That leaves no time to
        validate: the next start does it.
    """
    at_checkpoint = self._at_checkpoint(step)
    ends = is_preempted and step < self.num_steps
    leaves_validation = at_checkpoint and ends
    return Due(
      logs=self.is_logged(step) and not leaves_validation,
      validates=at_checkpoint and not ends,
      saves=at_checkpoint or ends,
      ends=ends,
      leaves_validation=leaves_validation,
    )

  def _at_checkpoint(self, step: int) -> bool:
    return step % self.checkpoint_every == 0 or step == self.num_steps
