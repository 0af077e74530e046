"""Records of the training split that can't be read: counted and left out."""

import sys
import threading

from tfds_mtl_aqa.input_error import InputError


class CorruptRecords:
  """Those that this process has found; more than a share of all is an error.

  Thread-safe: Grain calls it from its reader threads.
  """

  def __init__(self, num_records: int, max_fraction: float):
    """Starts empty.

    Args:
      num_records: of the split.
      max_fraction: of them that may be left out; 0 for none.
    """
    self._num_records = num_records
    self._max_fraction = max_fraction
    self._names: set[str] = set()
    self._lock = threading.Lock()

  def leave_out(self, name: str, reason: str) -> None:
    """Leaves out a record; says so the first time.

    Args:
      name: of the record.
      reason: why it can't be read.

    Raises:
      InputError: it is one too many.
    """
    with self._lock:
      if name in self._names:
        return
      self._names.add(name)
      count = len(self._names)
    if count > self._max_fraction * self._num_records:
      raise InputError(
        f'{name}: {reason} With it, {count} of {self._num_records} records '
        'can not be read: prepare the dataset again, or let more be left out '
        f'than config.max_corrupt_fraction={self._max_fraction:g}.'
      )
    # Every process tells its own; the standard output is the first one's.
    print(
      f'Left out ({count} of {self._num_records} so far): {name}: {reason}',
      file=sys.stderr,
    )
