"""Finds or downloads the files of the annotation release."""

import errno
import hashlib
import os
import pathlib
from collections.abc import Collection, Mapping

import requests
import tensorflow_datasets as tfds

from tfds_mtl_aqa import input_error, tfds_internals

_CONNECTION_SECONDS = 20
# Errors of the disk, not of the network.
_DISK_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
_RAW = 'https://raw.githubusercontent.com'
RELEASE_COMMIT = 'bf7dcb2e09e7e9d91eafe9ce58ed28f5b31f05d4'
JUDGES_COMMIT = 'f7881a9ff6d8be3cd6549fd58f1456d671537e76'
_RELEASE_URL = (
  f'{_RAW}/ParitoshParmar/MTL-AQA/{RELEASE_COMMIT}'
  '/MTL-AQA_dataset_release/Ready_2_Use'
)
_JUDGES_URL = f'{_RAW}/yuxumin/CoRe/{JUDGES_COMMIT}/MTL-AQA/info'

# By role. Files are looked for at the same paths in `manual_dir`.
_MAIN = 'MTL-AQA_split_0_data'
_RELEASE_PATHS = {
  'annotations': f'{_MAIN}/final_annotations_dict.pkl',
  'captions': f'{_MAIN}/final_captions_dict.pkl',
  'vocabulary': f'{_MAIN}/vocab.json',
  'train': f'{_MAIN}/train_split_0.pkl',
  'test': f'{_MAIN}/test_split_0.pkl',
  'subset_443': 'smaller_training_sets/size_450/train_split_0.pkl',
  'subset_279': 'smaller_training_sets/size_280/train_split_0.pkl',
  'subset_143': 'smaller_training_sets/size_140/train_split_0.pkl',
  'unlv_train': 'UNLV_Dive_split_4/train_split_370_4.pkl',
  'unlv_test': 'UNLV_Dive_split_4/test_split_370_4.pkl',
}
_JUDGES_PATHS = {'judges': 'final_annotations_dict_with_dive_number.pkl'}

URLS = {
  role: f'{_RELEASE_URL}/{path}' for role, path in _RELEASE_PATHS.items()
} | {role: f'{_JUDGES_URL}/{path}' for role, path in _JUDGES_PATHS.items()}

# Of which dives there are, and the official split.
MAIN_ROLES = ('annotations', 'train', 'test')

# Folders of `manual_dir` that may hold a copy of either release.
_RELEASE_FOLDERS = (
  '',
  'Ready_2_Use',
  'MTL-AQA_dataset_release/Ready_2_Use',
  'MTL-AQA/MTL-AQA_dataset_release/Ready_2_Use',
  'MTL-AQA-master/MTL-AQA_dataset_release/Ready_2_Use',
)
_JUDGES_FOLDERS = (
  '',
  'info',
  'MTL-AQA/info',
  'CoRe/MTL-AQA/info',
  'CoRe-main/MTL-AQA/info',
  'CoRe-master/MTL-AQA/info',
)


def locate(
  dl_manager: tfds.download.DownloadManager,
  manual_dir: pathlib.Path | None,
  checksums: Mapping[str, tfds_internals.UrlInfo],
  roles: Collection[str] = tuple(URLS),
) -> dict[str, pathlib.Path]:
  """Returns the path of files by role; downloads those that are missing.

  Args:
    dl_manager: downloads, and checks the downloaded files.
    manual_dir: the user's folder, or None.
    checksums: SHA-256 of the file at every address in `URLS`.
    roles: of the files that are needed.

  Raises:
    InputError: a file in `manual_dir` is not the released one, or a download
      failed.
    OSError: the disk is full or cannot be written.
  """
  paths = {}
  for role in roles:
    path = _find(role, manual_dir)
    if path is not None:
      paths[role] = path
  absent = {role: URLS[role] for role in roles if role not in paths}
  paths |= _download(dl_manager, absent, manual_dir)
  # Downloads too: TFDS checks only what the dataset itself lists.
  for role, path in paths.items():
    _check(path, checksums[URLS[role]].checksum, URLS[role])
  return paths


def _find(role: str, manual_dir: pathlib.Path | None) -> pathlib.Path | None:
  if manual_dir is None:
    return None
  is_of_release = role in _RELEASE_PATHS
  name = (_RELEASE_PATHS if is_of_release else _JUDGES_PATHS)[role]
  for folder in _RELEASE_FOLDERS if is_of_release else _JUDGES_FOLDERS:
    path = manual_dir / folder / name
    if path.is_file():
      return path
  return None


def _check(path: pathlib.Path, expected: str, url: str) -> None:
  try:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
  except OSError as e:
    raise input_error.unreadable(path, e) from e
  if found != expected:
    raise input_error.InputError(
      f'{path}: is not the released file (SHA-256 {found}, expected '
      f'{expected}); replace it by {url}, or remove it to have it downloaded.'
    )


def _download(
  dl_manager: tfds.download.DownloadManager,
  urls: Mapping[str, str],
  manual_dir: pathlib.Path | None,
) -> dict[str, pathlib.Path]:
  if not urls:
    return {}
  paths: dict[str, pathlib.Path] = {}
  url = next(iter(urls.values()))
  try:
    # Fails soon: TFDS itself tries for three minutes to reach a server.
    requests.head(url, timeout=_CONNECTION_SECONDS)
    for role, url in urls.items():  # One by one: errors are about one file.
      paths[role] = pathlib.Path(os.fspath(dl_manager.download(url)))
  except (
    requests.exceptions.RequestException,
    *tfds_internals.DOWNLOAD_ERRORS,
    OSError,
  ) as e:
    if getattr(e, 'errno', None) in _DISK_ERRORS:
      raise
    names = _RELEASE_PATHS | _JUDGES_PATHS
    absent = ', '.join(names[role] for role in urls if role not in paths)
    raise input_error.InputError(
      f'{url}: could not be downloaded ({type(e).__name__}); run the same '
      'command again when the address can be reached, or put these files into '
      f'{manual_dir or "the manual_dir"}: {absent}.'
    ) from e
  return paths
