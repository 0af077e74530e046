"""The notice that this machine is about to be taken away: SIGTERM."""

import contextlib
import signal
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


def is_lost_peer(error: Exception) -> bool:
  """Returns whether an error of JAX says that another process is gone."""
  text = str(error)
  return jax.process_count() > 1 and any(part in text for part in _LOST_PEER)


class Notice:
  """Whether the notice has come."""

  def __init__(self):
    """No notice yet."""
    self._has_come = False

  def has_come(self, step: int) -> bool:
    """Returns whether to save and end after a step.

    All processes get the same answer at the same step, whichever of them was
    told: JAX's coordination service sees to that.

    Args:
      step: the one just done; every process has to ask after every step.
    """
    if jax.process_count() > 1:
      return multihost_utils.reached_preemption_sync_point(step)
    return self._has_come

  @contextlib.contextmanager
  def listening(self) -> Iterator[None]:
    """Listens for SIGTERM; several processes listen through JAX."""
    if jax.process_count() > 1:
      yield
      return
    before = signal.signal(signal.SIGTERM, self._receive)
    try:
      yield
    finally:
      signal.signal(signal.SIGTERM, before)

  def _receive(self, *_: object) -> None:
    self._has_come = True
