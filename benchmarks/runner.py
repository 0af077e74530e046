"""A piece of work that can be timed."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Runner:
  """A piece of work, ready to be run.

  Attributes:
    run: does the work a given number of times, and returns when it is done.
    dives: dives of one run.
    count_flops: returns the floating-point operations of one run; None where
      they are not counted.
    peak_memory: returns the most bytes of the device that were in use; None on
      CPU, where the operating system knows it.
    matrix_rate: measures the operations per second of the device's products of
      matrices.
  """

  run: Callable[[int], None]
  dives: int
  matrix_rate: Callable[[], float]
  count_flops: Callable[[], float] | None = None
  peak_memory: Callable[[], int] | None = None
