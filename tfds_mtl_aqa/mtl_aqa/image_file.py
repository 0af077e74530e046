"""Frames that are image files."""

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
# A few bytes too many are some cameras' way of filling up a file.
_COMPLAINT = re.compile(
  rb'(?!Corrupt JPEG data: \d extraneous)'
  rb'(?:Corrupt JPEG data|Premature end of JPEG|libpng error)[^\n]*\n?'
)


def read(paths: Sequence[pathlib.Path]) -> list[np.ndarray]:
  """Decodes images: uint8 [height, width, 3], BGR.

  Raises:
    InputError: a file can't be read, or is damaged.
  """
  images = []
  with _complaints() as complaint:
    for path in paths:
      data = _bytes(path)
      image = None
      # OpenCV fills in what a truncated JPEG lacks.
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
        f'{path}: is no file but a pipe, a folder or a device; put the image '
        'itself there.'
      )
    return path.read_bytes()
  except OSError as e:
    raise input_error.InputError(f'{path}: {e.strerror}.') from e


@contextlib.contextmanager
def _complaints() -> Iterator[Callable[[], str]]:
  """Gives what says what is wrong with the image that was decoded last.

  OpenCV takes damaged data for an image. The libraries below it do say so, but
  to the standard error only: it is caught, and the rest of it handed on.
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
