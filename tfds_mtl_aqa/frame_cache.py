"""Keeps the frames of each dive until their dataset is written.

Decoding or rendering takes hours, writing a dataset takes minutes. Each
finished dive is stored in a file of its own. So an interrupted run loses only
the dives that it was working on.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import process as process_pool

import tqdm

from tfds_mtl_aqa import atomic_file, input_error

_MAGIC = b'AQAFRAM1'
_HEADER = struct.Struct('<8sII')  # magic, header bytes, CRC-32 of the rest
_SUFFIX = '.frames'

# A dive, and why it could not be made.
_Stored = tuple[str, input_error.InputError | None]

# In a process that makes frames: what it was started with.
_process_cache: '_Cache'


def cached_frames(
  keys: Sequence[str],
  make_frames: Callable[[str], list[bytes]],
  folder: str | os.PathLike[str],
  *,
  fingerprint: Callable[[str], str],
  num_processes: int = 1,
  description: str = '',
  left_out: Callable[[str, input_error.InputError], None] | None = None,
) -> Iterator[tuple[str, list[bytes]]]:
  """Yields the frames of each dive, and makes those that the cache lacks.

  Args:
    keys: names of the dives. Each must be a valid file name.
    make_frames: returns the frames of one dive: the content of JPEG files, or
      any other byte strings. With more than one process it is pickled, and
      called in new (spawned) processes in any order.
    folder: where finished dives are stored. It is created if needed. The caller
      removes it with `remove_folder` when the dataset is complete.
    fingerprint: returns text that says what the frames of a dive are made from;
      pickled like `make_frames`. A stored dive with another fingerprint is made
      again.
    num_processes: how many processes make frames; 1 for this process alone.
    description: name of the progress bar.
    left_out: called with a dive and its error where `make_frames` raises an
      InputError; the dive is then left out. None to raise the error.

  Yields:
    (key, frames), in the order of `keys`.

  Raises:
    InputError: from `make_frames`; or a process died, or the disk does not keep
      what is written to it.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  cache = _Cache(make_frames, fingerprint, folder)
  if num_processes > 1:
    stored_keys = _store_in_processes(keys, cache, num_processes)
  else:
    stored_keys = _store_here(keys, cache)
  progress = tqdm.tqdm(
    total=len(keys),
    desc=description,
    unit='dive',
    mininterval=0.5 if sys.stderr.isatty() else 15,
    dynamic_ncols=True,
  )
  with progress, contextlib.closing(stored_keys):
    for key, error in stored_keys:
      progress.update()
      if error is not None:
        if left_out is None:
          raise error
        left_out(key, error)
        continue
      frames = cache.read(key)
      if frames is None:  # Damaged on the disk.
        cache.store(key)
        frames = cache.read(key)
      if frames is None:
        raise input_error.InputError(
          f'{cache.path(key)}: reads back differently from what was written; '
          'check the disk, or give another --data_dir.'
        )
      yield key, frames


def remove_folder(folder: str | os.PathLike[str]) -> None:
  """Removes the cached frames in a folder, and the folder if it is then empty.

  Args:
    folder: that `cached_frames` was given. It need not exist.
  """
  folder = pathlib.Path(folder)
  if not folder.is_dir():
    return
  for pattern in (f'*{_SUFFIX}', f'*{_SUFFIX}.*{atomic_file.PART_SUFFIX}'):
    for path in folder.glob(pattern):
      path.unlink(missing_ok=True)
  if not any(folder.iterdir()):
    folder.rmdir()


