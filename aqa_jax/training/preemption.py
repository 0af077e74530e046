"""SIGTERM: the notice that this program has to end soon."""

import contextlib
import signal
import types
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

# For launchers it means "start me again": EX_TEMPFAIL of sysexits.h.
EXIT_CODE = 75


class PreemptedError(Exception):
  """Training was asked to end, and has saved where it was."""


# What XLA says where a collective or the coordination service fails.
_LOST_PEER = (
  'Gloo', 'NCCL', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'coordination service',
)  # fmt: skip


def is_lost_peer(error: BaseException) -> bool:
  """Returns whether an error of JAX says that another process is gone."""
  # Waiting for a step raises the first, beginning one raises the second.
  if not isinstance(error, jax.errors.JaxRuntimeError | ValueError):
    return False
  text = str(error)
  return jax.process_count() > 1 and any(part in text for part in _LOST_PEER)


class Notice:
  """Tells whether SIGTERM has come.

  With `jax.distributed`, JAX handles SIGTERM from the start on. Its
  coordination service gives all processes the same answer at the same step,
  whichever of them got the signal.
  """

  def __init__(self) -> None:
    """Begins without a notice."""
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
    """Returns whether SIGTERM came before the first step of this start.

    JAX says yes at one step only: the one after the last step that any process
    has asked about, or step 1. So this asks again about all steps of earlier
    starts.

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
