"""Reads frames that are image files."""

import contextlib
import os
import pathlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from tfds_mtl_aqa import input_error

_END_OF_JPEG = b'\xff\xd9'
# Some cameras fill up a file with a few extra bytes: that is no damage.
_COMPLAINT = re.compile(
  rb'(?!Corrupt JPEG data: \d extraneous)'
  rb'(?:Corrupt JPEG data|Premature end of JPEG|libpng error)[^\n]*\n?'
)


def read(paths: Sequence[pathlib.Path]) -> list[np.ndarray]:
  """Returns decoded images: each uint8 [height, width, 3], BGR.

  Raises:
    InputError: a file can't be read, or is damaged.
  """
  images = []
  with _complaints() as complaint:
    for path in paths:
      data = _bytes(path)
      image = None
      # OpenCV fills the missing part of a truncated JPEG with grey.
      is_jpeg = path.suffix.lower() in ('.jpg', '.jpeg')
      if data and not (is_jpeg and _END_OF_JPEG not in data[-4096:]):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
      reason = complaint()
      if image is None or reason:
        raise input_error.InputError(
          f'{path}: is not a whole image ({reason or f"{len(data)} bytes"}); '
          'extract or copy it again.'
        )
      images.append(image)
  return images


def _bytes(path: pathlib.Path) -> bytes:
  try:
    if path.exists() and not path.is_file():
      raise input_error.InputError(
        f'{path}: is a pipe, a folder or a device; put an image file there.'
      )
    return path.read_bytes()
  except OSError as e:
    raise input_error.unreadable(path, e) from e


@contextlib.contextmanager
def _complaints() -> Iterator[Callable[[], str]]:
  """Gives a function that says what is wrong with the last decoded image.

  OpenCV decodes damaged data without an error. The libraries below it report
  the damage, but on the standard error only. So it is redirected to a file
  here. Other text in that file is printed at the end.
  """
  try:
    stderr = os.dup(2)
  except OSError:  # The process has none.
    yield lambda: ''
    return
  with tempfile.TemporaryFile() as file, contextlib.ExitStack() as stack:
    stack.callback(os.close, stderr)
    os.dup2(file.fileno(), 2)
    seen = 0

    def complaint() -> str:
      nonlocal seen
      end = os.fstat(file.fileno()).st_size
      text = os.pread(file.fileno(), end - seen, seen)
      seen = end
      found = _COMPLAINT.search(text)
      return found[0].decode(errors='replace').strip() if found else ''

    try:
      yield complaint
    finally:
      os.dup2(stderr, 2)
      said = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
      os.write(2, _COMPLAINT.sub(b'', said))