@dataclasses.dataclass(frozen=True)
class _Cache:
  """The files of finished dives, and the function that makes more."""

  make_frames: Callable[[str], list[bytes]]
  fingerprint: Callable[[str], str]
  folder: pathlib.Path

  def path(self, key: str) -> pathlib.Path:
    return self.folder / f'{key}{_SUFFIX}'

  def store(self, key: str) -> None:
    """Makes one dive and stores it.

    Does not wait for the disk (fsync): that takes as long as rendering a small
    dive. The checksum shows a file that a loss of power has damaged.
    """
    fingerprint = self.fingerprint(key)
    frames = self.make_frames(key)
    header = json.dumps(
      {'fingerprint': fingerprint, 'sizes': [len(frame) for frame in frames]}
    ).encode()
    crc = zlib.crc32(header)
    for frame in frames:
      crc = zlib.crc32(frame, crc)
    with (
      atomic_file.replaced(self.path(key), sync=False) as part,
      open(part, 'wb') as file,
    ):
      file.write(_HEADER.pack(_MAGIC, len(header), crc))
      file.write(header)
      file.writelines(frames)

  def holds(self, key: str) -> bool:
    """Returns whether a dive is stored; checks its header and size only."""
    try:
      with open(self.path(key), 'rb') as file:
        magic, size, _ = _HEADER.unpack(file.read(_HEADER.size))
        header = json.loads(file.read(size))
        length = os.fstat(file.fileno()).st_size
    except (FileNotFoundError, struct.error, ValueError):
      return False
    return (
      magic == _MAGIC
      and header['fingerprint'] == self.fingerprint(key)
      and length == _HEADER.size + size + sum(header['sizes'])
    )

  def read(self, key: str) -> list[bytes] | None:
    """Returns the stored frames; None where they are absent or damaged."""
    if not self.holds(key):
      return None
    data = self.path(key).read_bytes()
    _, size, crc = _HEADER.unpack_from(data)
    if zlib.crc32(memoryview(data)[_HEADER.size :]) != crc:
      return None
    start = _HEADER.size + size
    frames = []
    for length in json.loads(data[_HEADER.size : start])['sizes']:
      frames.append(data[start : start + length])
      start += length
    return frames


def _store_here(
  keys: Sequence[str], cache: _Cache
) -> Generator[_Stored, None, None]:
  """Yields each key in order, once its dive is stored or has failed."""
  for key in keys:
    error = None
    try:
      if not cache.holds(key):
        cache.store(key)
    except input_error.InputError as e:
      error = e
    yield key, error


def _store_in_processes(
  keys: Sequence[str], cache: _Cache, num_processes: int
) -> Generator[_Stored, None, None]:
  """Does the same as `_store_here` with several processes."""
  if all(cache.holds(key) for key in keys):
    yield from ((key, None) for key in keys)
    return
  pool = concurrent.futures.ProcessPoolExecutor(
    num_processes,
    mp_context=multiprocessing.get_context('spawn'),
    initializer=_start_process,
    initargs=(cache,),
  )
  # Enough dives in advance to keep every process busy, and no more.
  ahead = 2 * num_processes
  waiting: collections.deque[
    tuple[str, concurrent.futures.Future[None] | None]
  ] = collections.deque()
  try:
    for key in keys:
      stored = cache.holds(key)
      waiting.append((key, None if stored else pool.submit(_store, key)))
      if len(waiting) > ahead:
        yield _finished(*waiting.popleft())
    while waiting:
      yield _finished(*waiting.popleft())
  except process_pool.BrokenProcessPool as e:
    raise input_error.InputError(
      'a process that makes frames died, probably because memory was full; run '
      'the same command again with a smaller --num_processes (finished dives '
      'are kept).'
    ) from e
  finally:
    pool.shutdown(wait=True, cancel_futures=True)


def _finished(
  key: str, future: concurrent.futures.Future[None] | None
) -> _Stored:
  try:
    if future is not None:
      future.result()
  except input_error.InputError as e:
    return key, e
  return key, None


def _start_process(cache: _Cache) -> None:
  """Keeps the cache for `_store`, and ends this process with its parent.

  Without that the processes would go on after `kill -9` of their parent.
  """
  global _process_cache
  _process_cache = cache
  parent = multiprocessing.parent_process()
  assert parent is not None  # This is a process that another has started.

  def watch() -> None:
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()


def _store(key: str) -> None:
  _process_cache.store(key)
