"""What becomes of the server of `aqa_jax.serve` where something breaks off."""

import contextlib
import os
import signal
import socket
import time

import pytest
import requests
from served import TYPE, Served, send, wait


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


def test_a_client_that_is_gone(server, clips):
  """Its video is not waited for, and others are answered."""
  address = f'{server.address}/api/judge'
  os.kill(server.worker(), signal.SIGSTOP)
  try:
    with pytest.raises(requests.Timeout):
      requests.post(
        address,
        data=(clips / 'dive.mp4').read_bytes(),
        headers=TYPE,
        timeout=0.5,
      )
  finally:
    os.kill(server.worker(), signal.SIGCONT)
  assert send(server, clips / 'dive.mp4', 'judge').status_code == 200
  assert server.jobs == []


@pytest.mark.skipif(
  not os.path.exists('/proc/self/task'), reason='needs /proc of Linux'
)
def test_a_process_that_dies_is_replaced(server, clips):
  worker = server.worker()
  os.kill(worker, signal.SIGSTOP)
  job = send(server, clips / 'dive.mp4').json()
  deadline = time.monotonic() + 9
  while job['state'] != 'judging':
    assert time.monotonic() < deadline
    job = requests.get(f'{server.address}/api/jobs/{job["id"]}', timeout=9)
    job = job.json()
  os.kill(worker, signal.SIGKILL)
  job = wait(server, job)
  assert (
    job['error']['code'] == 'crashed' and 'SIGKILL' in job['error']['message']
  )
  assert send(server, clips / 'dive.mp4', 'judge').status_code == 200
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
