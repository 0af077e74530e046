"""Writes the body of a request into a file, as it comes."""

import asyncio
import pathlib
import time
from collections.abc import AsyncIterator
from typing import BinaryIO, Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from aqa_jax.serving.limits import Limits
from aqa_jax.serving.problem import Problem

# What comes is written in pieces of this size, bytes.
_PIECE = 2**20
# Of multipart: what is around the file.
_MAX_AROUND = 2**16
# What is left of a body that is refused is read up to here: most clients look
# at the answer only after they have sent it all.
_MAX_DRAINED, _DRAIN_S = 64 * 2**20, 5.0
_RAW = ('application/octet-stream', 'binary/octet-stream', '')


class _Body(Protocol):
  """Finds the file in the pieces of a body."""

  # The file's name, if the body tells it.
  name: str | None

  def feed(self, data: bytes) -> bytes:
    """Returns what of a piece belongs to the file."""

  def end(self) -> None:
    """Raises Problem if the body ended too early."""


async def receive_file(
  request: Request, path: pathlib.Path, limits: Limits
) -> str | None:
  """Writes the file that a request sends: its body, or a part of multipart.

  Args:
    request: with a body that was not read.
    path: of the file.
    limits: how large it may be, and how long it may take.

  Returns:
    The name of the file, as the client says, if it does.

  Raises:
    Problem: the body is none, too large, too slow, or of another kind.
    ClientDisconnect: the client is gone.
    OSError: the file can't be written.
  """
  body = _body(request)
  check_length(request, limits)
  size, waiting = 0, bytearray()
  with path.open('wb') as file:
    async for chunk in _chunks(request, limits):
      data = body.feed(chunk)
      size += len(data)
      if size > limits.max_bytes:
        raise too_large(limits)
      waiting += data
      if len(waiting) >= _PIECE:
        await _write(file, waiting)
    await _write(file, waiting)
  body.end()
  if not size:
    raise Problem(400, 'empty', 'The file is empty; send a video.')
  return body.name


def check_length(request: Request, limits: Limits) -> None:
  """Raises Problem where a request says that it is too large."""
  try:
    length = int(request.headers.get('content-length', '0'))
  except ValueError:
    length = 0  # The server has refused it before.
  if length > limits.max_bytes + _MAX_AROUND:
    raise too_large(limits)


def too_large(limits: Limits) -> Problem:
  """Returns what is told of a file that is too large."""
  return Problem(
    413,
    'too_large',
    f'The file is larger than {limits.max_bytes / 1e6:g} MB; cut the dive out '
    'of it, or compress it.',
  )


async def drain(request: Request) -> None:
  """Reads what is left of a body, some of it, for the answer to be read."""
  if 'expect' in request.headers:
    return  # This client waits for the answer first.
  size = 0
  try:
    async with asyncio.timeout(_DRAIN_S):
      async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_DRAINED:
          break
  # A body that was read already raises RuntimeError.
  except (TimeoutError, ClientDisconnect, RuntimeError):
    pass


async def _write(file: BinaryIO, waiting: bytearray) -> None:
  data = bytes(waiting)
  waiting.clear()
  await asyncio.to_thread(file.write, data)


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
  """Yields the body as it comes.

  Raises:
    Problem: it is too slow.
    ClientDisconnect: the client is gone.
  """
  stream = request.stream()
  deadline = time.monotonic() + limits.max_seconds
  while True:
    left = min(limits.max_idle_seconds, deadline - time.monotonic())
    try:
      async with asyncio.timeout(max(left, 0.0)):
        chunk = await anext(stream, None)
    except TimeoutError as e:
      raise Problem(
        408, 'too_slow', 'The file came too slowly; send it again.'
      ) from e
    if chunk is None:
      return
    if chunk:
      yield chunk


def _body(request: Request) -> _Body:
  """Returns what finds the file in a body of this kind."""
  if request.headers.get('content-encoding', 'identity') != 'identity':
    raise Problem(
      415, 'unsupported_type', 'The body is compressed; send it as it is.'
    )
  header = request.headers.get('content-type', '')
  kind, options = parse_options_header(header)
  name = kind.decode('latin-1').lower()
  if name == 'multipart/form-data':
    boundary = options.get(b'boundary', b'')
    if not boundary:
      raise _broken('has no boundary')
    return _Multipart(boundary)
  if name in _RAW or name.startswith(('video/', 'image/gif', 'image/apng')):
    return _Raw()
  raise Problem(
    415,
    'unsupported_type',
    f'The content type {name[:60]!r} is no video; send the file itself as '
    'application/octet-stream, or as a part of multipart/form-data.',
  )


def _broken(reason: str) -> Problem:
  return Problem(
    400, 'bad_request', f'The multipart body {reason}; send one file in it.'
  )


class _Raw:
  """The body is the file."""

  name: str | None = None

  def feed(self, data: bytes) -> bytes:
    return data

  def end(self) -> None:
    pass


class _Multipart:
  """The file is a part of the body, the only one with a file name."""

  def __init__(self, boundary: bytes):
    self.name: str | None = None
    self._found: list[bytes] = []
    self._header, self._value = b'', b''
    self._is_file = self._has_file = self._is_over = False
    # Names of fields that are no file.
    self._others: list[str] = []
    self._around = 0
    try:
      self._parser = MultipartParser(
        boundary,
        {
          'on_part_begin': self._begin,
          'on_header_field': self._on_field,
          'on_header_value': self._on_value,
          'on_header_end': self._on_header,
          'on_part_data': self._on_data,
          'on_end': self._on_end,
        },
      )
    except FormParserError as e:
      raise _broken('has a boundary that is too long') from e

  def feed(self, data: bytes) -> bytes:
    """Returns what of a piece belongs to the file.

    Raises:
      Problem: the body is broken, or holds other things.
    """
    try:
      self._parser.write(data)
    except FormParserError as e:
      raise _broken('is broken') from e
    found = b''.join(self._found)
    self._found.clear()
    self._around += len(data) - len(found)
    if self._around > _MAX_AROUND:
      raise _broken('holds more than a file')
    return found

  def end(self) -> None:
    """Raises Problem if the body ended too early, or held no file."""
    if not self._is_over:
      raise _broken('ends too early')
    if not self._has_file:
      raise _broken('holds no file')
    if self._others:
      # Nobody is to think that it counts.
      raise Problem(
        400,
        'bad_option',
        f'{self._others[0][:100]}: give options in the address, as in '
        '/api/judge?end=2.4s.',
      )

  def _begin(self) -> None:
    self._is_file = False
    self._header, self._value = b'', b''

  def _on_field(self, data: bytes, start: int, end: int) -> None:
    self._header += data[start:end]

  def _on_value(self, data: bytes, start: int, end: int) -> None:
    self._value += data[start:end]

  def _on_header(self) -> None:
    if self._header.lower() == b'content-disposition':
      _, options = parse_options_header(self._value)
      if b'filename' in options:
        if self._has_file:
          raise _broken('holds several files')
        self._is_file = self._has_file = True
        self.name = options[b'filename'].decode('utf-8', 'replace')
      elif name := options.get(b'name', b'').decode('utf-8', 'replace'):
        self._others.append(name)
    self._header, self._value = b'', b''

  def _on_data(self, data: bytes, start: int, end: int) -> None:
    if self._is_file:
      self._found.append(data[start:end])

  def _on_end(self) -> None:
    self._is_over = True
