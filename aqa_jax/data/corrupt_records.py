"""Records of the training split that can't be read: counted and left out."""

import sys
import threading

from tfds_mtl_aqa.input_error import InputError


class CorruptRecords:
  """Counts the records that this process could not read; too many are an error.

  Thread-safe: Grain calls it from its reader threads.
  """

  def __init__(self, num_records: int, max_fraction: float):
    """Starts empty.

    Args:
      num_records: number of records of the split.
      max_fraction: share of them that may be left out, 0 to 1.
    """
    self._num_records = num_records
    self._max_fraction = max_fraction
    self._names: set[str] = set()
    self._lock = threading.Lock()

  def leave_out(self, name: str, reason: str) -> None:
    """Leaves out a record; prints it the first time.

    Args:
      name: name of the record.
      reason: why it can't be read.

    Raises:
      InputError: more than `max_fraction` of the records are left out.
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
    # Every process prints its own; only the first one prints to stdout.
    print(
      f'Left out ({count} of {self._num_records} so far): {name}: {reason}',
      file=sys.stderr,
    )
