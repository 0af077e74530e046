"""The notice that this machine is about to be taken away: SIGTERM."""

import contextlib
import signal
import types
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

# What launchers take for "start me again": EX_TEMPFAIL of sysexits.h.
EXIT_CODE = 75


class PreemptedError(Exception):
  """Training was asked to end, and has saved where it was."""


# What XLA says where a collective or the coordination service fails.
_LOST_PEER = (
  'Gloo', 'NCCL', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'coordination service',
)  # fmt: skip


def is_lost_peer(error: BaseException) -> bool:
  """Returns whether an error is JAX's that another process is gone."""
  # Where a step is awaited it is the first, where it is begun the second.
  if not isinstance(error, jax.errors.JaxRuntimeError | ValueError):
    return False
  text = str(error)
  return jax.process_count() > 1 and any(part in text for part in _LOST_PEER)


class Notice:
  """Whether the notice has come.

  With `jax.distributed`, its own handler takes SIGTERM from the start on, and
  JAX's coordination service sees to it that all processes get the same answer
  at the same step, whichever of them was told.
  """

  def __init__(self) -> None:
    """No notice yet."""
    self._has_come = False

  def has_come(self, step: int) -> bool:
    """Returns whether to save and end after a step.

    Args:
      step: the one just done; every process has to ask after every step.
    """
    if jax.distributed.is_initialized():
      return multihost_utils.reached_preemption_sync_point(step)
    return self._has_come

  def came_before(self, step: int) -> bool:
    """Returns whether it came before the first step of this start.

    JAX answers at the step after the last that any process has asked for, at
    step 1 if none has: so those of earlier starts are asked for again.

    Args:
      step: the first of this start, just done.
    """
    return jax.distributed.is_initialized() and any(
      self.has_come(past) for past in range(1, step + 1)
    )

  @contextlib.contextmanager
  def listening(self) -> Iterator[None]:
    """Listens for SIGTERM; with `jax.distributed`, JAX does."""
    if jax.distributed.is_initialized():
      yield
      return
    before = signal.signal(signal.SIGTERM, self._receive)
    try:
      yield
    finally:
      signal.signal(signal.SIGTERM, before)

  def _receive(self, _signal: int, _frame: types.FrameType | None) -> None:
    self._has_come = True
