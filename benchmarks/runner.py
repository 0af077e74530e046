"""What a side hands out to be timed."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Runner:
  """A piece of work, ready to be run.

  Attributes:
    run: does it so many times, and returns when all is done.
    dives: that one time is about.
    count_flops: returns the operations that one time needs; None where they
      are not counted.
    peak_memory: returns the most bytes of the device that were in use; None on
      CPU, where the operating system tells.
    matrix_rate: measures the operations per second of the device's products of
      matrices.
  """

  run: Callable[[int], None]
  dives: int
  matrix_rate: Callable[[], float]
  count_flops: Callable[[], float] | None = None
  peak_memory: Callable[[], int] | None = None
