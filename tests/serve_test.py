"""`python -m aqa_jax.serve` as programs see it."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import time

import av
import numpy as np
import pytest
import requests
from html_page import Page, check_self_contained
from served import Served, write_dive
from video_test import write_video

import aqa_jax
from aqa_jax import serve
from tfds_mtl_aqa.input_error import InputError

_TYPE = {'Content-Type': 'application/octet-stream'}
_WAIT_S = 60


@pytest.fixture(name='clips', scope='module')
def fixture_clips(tmp_path_factory):
  """A simulated dive as MP4 and as AVI, and a file that is no video."""
  folder = tmp_path_factory.mktemp('clips')
  write_dive(folder / 'dive.mp4')
  write_video(
    folder / 'grey.avi', range(20, 220, 2), codec='mjpeg', pix_fmt='yuvj420p'
  )
  (folder / 'text.mp4').write_text('no video')
  return folder


def _send(server, path, address='jobs', **query):
  return requests.post(
    f'{server.address}/api/{address}',
    params=query,
    data=path.read_bytes(),
    headers=_TYPE,
    timeout=_WAIT_S,
  )


def _wait(server, job):
  """Returns a job that is over."""
  deadline = time.monotonic() + _WAIT_S
  while job['state'] not in ('done', 'failed'):
    assert time.monotonic() < deadline
    time.sleep(0.05)
    job = requests.get(f'{server.address}/api/jobs/{job["id"]}', timeout=9)
    job = job.json()
  return job


def _problem(response):
  """Returns status and code; the message is one line."""
  error = response.json()['error']
  assert error['message'] and '\n' not in error['message']
  assert len(error['message']) < 400
  return response.status_code, error['code']


def test_an_answer_is_that_of_the_library(server, clips):
  response = _send(server, clips / 'dive.mp4', 'judge', name='dive.mp4')
  assert response.status_code == 200
  (found,) = response.json()['dives']
  expected = aqa_jax.load()(clips / 'dive.mp4').to_dict()
  assert found.keys() == expected.keys() and next(iter(found)) == 'note'
  assert found['name'] == 'dive.mp4'
  assert found['score'] == pytest.approx(expected['score'], abs=1e-2)
  assert found['classes'] == expected['classes']
  assert found['frame_numbers'] == expected['frame_numbers']
  # What has been answered is gone.
  assert server.jobs == []


def test_options_of_an_answer(server, clips):
  for query, last in (({'end': '62'}, 62), ({'end': '2.4s'}, 61)):
    (dive,) = _send(
      server, clips / 'dive.mp4', 'judge', **query, force='1'
    ).json()['dives']
    assert dive['frame_numbers'][-1] == last
  (slow,) = _send(
    server, clips / 'dive.mp4', 'judge', speed='0.5', force='1'
  ).json()['dives']
  assert slow['frame_numbers'][0] < 48


@pytest.mark.parametrize(
  'query',
  [
    {'end': '2.4'}, {'end': '0'}, {'end': 's'}, {'speed': '0'},
    {'speed': 'nan'}, {'speed': 'x'}, {'force': 'yes'}, {'no_such': '1'},
  ],
)  # fmt: skip
def test_options_that_are_wrong(server, clips, query):
  response = _send(server, clips / 'dive.mp4', 'judge', **query)
  assert _problem(response) == (400, 'bad_option')
  assert next(iter(query)) in response.json()['error']['message']


def test_a_video_with_its_player_and_files(server, clips):
  response = _send(server, clips / 'dive.mp4', name='dive.mp4')
  assert response.status_code == 202
  job = _wait(server, response.json())
  address = f'{server.address}/api/jobs/{job["id"]}'
  assert response.headers['location'] == f'/api/jobs/{job["id"]}'
  assert job['state'] == 'done' and job['error'] is None
  assert job['video'] == {'media_type': 'video/mp4', 'offset_seconds': 0}
  # H.264 in MP4 is played as it came, and in parts.
  content = (clips / 'dive.mp4').read_bytes()
  video = requests.get(f'{address}/video', timeout=9)
  assert video.content == content
  assert video.headers['content-type'] == 'video/mp4'
  part = requests.get(
    f'{address}/video', headers={'Range': 'bytes=100-199'}, timeout=9
  )
  assert part.status_code == 206 and part.content == content[100:200]
  saved = requests.get(f'{address}/judgement.json', timeout=9)
  assert saved.json() == job['dives']
  report = requests.get(f'{address}/report.html', timeout=9)
  page = Page(report.text)
  check_self_contained(page, report.text)
  assert page.all('h3')[0][1].startswith('dive.mp4')
  assert "script-src 'self'" not in report.headers['content-security-policy']
  shown = requests.get(f'{address}/dives/0', timeout=9).json()
  assert len(shown['pictures']) == 8 and 'somersault' in shown['words']
  assert (
    shown['pictures'][-1]['seconds'] <= job['dives'][0]['frame_seconds'][-1]
  )
  missing = requests.get(f'{address}/dives/1', timeout=9)
  assert _problem(missing) == (404, 'not_found')
  assert requests.delete(address, timeout=9).status_code == 204
  assert _problem(requests.get(address, timeout=9)) == (404, 'not_found')
  assert server.jobs == []


def test_a_copy_for_the_player(server, clips):
  """Of an AVI; the upload is deleted."""
  job = _wait(server, _send(server, clips / 'grey.avi', force='1').json())
  assert job['video'] == {'media_type': 'video/mp4', 'offset_seconds': 0}
  address = f'{server.address}/api/jobs/{job["id"]}'
  (folder,) = server.jobs
  assert not (folder / 'upload').exists()
  with av.open(str(folder / 'copy.mp4')) as container:
    assert container.streams.video[0].codec_context.name == 'h264'
    frames = list(container.decode(video=0))
  # Each at its time, and as grey as it was.
  np.testing.assert_allclose(
    [frame.time for frame in frames], np.arange(100) / 25, atol=2e-3
  )
  greys = [frame.to_ndarray(format='gray').mean() for frame in frames]
  np.testing.assert_allclose(greys, np.arange(20, 220, 2), atol=6)
  requests.delete(address, timeout=9)


def test_multipart(server, clips):
  with (clips / 'dive.mp4').open('rb') as file:
    response = requests.post(
      f'{server.address}/api/judge',
      files={'file': ('../../a<b>.mp4', file)},
      timeout=_WAIT_S,
    )
  assert response.json()['name'] == 'a<b>.mp4'
  assert response.json()['dives'][0]['score'] > 0


def _multipart(*parts):
  body = b''.join(b'--x\r\n' + part + b'\r\n' for part in parts) + b'--x--\r\n'
  return {
    'data': body,
    'headers': {'Content-Type': 'multipart/form-data; boundary=x'},
  }


_FILE = b'Content-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\nabc'


@pytest.mark.parametrize(
  'request_, problem',
  [
    ({'data': b'', 'headers': _TYPE}, (400, 'empty')),
    ({'data': b'{}', 'headers': {'Content-Type': 'application/json'}},
     (415, 'unsupported_type')),
    ({'data': b'a', 'headers': {'Content-Type': 'text/html'}},
     (415, 'unsupported_type')),
    ({'data': b'a', 'headers': {**_TYPE, 'Content-Encoding': 'gzip'}},
     (415, 'unsupported_type')),
    ({'data': b'a' * 2_000_000, 'headers': _TYPE}, (413, 'too_large')),
    # Of a length that is not told before.
    ({'data': iter([b'a' * 60_000] * 20), 'headers': _TYPE},
     (413, 'too_large')),
    ({'data': b'a', 'headers': {'Content-Type': 'multipart/form-data'}},
     (400, 'bad_request')),
    (_multipart(), (400, 'bad_request')),
    (_multipart(_FILE, _FILE), (400, 'bad_request')),
    (_multipart(_FILE)
     | {'data': b'--x\r\n' + _FILE}, (400, 'bad_request')),
    (_multipart(b'Content-Disposition: form-data; name="f"\r\n\r\n'
                + b'a' * 99_000), (400, 'bad_request')),
    (_multipart(b'a' * 9_000), (400, 'bad_request')),
  ],
)  # fmt: skip
def test_bodies_that_are_wrong(server, request_, problem):
  response = requests.post(
    f'{server.address}/api/judge', timeout=_WAIT_S, **request_
  )
  assert _problem(response) == problem
  assert server.jobs == []


def test_what_is_no_video(server, clips):
  response = _send(server, clips / 'text.mp4', 'judge', name='text.mp4')
  assert _problem(response) == (422, 'not_judged')
  # The name that the user knows, not the server's.
  message = response.json()['error']['message']
  assert message.startswith('text.mp4: ') and 'aqa_jax_serve' not in message
  job = _wait(server, _send(server, clips / 'text.mp4').json())
  assert job['state'] == 'failed' and job['error']['code'] == 'not_judged'
  address = f'{server.address}/api/jobs/{job["id"]}'
  response = requests.get(f'{address}/report.html', timeout=9)
  assert _problem(response) == (422, 'not_judged')
  assert server.jobs == []


def test_a_video_that_is_too_long(server, tmp_path):
  write_video(tmp_path / 'long.mp4', [9] * 70, rate=1)
  response = _send(server, tmp_path / 'long.mp4', 'judge')
  assert _problem(response) == (422, 'too_long')


@pytest.mark.parametrize(
  'headers, problem',
  [
    ({'Host': 'evil.example'}, (421, 'wrong_host')),
    ({'Host': '127.0.0.1.evil.example:80'}, (421, 'wrong_host')),
    ({'Host': '[::1'}, (421, 'wrong_host')),
    ({'Origin': 'http://evil.example'}, (403, 'cross_site')),
    ({'Origin': 'null'}, (403, 'cross_site')),
    ({'Origin': 'http://localhost:1'}, (403, 'cross_site')),
    ({'Sec-Fetch-Site': 'cross-site'}, (403, 'cross_site')),
    ({'Sec-Fetch-Site': 'same-site'}, (403, 'cross_site')),
  ],
)
def test_pages_of_other_sites_can_not_send(server, clips, headers, problem):
  response = requests.post(
    f'{server.address}/api/judge',
    data=b'a',
    headers=_TYPE | headers,
    timeout=9,
  )
  assert _problem(response) == problem
  if 'Host' in headers:
    response = requests.get(f'{server.address}/', headers=headers, timeout=9)
    assert _problem(response) == problem


def test_names_of_this_machine_are_taken(server):
  port = server.address.rpartition(':')[2]
  for host in (f'localhost:{port}', '127.0.0.1', '[::1]:80', '192.168.1.4'):
    response = requests.get(
      f'{server.address}/api/model', headers={'Host': host}, timeout=9
    )
    assert response.status_code == 200
  origin = {'Origin': server.address, 'Sec-Fetch-Site': 'same-origin'}
  response = requests.post(
    f'{server.address}/api/judge', data=b'', headers=_TYPE | origin, timeout=9
  )
  assert _problem(response) == (400, 'empty')


def test_the_page_needs_nothing_else(server):
  response = requests.get(f'{server.address}/', timeout=9)
  assert response.headers['content-security-policy'].startswith(
    "default-src 'none'; script-src 'self'; style-src 'self'"
  )
  assert response.headers['x-content-type-options'] == 'nosniff'
  page = Page(response.text)
  assert 'simulated dives only' in page.all('p', role='note')[0][1]
  found = re.findall(r'(?:src|href)="([^"]+)"', response.text)
  assert found and all(re.fullmatch(r'static/[\w.]+', name) for name in found)
  for name in (*found, 'static/player.js'):
    response = requests.get(f'{server.address}/{name}', timeout=9)
    assert response.status_code == 200
    assert not re.search(
      r'@import|url\(|https?://(?!www\.w3\.org)', response.text
    )


def test_what_is_known_of_the_model(server):
  facts = requests.get(f'{server.address}/api/model', timeout=9).json()
  assert next(iter(facts)) == 'note'
  assert facts['limits']['max_bytes'] == 1e6 and facts['frames'] == 32
  assert sum(facts['training_scores']['counts']) == 19400


@pytest.mark.parametrize(
  'method, path, status',
  [
    ('GET', '/nothing', 404),
    ('GET', '/static/../app.py', 404),
    ('GET', '/static/%2e%2e%2fapp.py', 404),
    ('GET', '/static//etc/passwd', 404),
    ('GET', '/api/jobs/..%2f..%2fetc', 404),
    ('GET', '/api/jobs/absent/video', 404),
    ('DELETE', '/api/jobs/absent', 404),
    ('PUT', '/api/judge', 405),
    ('GET', '/api/judge', 405),
    ('POST', '/', 405),
  ],
)
def test_addresses_that_are_wrong(server, method, path, status):
  request = requests.Request(method, server.address).prepare()
  request.url = server.address + path
  with requests.Session() as session:
    response = session.send(request, timeout=9)
  assert _problem(response)[0] == status


def test_an_upload_that_breaks_off(server):
  host, port = server.address.removeprefix('http://').split(':')
  with socket.create_connection((host, int(port)), timeout=9) as connection:
    connection.sendall(
      b'POST /api/jobs HTTP/1.1\r\nHost: localhost\r\n'
      b'Content-Length: 900000\r\nContent-Type: video/mp4\r\n\r\n'
      + b'a'
      * 300_000
    )
    deadline = time.monotonic() + 9
    while not server.jobs:
      assert time.monotonic() < deadline
      time.sleep(0.02)
  while server.jobs:
    assert time.monotonic() < deadline
    time.sleep(0.02)


def test_more_than_the_queue_takes(server, clips):
  """Each gets its own answer, or is told to come again."""
  with concurrent.futures.ThreadPoolExecutor(12) as pool:
    responses = list(
      pool.map(
        lambda name: _send(server, clips / 'dive.mp4', 'judge', name=name),
        (f'{number}.mp4' for number in range(12)),
      )
    )
  answered = [r for r in responses if r.status_code == 200]
  assert len(answered) >= 4
  for number, response in enumerate(responses):
    if response in answered:
      assert response.json()['name'] == f'{number}.mp4'
    else:
      assert _problem(response) == (429, 'queue_full')
      assert response.headers['retry-after'] == '2'
  assert server.jobs == []


def test_a_client_that_is_gone(server, clips):
  """Its video is not waited for, and others are answered."""
  address = f'{server.address}/api/judge'
  os.kill(server.worker(), signal.SIGSTOP)
  try:
    with pytest.raises(requests.Timeout):
      requests.post(
        address,
        data=(clips / 'dive.mp4').read_bytes(),
        headers=_TYPE,
        timeout=0.5,
      )
  finally:
    os.kill(server.worker(), signal.SIGCONT)
  assert _send(server, clips / 'dive.mp4', 'judge').status_code == 200
  assert server.jobs == []


@pytest.mark.skipif(
  not os.path.exists('/proc/self/task'), reason='needs /proc of Linux'
)
def test_a_process_that_dies_is_replaced(server, clips):
  worker = server.worker()
  os.kill(worker, signal.SIGSTOP)
  job = _send(server, clips / 'dive.mp4').json()
  deadline = time.monotonic() + 9
  while job['state'] != 'judging':
    assert time.monotonic() < deadline
    job = requests.get(f'{server.address}/api/jobs/{job["id"]}', timeout=9)
    job = job.json()
  os.kill(worker, signal.SIGKILL)
  job = _wait(server, job)
  assert (
    job['error']['code'] == 'crashed' and 'SIGKILL' in job['error']['message']
  )
  assert _send(server, clips / 'dive.mp4', 'judge').status_code == 200
  assert server.worker() != worker
  assert 'Traceback' not in server.errors
  assert server.jobs == []


def test_the_end_leaves_nothing(tmp_path):
  """Here while the model is loaded; `server` ends with answers."""
  codes = {signal.SIGTERM: 0, signal.SIGINT: 130, signal.SIGKILL: -9}
  with contextlib.ExitStack() as stack:
    servers = {}
    for number in codes:
      (tmp_path / number.name).mkdir()
      servers[number] = Served(tmp_path / number.name)
      stack.callback(servers[number].kill)
    deadline = time.monotonic() + 60
    for number, server in servers.items():
      server.wait_for_folder()
      # Until there is the process that judges, too; and before kill -9, until
      # its first thread is there, which deletes the files.
      while not any(
        number != signal.SIGKILL or len(os.listdir(f'/proc/{worker}/task')) > 1
        for worker in server.workers()
      ):
        assert time.monotonic() < deadline
        time.sleep(0.02)
      assert server.end(number) == codes[number]
      while server.folders:
        assert time.monotonic() < deadline
        time.sleep(0.05)
      assert 'Traceback' not in server.errors, (number, server.errors)


def test_a_port_that_is_taken():
  with socket.create_server(('127.0.0.1', 0)) as other:
    port = other.getsockname()[1]
    with pytest.raises(InputError, match=f'--port={port}: cannot be had'):
      serve.main([f'--port={port}'])


@pytest.mark.parametrize(
  'flag, message',
  [
    ('--port=x', '--port'),
    ('--port=70000', '--port'),
    ('--max_mb=0', '--max_mb'),
    ('--max_queue=1.5', '--max_queue'),
    ('--host=no.such.invalid', '--host'),
    ('--no_such', 'no_such'),
  ],
)
def test_flags_that_are_wrong(flag, message):
  with pytest.raises(InputError, match=message):
    serve.main([flag])


def test_a_model_that_is_not_there(tmp_path):
  with pytest.raises(InputError, match='absent: is not there'):
    serve.main(['--port=0', f'--model={tmp_path}/absent'])
  with pytest.raises(InputError, match='holds no model'):
    serve.main(['--port=0', f'--model={tmp_path}'])


def test_without_its_packages(monkeypatch):
  monkeypatch.setattr(serve, '_PACKAGES', ('no_such_package',))
  with pytest.raises(InputError, match=r'no_such_package.*\.\[serve\]'):
    serve.main([])


def test_json_of_an_answer_is_strict(server, clips):
  response = _send(server, clips / 'grey.avi', 'judge', force='1')

  def no_constant(name):
    raise ValueError(name)

  assert json.loads(response.text, parse_constant=no_constant)['dives']
