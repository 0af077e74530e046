"""Annotation files that the user puts into the manual_dir."""

import dataclasses
import hashlib
import pathlib

from tfds_mtl_aqa import input_error


@dataclasses.dataclass(frozen=True)
class ManualFile:
  """A file of annotations, which is not downloaded.

  Attributes:
    names: it may have.
    folders: of the manual_dir that may hold it; '' for the manual_dir itself.
    origin: where to get it, for error messages.
  """

  names: tuple[str, ...]
  folders: tuple[str, ...]
  origin: str

  def find(self, manual_dir: pathlib.Path | None) -> pathlib.Path | None:
    """Returns the path of the file; None where it is not there.

    Args:
      manual_dir: the user's folder; None where it is not there, or empty.
    """
    if manual_dir is None:
      return None
    for folder in self.folders:
      for name in self.names:
        path = manual_dir / folder / name
        if path.is_file():
          return path
    return None

  def locate(self, manual_dir: pathlib.Path | None) -> pathlib.Path:
    """Returns the path of the file.

    Args:
      manual_dir: see `find`.

    Raises:
      InputError: it is not there.
    """
    path = self.find(manual_dir)
    if path is not None:
      return path
    place = manual_dir or 'the manual_dir, which is not there or empty'
    raise input_error.InputError(
      f'{self.names[0]}: is not in {place}; get it from {self.origin}, put it '
      'into a folder, and give that as --manual_dir.'
    )

  def malformed(
    self, path: pathlib.Path, reason: object
  ) -> input_error.InputError:
    """Returns the error for a file that has other content.

    Args:
      path: of the file.
      reason: what is wrong.
    """
    return input_error.InputError(
      f'{path}: {reason}; get {self.names[0]} again from {self.origin}.'
    )


def read_text(path: pathlib.Path) -> str:
  """Returns the content of a file; what is no ASCII is replaced.

  Raises:
    InputError: it can't be read.
  """
  try:
    return path.read_text('ascii', errors='replace')
  except OSError as e:
    raise input_error.unreadable(path, e) from e


def sha256(path: pathlib.Path) -> str:
  """Returns the checksum of a file.

  Raises:
    InputError: it can't be read.
  """
  try:
    return hashlib.sha256(path.read_bytes()).hexdigest()
  except OSError as e:
    raise input_error.unreadable(path, e) from e
