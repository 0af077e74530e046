"""Writes files so that a name never stands for half a file."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

# Ends the names of files that are still being written.
PART_SUFFIX = '.part'


@contextlib.contextmanager
def replaced(
  path: str | os.PathLike[str], *, sync: bool = True
) -> Iterator[pathlib.Path]:
  """Gives a temporary path to write to, and renames it at the end.

  At any time the file is wholly old or wholly new: readers and an interrupted
  run never see a part. After an error the temporary file is removed and the
  old one stays.

  Args:
    path: the file, in an existing folder.
    sync: whether to wait until the content is on the disk (fsync), so that it
      also survives a loss of power.

  Yields:
    The temporary path, in the same folder. Two processes get different ones.

  Raises:
    OSError: the file can't be written.
  """
  path = pathlib.Path(path)
  part = path.with_name(f'{path.name}.{os.getpid()}{PART_SUFFIX}')
  try:
    yield part
    if sync:
      sync_path(part)
    os.replace(part, path)
  finally:
    part.unlink(missing_ok=True)


def sync_path(path: str | os.PathLike[str]) -> None:
  """Waits until a file, or the names in a folder, are on the disk (fsync)."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def sync_folder(folder: str | os.PathLike[str]) -> None:
  """Waits until the files and names of a folder are on the disk (fsync).

  Args:
    folder: an existing folder. Files in its subfolders are left out.
  """
  folder = pathlib.Path(folder)
  for path in folder.iterdir():
    if path.is_file():
      sync_path(path)
  sync_path(folder)
