"""The videos that the arguments of a command name."""

import glob
import os
import pathlib
from collections.abc import Callable, Sequence

from aqa_jax.judging import video
from aqa_jax.judging.annotated_files import is_annotated
from aqa_jax.judging.user_path import user_path
from tfds_mtl_aqa.input_error import InputError


def find_videos(
  names: Sequence[str], tell: Callable[[str], None]
) -> list[pathlib.Path]:
  """Returns the videos of files, folders and patterns, each once.

  One that is not there is among them, if others are: it is told when its turn
  comes. Of folders and patterns, what --annotated has written is left out.

  Args:
    names: of files and folders, and patterns such as *.mov.
    tell: called with what is left out, a sentence.

  Raises:
    InputError: none is there, or a folder or pattern holds no video.
  """
  paths: dict[pathlib.Path, pathlib.Path] = {}
  missing: list[InputError] = []
  for name in names:
    try:
      path = user_path(name)
    except InputError as e:
      # A shell leaves a pattern in quotes alone.
      matches = sorted(glob.glob(os.path.expanduser(name)))
      if not matches:
        missing.append(e)
      found = [
        video_path
        for path in map(pathlib.Path, matches or [name])
        for video_path in _videos_of(path)
      ]
      found = _originals(found, name, tell)
    else:
      found = _videos_of(path)
      if found != [path]:
        found = _originals(found, name, tell)
    paths |= {path.absolute(): path for path in found}
  if missing and len(missing) == len(paths):
    raise missing[0]
  return list(paths.values())


def _videos_of(path: pathlib.Path) -> list[pathlib.Path]:
  """Returns the videos of a folder, or the path itself.

  Raises:
    InputError: the folder holds none.
  """
  if not path.is_dir() or video.is_image_folder(path):
    return [path]
  found = video.videos_in(path)
  if not found:
    raise InputError(
      f'{path}: holds neither videos nor images; give a folder that does, such '
      'as one in it.'
    )
  return found


def _originals(
  found: list[pathlib.Path], name: str, tell: Callable[[str], None]
) -> list[pathlib.Path]:
  """Returns videos without those that --annotated has written.

  Raises:
    InputError: none is left.
  """
  originals = [path for path in found if not is_annotated(path)]
  if not originals:
    raise InputError(
      f'{name}: all its videos were written by --annotated; give the originals.'
    )
  if len(originals) < len(found):
    tell(
      f'{name}: {len(found) - len(originals)} of {len(found)} videos were '
      'written by --annotated, and are left out.'
    )
  return originals
