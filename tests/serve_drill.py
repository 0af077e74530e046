"""Sends the page what does harm, and many videos at once.

  python tests/serve_drill.py

writes more than 200 hostile files, and sends each to the page and to
`python -m aqa_jax.judge`; then requests that are broken, slow or break off;
then 30 videos by 6 clients at once. No traceback may come, every request has
to be answered in time, and nothing may be left on the disk. It prints what was
answered, and how much memory the server took; exit code 1 if something failed.
Ten minutes on two cores.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import hostile_files
import requests
from served import ROOT, Served, write_dive

# Longest time for an answer, s.
_LIMIT_S = 120
_REFUSALS = {400, 403, 404, 405, 408, 411, 413, 415, 421, 422, 429, 431, 504}
_RAW = {'Content-Type': 'application/octet-stream'}


class _Canary(http.server.BaseHTTPRequestHandler):
  """What the hostile files point to: nobody may come."""

  visits = 0

  def do_GET(self):
    type(self).visits += 1
    self.send_error(404)

  do_HEAD = do_POST = do_GET


class Drill:
  """The server, and what went wrong."""

  def __init__(self, folder: pathlib.Path, flags: list[str]):
    """Starts a server whose own files are below a folder."""
    self.failures: list[str] = []
    (folder / 'tmp').mkdir()
    self.server = Served(folder / 'tmp', *flags).wait_until_ready()
    self.peaks: dict[str, int] = {}
    self._workers: set[int] = set()

  def check(self, is_right: bool, what: str) -> None:
    """Notes and prints what is wrong."""
    if not is_right:
      self.failures.append(what)
      print(f'  FAILED: {what}', flush=True)

  def check_alive(self, when: str) -> None:
    """Checks that the server answers, has no file left, and no traceback."""
    answer = requests.get(f'{self.server.address}/api/model', timeout=9)
    self.check(answer.status_code == 200, f'{when}: the server answers')
    deadline = time.monotonic() + 20
    while self.server.jobs and time.monotonic() < deadline:
      time.sleep(0.1)
    self.check(not self.server.jobs, f'{when}: {len(self.server.jobs)} left')
    self.check(
      'Traceback' not in self.server.errors, f'{when}: {self.server.errors}'
    )
    self.measure()

  def measure(self) -> None:
    """Notes the most memory that the processes have taken, MB."""
    worker = self.server.worker()
    self._workers.add(worker)
    for name, pid in (('server', self.server.process.pid), ('judge', worker)):
      status = pathlib.Path(f'/proc/{pid}/status').read_text()
      peak = int(re.search(r'VmHWM:\s+(\d+)', status)[1]) // 1024
      self.peaks[name] = max(self.peaks.get(name, 0), peak)

  def report(self) -> None:
    """Prints the memory."""
    print(
      f'peak memory: server {self.peaks["server"]} MB, process that judges '
      f'{self.peaks["judge"]} MB; {len(self._workers)} of those'
    )

  def send_file(self, path: pathlib.Path, name: str, end: str = '') -> str:
    """Sends a file as the page does; returns how it was answered."""
    began = time.monotonic()
    response = requests.post(
      f'{self.server.address}/api/jobs',
      params={'name': name, 'end': end, 'force': '1'},
      data=path.read_bytes(),
      headers=_RAW,
      timeout=_LIMIT_S,
    )
    if response.status_code != 202:
      return self._refusal(path.name, response)
    job = response.json()
    address = f'{self.server.address}/api/jobs/{job["id"]}'
    while job['state'] not in ('done', 'failed'):
      if time.monotonic() - began > _LIMIT_S:
        self.check(False, f'{path.name}: no answer in {_LIMIT_S} s')
        return 'none'
      time.sleep(0.02)
      job = requests.get(address, timeout=9).json()
    if job['state'] == 'done':
      self._look(address, job)
    requests.delete(address, timeout=9)
    if job['state'] == 'done':
      return 'judged'
    error = job['error']
    self.check(
      error['code'] in ('not_judged', 'too_long', 'took_too_long'),
      f'{path.name}: {error}',
    )
    self.check('aqa_jax_serve' not in error['message'], str(error))
    return error['code']

  def _look(self, address: str, job: dict) -> None:
    """Asks for the files of an answer."""
    for name in ('judgement.json', 'report.html', 'dives/0'):
      answer = requests.get(f'{address}/{name}', timeout=9)
      self.check(answer.status_code == 200, f'{job["name"]}: {name}')
    if job['video']:
      answer = requests.get(f'{address}/video', timeout=9)
      self.check(answer.status_code == 200, f'{job["name"]}: video')

  def _refusal(self, what: str, response: requests.Response) -> str:
    self.check(
      response.status_code in _REFUSALS, f'{what}: {response.status_code}'
    )
    try:
      message = response.json()['error']['message']
      self.check('\n' not in message, f'{what}: {message!r}')
      return response.json()['error']['code']
    except (ValueError, KeyError):
      self.check(False, f'{what}: no JSON, but {response.text[:200]!r}')
      return 'no JSON'


def send_files(drill: Drill, paths: list[pathlib.Path]) -> None:
  """Sends every hostile file to the page."""
  answers = collections.Counter()
  began, longest = time.monotonic(), (0.0, '')
  for path in paths:
    started = time.monotonic()
    answers[drill.send_file(path, path.name)] += 1
    longest = max(longest, (time.monotonic() - started, path.name))
  seconds = time.monotonic() - began
  print(f'{len(paths)} files to the page: {dict(answers)}')
  print(f'  {seconds:.0f} s; the longest {longest[0]:.1f} s, {longest[1]}')
  drill.check_alive('after the files')


def send_names(drill: Drill, video: pathlib.Path) -> None:
  """Sends hostile names, both in the address and in multipart."""
  for name in hostile_files.NAMES:
    drill.send_file(video, name)
    quoted = name.replace('"', '%22')
    body = (
      b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
      + quoted.encode()
      + b'"\r\n\r\n'
      + video.read_bytes()
      + b'\r\n--x--\r\n'
    )
    response = requests.post(
      f'{drill.server.address}/api/judge?force=1',
      data=body,
      headers={'Content-Type': 'multipart/form-data; boundary=x'},
      timeout=_LIMIT_S,
    )
    if response.status_code != 200:
      drill._refusal(repr(name), response)
      continue
    shown = response.json()['name']
    drill.check(
      len(shown) <= 100 and not re.search(r'[/\\\0\r\n\u202e]', shown),
      f'{name!r} is shown as {shown!r}',
    )
  print(f'{2 * len(hostile_files.NAMES)} names')
  drill.check_alive('after the names')


def _requests(video: bytes):
  """Yields bytes that are no proper request."""
  head = 'POST /api/judge HTTP/1.1\r\nHost: localhost\r\n'
  raw = head + 'Content-Type: video/mp4\r\n'
  form = head + 'Content-Type: multipart/form-data; boundary=x\r\n'
  part = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
  )

  def whole(text, body):
    return f'{text}Content-Length: {len(body)}\r\n\r\n'.encode() + body

  yield from (
    b'\r\n\r\n',
    b'GET\r\n\r\n',
    b'\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03' + bytes(200),  # TLS.
    b'GET / HTTP/1.1\r\n\r\n',
    b'GET / HTTP/9.9\r\nHost: localhost\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n',
    b'GET /%zz%00%ff HTTP/1.1\r\nHost: localhost\r\n\r\n',
    b'GET /api/jobs/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'a' * 10**6 + b'\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: localhost\r\n' + b'X: a\r\n' * 9000 + b'\r\n',
    b'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'
    b'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
    b'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    f'{raw}Content-Length: -1\r\n\r\n'.encode(),
    f'{raw}Content-Length: x\r\n\r\n'.encode(),
    f'{raw}Content-Length: 99999999999999999999\r\n\r\n'.encode() + video,
    f'{raw}Content-Length: 5\r\nContent-Length: 6\r\n\r\n'.encode() + b'aaaaaa',
    f'{raw}Transfer-Encoding: chunked\r\n\r\nzz\r\n'.encode(),
    f'{raw}Transfer-Encoding: chunked\r\n\r\nffffffffff\r\naa'.encode(),
    f'{raw}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n'
    .encode(),
    f'{raw}Expect: 100-continue\r\nContent-Length: 9000000000\r\n\r\n'.encode(),
    whole(raw, b''),
    whole(raw, b'no video'),
    whole(head, b'no video'),
    whole(f'{head}Content-Type: \xff\xfe\r\n', b'no video'),
    whole(f'{head}Content-Type: text/html\r\n', b'<script>'),
    whole(f'{head}Content-Type: application/json\r\n', b'{}'),
    whole(f'{head}Content-Type: multipart/form-data\r\n', part),
    whole(f'{head}Content-Type: multipart/form-data; boundary=\r\n', part),
    whole(
      f'{head}Content-Type: multipart/form-data; boundary={"x" * 999}\r\n', part
    ),
    whole(f'{raw}Content-Encoding: gzip\r\n', b'\x1f\x8b' + bytes(99)),
    whole(form, b''),
    whole(form, b'--x--\r\n'),
    whole(form, part),
    whole(form, part + b'abc'),
    whole(form, part + b'abc\r\n--x--\r\n'),
    whole(form, part * 50 + b'abc\r\n--x--\r\n'),
    whole(form, part + b'abc\r\n' + part + b'abc\r\n--x--\r\n'),
    whole(form, b'--y\r\n' + part),
    whole(form, b'a' * 10**6),
    whole(form, b'--x\r\n' + b'X: ' + b'a' * 10**5 + b'\r\n\r\na\r\n--x--\r\n'),
    whole(form, b'--x\r\n' + b'X: a\r\n' * 10**4 + b'\r\na\r\n--x--\r\n'),
    whole(form, b'--x\r\n' * 10**4),
    whole(form, b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\na'
          b'\r\n--x--\r\n'),
    whole(form, b'--x\r\nContent-Disposition: form-data; filename=\xff\xfe'
          b'\r\n\r\nabc\r\n--x--\r\n'),
    whole(form, b'--x\r\nContent-Disposition: ;;;=;filename*=\'\'%ff\r\n\r\nabc'
          b'\r\n--x--\r\n'),
    # Two at once, of which the first is refused.
    whole(f'{head}Content-Type: text/html\r\n', b'a')
    + b'GET /api/model HTTP/1.1\r\nHost: localhost\r\n\r\n',
    # What breaks off.
    f'{raw}Content-Length: 500000\r\n\r\n'.encode() + video[:1000],
    f'{form}Content-Length: 500000\r\n\r\n'.encode() + part + video[:1000],
    f'{raw}Transfer-Encoding: chunked\r\n\r\n3e8\r\n'.encode() + video[:999],
    raw.encode(),
  )  # fmt: skip


def send_requests(drill: Drill, video: bytes) -> None:
  """Sends bytes that are no proper request, and bodies that come slowly."""
  host, port = drill.server.address.removeprefix('http://').split(':')
  codes = collections.Counter()

  def send(data: bytes, pause: float = 0.0) -> None:
    with socket.create_connection((host, int(port)), timeout=5) as connection:
      try:
        pieces = [data]
        if pause:
          pieces = [data[i : i + 200] for i in range(0, len(data), 200)]
        for piece in pieces:
          connection.sendall(piece)
          time.sleep(pause)
        answer = connection.recv(4096)
      except TimeoutError:
        # More is to come, the server thinks.
        codes['waits'] += 1
        return
      except OSError as e:
        # Refused before it was all sent.
        codes[type(e).__name__] += 1
        return
    match = re.match(rb'HTTP/1.1 (\d+)', answer)
    codes[match[1].decode() if match else 'closed'] += 1
    drill.check(b' 500 ' not in answer[:20], f'{data[:80]!r}: {answer[:300]!r}')

  attacks = list(_requests(video))
  for attack in attacks:
    send(attack)
  head = (
    f'POST /api/judge?force=1 HTTP/1.1\r\nHost: localhost\r\n'
    f'Content-Type: video/mp4\r\nContent-Length: {len(video)}\r\n\r\n'
  ).encode()
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda _: send(head + video, 0.05), range(8)))
  # Half a head, and no more, while others are answered.
  waiting = [
    socket.create_connection((host, int(port)), timeout=9) for _ in range(100)
  ]
  for connection in waiting:
    connection.sendall(b'POST /api/judge HTTP/1.1\r\nHo')
  drill.check_alive('beside 100 connections that wait')
  for connection in waiting:
    connection.close()
  print(f'{len(attacks)} requests, 8 slow ones: {dict(codes)}')
  drill.check_alive('after the requests')


def stop_the_judge(drill: Drill, video: pathlib.Path) -> None:
  """Stops the process that judges, as a video that never ends would."""
  worker = drill.server.worker()
  os.kill(worker, signal.SIGSTOP)
  response = requests.post(
    f'{drill.server.address}/api/judge',
    data=video.read_bytes(),
    headers=_RAW,
    timeout=_LIMIT_S,
  )
  drill.check(response.status_code == 504, f'stopped: {response.text[:200]}')
  drill.check(drill.send_file(video, 'a.mp4') == 'judged', 'after the stop')
  print('a process that was stopped: 504, and the next video is judged')


def ask_at_the_end(drill: Drill, video: pathlib.Path) -> None:
  """Sends a video to a server that is about to end."""
  with contextlib.suppress(requests.RequestException):
    drill.send_file(video, 'last.mp4')


def judge_by_command(drill: Drill, paths: list[pathlib.Path]) -> None:
  """Gives all files to the command at once."""
  done = subprocess.run(
    [sys.executable, '-m', 'aqa_jax.judge', '--json=-', *map(str, paths)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=1200,
    check=False,
  )
  drill.check(done.returncode == 1, f'the command ends with {done.returncode}')
  drill.check('Traceback' not in done.stderr, done.stderr[-2000:])
  judged = {judgement['name'] for judgement in json.loads(done.stdout)}
  named = {
    str(path) for path in paths if f'aqa_jax.judge: {path}: ' in done.stderr
  }
  missing = {str(path) for path in paths} - judged - named
  drill.check(not missing, f'neither judged nor named: {sorted(missing)}')
  print(f'{len(paths)} files to the command: {len(judged)} judged')


def send_at_once(drill: Drill, folder: pathlib.Path) -> None:
  """Sends 30 videos by 6 clients at once; each gets its own result."""
  import aqa_jax

  paths = [folder / f'dive_{index}.mp4' for index in range(30)]
  for index, path in enumerate(paths):
    write_dive(path, index)
  judge = aqa_jax.load()
  expected = [judge(path) for path in paths]

  def send(path: pathlib.Path) -> dict:
    response = requests.post(
      f'{drill.server.address}/api/judge',
      params={'name': path.name},
      data=path.read_bytes(),
      headers=_RAW,
      timeout=_LIMIT_S,
    )
    drill.check(response.status_code == 200, response.text[:300])
    return response.json()

  began = time.monotonic()
  with concurrent.futures.ThreadPoolExecutor(6) as pool:
    answers = list(pool.map(send, paths))
  seconds = time.monotonic() - began
  for path, answer, judgement in zip(paths, answers, expected, strict=True):
    (dive,) = answer['dives']
    is_own = (
      answer['name'] == dive['name'] == path.name
      and abs(dive['score'] - judgement.score) < 0.01
      and dive['caption'] == judgement.caption
    )
    drill.check(is_own, f'{path.name}: has the result of another')
  different = len({round(judgement.score, 3) for judgement in expected})
  print(f'30 videos by 6 clients: {seconds:.1f} s, {different} scores')
  drill.check_alive('after the many')


def run(folder: pathlib.Path) -> int:
  """Runs the drill in an empty folder; returns how much has failed."""
  canary = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Canary)
  threading.Thread(target=canary.serve_forever, daemon=True).start()
  (folder / 'files').mkdir()
  paths = hostile_files.write_all(folder / 'files', canary.server_address[1])
  video = folder / 'dive.mp4'
  write_dive(video)
  drill = Drill(folder, ['--max_seconds=30', '--max_minutes=10'])
  try:
    send_at_once(drill, folder)
    drill.report()
    send_files(drill, paths)
    send_names(drill, video)
    send_requests(drill, video.read_bytes())
    stop_the_judge(drill, video)
    drill.check_alive('at the end')
    drill.report()
    judge_by_command(drill, paths)
    drill.check(_Canary.visits == 0, 'an address was opened')
    drill.check(not (ROOT / 'owned').exists(), 'a command was run')
    # While a video is judged, and somebody waits.
    os.kill(drill.server.worker(), signal.SIGSTOP)
    threading.Thread(target=ask_at_the_end, args=(drill, video)).start()
    time.sleep(1)
  finally:
    code = drill.server.end()
  drill.check('Traceback' not in drill.server.errors, drill.server.errors)
  drill.check(code == 0, f'the server ends with {code}')
  drill.check(not drill.server.folders, 'the server leaves files')
  print(f'{len(drill.failures)} failures')
  return len(drill.failures)


def main() -> int:
  """Runs the drill; returns 1 if something failed."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.parse_args()
  with tempfile.TemporaryDirectory(prefix='serve_drill_') as folder:
    return int(run(pathlib.Path(folder)) > 0)


if __name__ == '__main__':
  sys.exit(main())
