"""Keeps other sites of the web away from a server on this machine."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aqa_jax.serving.problem import Problem
from aqa_jax.serving.upload import drain

# Everything is this server's own; nothing else may be asked for anything.
CONTENT_POLICY = '; '.join(
  (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  )
)
_HEADERS = {
  'Content-Security-Policy': CONTENT_POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
}
_SAFE = ('GET', 'HEAD')


class Guard:
  """ASGI middleware: refuses what other sites send, and sets safe headers.

  A page of another site can point a name of its own at 127.0.0.1 (DNS
  rebinding), and can send forms anywhere. So the host has to be an address,
  localhost, or a name that is allowed, and what changes something has to come
  from this server's page, or from a program.
  """

  def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]):
    """Makes it.

    Args:
      app: what it guards.
      allowed_hosts: names by which the server may be called, in lower case.
    """
    self._app = app
    self._allowed = allowed_hosts

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Handles a request."""
    if scope['type'] != 'http':
      return

    async def send_with_headers(message: Message) -> None:
      if message['type'] == 'http.response.start':
        headers = MutableHeaders(scope=message)
        for name, value in _HEADERS.items():
          headers.setdefault(name, value)
      await send(message)

    request = Request(scope, receive)
    try:
      self._check(request)
    except Problem as problem:
      await drain(request)
      await problem.response()(scope, receive, send_with_headers)
      return
    await self._app(scope, receive, send_with_headers)

  def _check(self, request: Request) -> None:
    """Raises Problem where a request may come from another site."""
    hosts = request.headers.getlist('host')
    if len(hosts) != 1 or not self._is_ours(hosts[0]):
      raise Problem(
        421,
        'wrong_host',
        'This server has another name; call it by its address, or start it '
        'with --allow_host=NAME.',
      )
    if request.method in _SAFE:
      return
    origin = request.headers.get('origin')
    from_where = request.headers.get('sec-fetch-site', 'none')
    if (
      origin is not None and urlsplit(origin).netloc != hosts[0]
    ) or from_where not in ('same-origin', 'none'):
      raise Problem(
        403, 'cross_site', 'Pages of other sites may not send anything here.'
      )

  def _is_ours(self, host: str) -> bool:
    """Returns whether a Host header names this server."""
    try:
      name = urlsplit(f'//{host}').hostname or ''
    except ValueError:
      return False
    if name in ('localhost', *self._allowed):
      return True
    try:
      ipaddress.ip_address(name)
    except ValueError:
      return False
    return True
