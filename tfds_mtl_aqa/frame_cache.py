"""Frames made once a dive and kept until their dataset is written.

Decoding or rendering takes hours, writing a dataset takes minutes. Every
finished dive is stored in a file of its own, so that an interrupted run loses
the dives in flight and nothing else.
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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import process as process_pool
from typing import Any

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
  """Yields the frames of every dive, from the cache where it has them.

  Args:
    keys: names of the dives, each fit to be a file name.
    make_frames: makes the frames of one dive: JPEG files, or any other byte
      strings. With more than one process it is pickled and called in fresh
      (spawned) processes, in no particular order.
    folder: where finished dives are stored. It is created; the caller removes
      it, with `remove_folder`, when the dataset is whole.
    fingerprint: says what the frames of a dive are made from, as text; pickled
      like `make_frames`. A stored dive with another fingerprint is made anew.
    num_processes: how many processes make frames; 1 makes them in this one.
    description: what the progress bar is called.
    left_out: is told of a dive for which `make_frames` raises an InputError,
      and which is left out then; None to raise it.

  Yields:
    (key, frames), in the order of `keys`.

  Raises:
    InputError: from `make_frames`, or because a process died.
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
      if frames is None:  # Damaged on the disk: make it anew.
        cache.store(key)
        frames = cache.read(key)
      if frames is None:
        raise input_error.InputError(
          f'{cache.path(key)}: does not keep what is written to it; is the '
          'disk full or failing?'
        )
      yield key, frames


def remove_folder(folder: str | os.PathLike[str]) -> None:
  """Removes a folder of cached frames, if there, and nothing else in it."""
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
  """The files of finished dives, and how to make more."""

  make_frames: Callable[[str], list[bytes]]
  fingerprint: Callable[[str], str]
  folder: pathlib.Path

  def path(self, key: str) -> pathlib.Path:
    return self.folder / f'{key}{_SUFFIX}'

  def store(self, key: str) -> None:
    """Makes one dive and stores it: whole under its name, or not at all.

    It is not brought to the disk at once: waiting for the disk takes as long as
    rendering a small dive. What a loss of power tears, the checksum tells, and
    it is made anew.
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
    """Returns whether a dive is stored, as far as its header and size tell."""
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


def _store_here(keys: Sequence[str], cache: _Cache) -> Iterator[_Stored]:
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
) -> Iterator[_Stored]:
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
  # As many dives ahead as keep every process busy, and no more.
  ahead = 2 * num_processes
  waiting: collections.deque[tuple[str, Any]] = collections.deque()
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
      'a process that makes frames died, probably for want of memory; run the '
      'same command again with a smaller --num_processes (finished dives are '
      'kept).'
    ) from e
  finally:
    pool.shutdown(wait=True, cancel_futures=True)


def _finished(key: str, future: concurrent.futures.Future | None) -> _Stored:
  try:
    if future is not None:
      future.result()
  except input_error.InputError as e:
    return key, e
  return key, None


def _start_process(cache: _Cache) -> None:
  """Keeps the cache for `_store`, and ends this process with its parent.

  A parent that is killed (kill -9) does not end its children.
  """
  global _process_cache
  _process_cache = cache
  parent = multiprocessing.parent_process()

  def watch() -> None:
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()


def _store(key: str) -> None:
  _process_cache.store(key)
