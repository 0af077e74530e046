"""Why a request gets no answer."""

from starlette.responses import JSONResponse


class Problem(Exception):
  """Why a request gets no answer; the message is one line for people.

  Attributes:
    status: HTTP status, such as 413.
    code: one word for programs, such as 'too_large'.
  """

  def __init__(self, status: int, code: str, message: str):
    """Makes it.

    Args:
      status: see above.
      code: see above.
      message: a sentence or two.
    """
    super().__init__(message)
    self.status = status
    self.code = code

  def to_dict(self) -> dict[str, str]:
    """Returns what JSON says of it."""
    return {'code': self.code, 'message': str(self)}

  def response(self) -> JSONResponse:
    """Returns the response, after which the connection ends."""
    headers = {'Connection': 'close'}
    if self.status == 429:
      headers['Retry-After'] = '2'
    return JSONResponse({'error': self.to_dict()}, self.status, headers)
