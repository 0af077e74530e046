"""Which dive of MTL-AQA is which of UNLV-Dive, the diving class of AQA-7.

UNLV-Dive has 370 dives, from three events of London 2012 that MTL-AQA has too.
The release has lists of their keys (event, sample), but numbers the samples of
an event without gaps. MTL-AQA has no (1, 64), and AQA-7 has neither (3, 9) nor
(1, 70). So many of those keys name a neighbouring dive. The mapping here agrees
with all 370 scores.
"""

from collections.abc import Iterable

NUM_DIVES = 370
# AQA-7 numbers the dives of events 3, 2 and 1, in this order.
_FIRST_OF_EVENT_2 = 73
_FIRST_OF_EVENT_1 = 181


def key_of_id(dive_id: int) -> tuple[int, int]:
  """Returns the key (event, sample) of an AQA-7 diving id.

  Raises:
    ValueError: the id is not between 1 and 370.
  """
  if not 1 <= dive_id <= NUM_DIVES:
    raise ValueError(f'AQA-7 has diving ids 1 to {NUM_DIVES}, not {dive_id}.')
  if dive_id <= 8:
    return 3, dive_id
  if dive_id < _FIRST_OF_EVENT_2:
    return 3, dive_id + 1
  if dive_id < _FIRST_OF_EVENT_1:
    return 2, dive_id - 72
  if dive_id <= 243:
    return 1, dive_id - 180
  if dive_id <= 248:
    return 1, dive_id - 179
  return 1, dive_id - 178


def ids_by_key() -> dict[tuple[int, int], int]:
  """Returns the AQA-7 diving id by key, for every key that has one."""
  return {key_of_id(dive_id): dive_id for dive_id in range(1, NUM_DIVES + 1)}


def ids_of_released_list(keys: Iterable[tuple[int, int]]) -> list[int]:
  """Returns the AQA-7 diving ids of the keys in a released list.

  Args:
    keys: from `train_split_370_4.pkl` or `test_split_370_4.pkl`.

  Raises:
    KeyError: an event is not 1, 2 or 3.
  """
  first_ids = {3: 1, 2: _FIRST_OF_EVENT_2, 1: _FIRST_OF_EVENT_1}
  return [first_ids[event] + sample - 1 for event, sample in keys]
