"""The files that judged videos with their judgements are written to."""

import hashlib
import os
import pathlib
from collections.abc import Sequence

from aqa_jax.judging.mp4_file import comment_of
from tfds_mtl_aqa.input_error import InputError

# What the comment of such a file begins with.
_MARK = 'aqa_jax.judge --annotated'


class AnnotatedFiles:
  """Chooses a file for each dive of several videos.

  Videos of several folders may have one name, and a video several dives. A file
  that is there is replaced where it is of an earlier judgement of the same
  video; any other stays.
  """

  def __init__(self, out: pathlib.Path, videos: Sequence[pathlib.Path]):
    """Chooses nothing yet.

    Args:
      out: an MP4 file, or for several videos a folder that is there.
      videos: all videos that are judged.

    Raises:
      InputError: `out` is no place for so many videos.
    """
    self._is_folder = out.is_dir()
    if not self._is_folder:
      _check_file(out, len(videos))
    self._out = out
    # They are never replaced, and no file is written twice.
    self._taken = {os.path.realpath(video) for video in videos}

  def file_for(self, video: pathlib.Path) -> pathlib.Path:
    """Returns the file for the next dive of a video."""
    first = self._out
    if self._is_folder:
      first /= f'{video.stem}_judged.mp4'
    file, number = first, 1
    while not self._is_free(file, mark(video), number):
      number += 1
      file = first.with_stem(f'{first.stem}_{number}')
    self._taken.add(os.path.realpath(file))
    return file

  def _is_free(self, file: pathlib.Path, own_mark: str, number: int) -> bool:
    if os.path.realpath(file) in self._taken:
      return False
    # The user has named the first file, if it is no folder.
    is_named = number == 1 and not self._is_folder
    return is_named or not file.exists() or comment_of(file) == own_mark


def _check_file(out: pathlib.Path, num_videos: int) -> None:
  """Raises InputError where the path is no file for so many videos."""
  if num_videos > 1:
    raise InputError(
      f'--annotated={out}: there are several videos; make a folder of that '
      'name first.'
    )
  if out.suffix.lower() != '.mp4':
    raise InputError(f'--annotated={out}: give a name that ends in .mp4.')
  if not out.absolute().parent.is_dir():
    raise InputError(
      f'--annotated={out}: its folder is not there; make it first.'
    )


def mark(video: pathlib.Path) -> str:
  """Returns the comment of the files that are made of a video."""
  path = os.fsencode(os.path.realpath(video))
  return f'{_MARK} {hashlib.sha256(path).hexdigest()[:16]}'


def is_annotated(path: pathlib.Path) -> bool:
  """Returns whether a file is a judged video with its judgement."""
  return path.suffix.lower() == '.mp4' and comment_of(path).startswith(_MARK)
