"""The end of what is judged, as people write it."""

import re

from tfds_mtl_aqa.input_error import InputError


def parse_end(text: str) -> tuple[int | None, float | None]:
  """Returns (end_frame, end_seconds), of which one is None.

  Args:
    text: number of a frame from 1 on, such as '62'; or its time: '2.4s'.

  Raises:
    InputError: it is neither.
  """
  if match := re.fullmatch(r'(\d{1,9}\.?\d*|\.\d+)\s*s', text, re.ASCII):
    return None, float(match[1])
  if re.fullmatch(r'[1-9]\d{,8}', text, re.ASCII):
    return int(text), None
  raise InputError(
    f'give the number of a frame from 1 on, such as 62, or a time, such as '
    f'2.4s, not {text[:100]!r}.'
  )
