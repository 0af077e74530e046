"""The addresses of the server: see docs/serve.md."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from aqa_jax.serving.guard import Guard
from aqa_jax.serving.job import JUDGEMENT, REPORT, Job, State, dive_file
from aqa_jax.serving.jobs import Jobs
from aqa_jax.serving.judge_options import judge_options
from aqa_jax.serving.limits import Limits
from aqa_jax.serving.page_files import page, static_files
from aqa_jax.serving.problem import Problem
from aqa_jax.serving.shown_name import shown_name
from aqa_jax.serving.upload import check_length, drain, receive_file

# The report has its style inside, and no script.
_REPORT_POLICY = (
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
  "frame-ancestors 'none'"
)
_POLL_S = 0.05
_HTTP_CODES = {404: 'not_found', 405: 'wrong_method'}


def create_app(
  jobs: Jobs,
  facts: Mapping[str, Any],
  limits: Limits,
  allowed_hosts: Collection[str] = (),
) -> ASGIApp:
  """Returns the app.

  Args:
    jobs: the videos; somebody judges them.
    facts: of the model, see `model_facts`.
    limits: what it takes.
    allowed_hosts: see `Guard`.
  """
  return Guard(_Addresses(jobs, facts, limits).app(), allowed_hosts)


class _Addresses:
  """What answers at each address."""

  def __init__(self, jobs: Jobs, facts: Mapping[str, Any], limits: Limits):
    self._jobs = jobs
    self._limits = limits
    self._facts = {
      **facts,
      'limits': {
        'max_bytes': limits.max_bytes,
        'max_video_seconds': limits.max_video_seconds,
        'max_seconds': limits.max_seconds,
        'max_queue': limits.max_queue,
      },
    }
    self._page = page(dict(facts), limits)
    self._static = static_files()

  def app(self) -> Starlette:
    job = '/api/jobs/{id}'
    return Starlette(
      routes=[
        Route('/', self._index),
        Route('/static/{name}', self._static_file),
        Route('/api/model', self._model),
        Route('/api/judge', self._judge, methods=['POST']),
        Route('/api/jobs', self._create, methods=['POST']),
        Route(job, self._job),
        Route(job, self._delete, methods=['DELETE']),
        Route(f'{job}/video', self._video),
        Route(f'{job}/judgement.json', self._judgement),
        Route(f'{job}/report.html', self._report),
        Route(f'{job}/dives/{{number:int}}', self._dive),
      ],
      exception_handlers={
        Problem: _on_problem,
        HTTPException: _on_http_exception,
        ClientDisconnect: _on_disconnect,
        OSError: _on_os_error,
        Exception: _on_exception,
      },
    )

  async def _index(self, request: Request) -> Response:
    return Response(self._page, media_type='text/html')

  async def _static_file(self, request: Request) -> Response:
    name = request.path_params['name']
    if name not in self._static:
      raise HTTPException(404)
    content, media_type = self._static[name]
    return Response(content, media_type=media_type)

  async def _model(self, request: Request) -> Response:
    return JSONResponse(self._facts)

  async def _create(self, request: Request) -> Response:
    """Takes a video, and answers before it is judged."""
    job = await self._take(request, has_player=True)
    return JSONResponse(
      self._shown(job), 202, {'Location': f'/api/jobs/{job.id}'}
    )

  async def _judge(self, request: Request) -> Response:
    """Takes a video, and answers when it is judged; then it is deleted."""
    job = await self._take(request, has_player=False)
    try:
      while not job.is_decided:
        if await request.is_disconnected():
          raise ClientDisconnect
        await asyncio.sleep(_POLL_S)
      if job.problem is not None:
        raise job.problem
      return JSONResponse({'name': job.name, 'dives': _dives(job)})
    finally:
      self._jobs.remove(job)

  async def _take(self, request: Request, has_player: bool) -> Job:
    """Returns the job of the video that a request sends."""
    query = dict(request.query_params)
    options = judge_options(query)
    check_length(request, self._limits)
    name = query.get('name', '')
    job = self._jobs.reserve(shown_name(name), options, has_player)
    async with self._removed_unless_whole(job):
      sent = await receive_file(request, job.upload, self._limits)
      if sent and not name:
        job.name = shown_name(sent)
    self._jobs.enqueue(job)
    return job

  @contextlib.asynccontextmanager
  async def _removed_unless_whole(self, job: Job) -> AsyncIterator[None]:
    try:
      yield
    except BaseException:
      self._jobs.remove(job)
      raise

  async def _job(self, request: Request) -> Response:
    return JSONResponse(self._shown(self._jobs.get(request.path_params['id'])))

  async def _delete(self, request: Request) -> Response:
    self._jobs.remove(self._jobs.get(request.path_params['id']))
    return Response(status_code=204)

  async def _video(self, request: Request) -> Response:
    job = self._answered(request)
    if job.video is None:
      raise Problem(404, 'not_found', 'There is nothing to play, or not yet.')
    path = job.folder / job.video.file
    return FileResponse(
      path, media_type=job.video.media_type, stat_result=path.stat()
    )

  async def _judgement(self, request: Request) -> Response:
    path = self._answered(request).folder / JUDGEMENT
    return Response(path.read_text('utf-8'), media_type='application/json')

  async def _report(self, request: Request) -> Response:
    path = self._answered(request).folder / REPORT
    return Response(
      path.read_text('utf-8'),
      media_type='text/html',
      headers={'Content-Security-Policy': _REPORT_POLICY},
    )

  async def _dive(self, request: Request) -> Response:
    job = self._answered(request)
    number = request.path_params['number']
    if number >= job.num_dives:
      raise Problem(404, 'not_found', f'The video has {job.num_dives} dives.')
    path = job.folder / dive_file(number)
    return Response(path.read_text('utf-8'), media_type='application/json')

  def _answered(self, request: Request) -> Job:
    """Returns a job that has an answer."""
    job = self._jobs.get(request.path_params['id'])
    if job.problem is not None:
      raise job.problem
    if not job.has_answer:
      raise Problem(409, 'not_yet', f'{job.name}: is not judged yet.')
    return job

  def _shown(self, job: Job) -> dict[str, Any]:
    """Returns a job as JSON holds it."""
    shown: dict[str, Any] = {
      'id': job.id,
      'name': job.name,
      'state': str(job.state),
      'position': None,
      'seconds_read': round(job.seconds_read, 3),
      'seconds_total': job.seconds_total,
      'error': None,
      'dives': None,
      'video': None,
    }
    if job.state is State.QUEUED:
      shown['position'] = self._jobs.position(job)
    if job.problem is not None:
      shown['error'] = job.problem.to_dict()
    if job.has_answer:
      shown['dives'] = _dives(job)
    if job.video is not None:
      shown['video'] = {
        'media_type': job.video.media_type,
        'offset_seconds': job.video.offset_seconds,
      }
    return shown


def _dives(job: Job) -> list[dict[str, Any]]:
  """Returns the judgements of a job that has an answer."""
  dives: list[dict[str, Any]] = json.loads(
    (job.folder / JUDGEMENT).read_text('utf-8')
  )
  return dives


async def _on_problem(request: Request, error: Exception) -> Response:
  assert isinstance(error, Problem)
  await drain(request)
  return error.response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
  assert isinstance(error, HTTPException)
  await drain(request)
  code = _HTTP_CODES.get(error.status_code, 'bad_request')
  problem = Problem(
    error.status_code, code, f'{error.detail}: see docs/serve.md.'
  )
  response = problem.response()
  response.headers.update(error.headers or {})
  return response


async def _on_disconnect(request: Request, error: Exception) -> Response:
  return Response(status_code=400)  # Nobody reads it.


async def _on_os_error(request: Request, error: Exception) -> Response:
  assert isinstance(error, OSError)
  if isinstance(error, FileNotFoundError):
    return Problem(404, 'not_found', 'It was just removed.').response()
  await drain(request)
  return Problem(
    503, 'disk_error', f'The server cannot write its files ({error.strerror}).'
  ).response()


async def _on_exception(request: Request, error: Exception) -> Response:
  logging.getLogger('aqa_jax.serve').error('an error', exc_info=error)
  return Problem(500, 'internal_error', 'The server has an error.').response()
