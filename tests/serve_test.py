"""`python -m aqa_jax.serve` as programs see it."""

import concurrent.futures
import json

import av
import numpy as np
import pytest
import requests
from html_page import Page, check_self_contained
from served import TYPE, WAIT_S, problem_of, send, wait
from video_test import write_video

import aqa_jax


def test_an_answer_is_that_of_the_library(server, clips):
  response = send(server, clips / 'dive.mp4', 'judge', name='dive.mp4')
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
    (dive,) = send(
      server, clips / 'dive.mp4', 'judge', **query, force='1'
    ).json()['dives']
    assert dive['frame_numbers'][-1] == last
  (slow,) = send(
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
  response = send(server, clips / 'dive.mp4', 'judge', **query)
  assert problem_of(response) == (400, 'bad_option')
  assert next(iter(query)) in response.json()['error']['message']


def test_a_video_with_its_player_and_files(server, clips):
  response = send(server, clips / 'dive.mp4', name='dive.mp4')
  assert response.status_code == 202
  job = wait(server, response.json())
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
  assert problem_of(missing) == (404, 'not_found')
  assert requests.delete(address, timeout=9).status_code == 204
  assert problem_of(requests.get(address, timeout=9)) == (404, 'not_found')
  assert server.jobs == []


def test_a_copy_for_the_player(server, clips):
  """Of an AVI; the upload is deleted."""
  job = wait(server, send(server, clips / 'grey.avi', force='1').json())
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
      timeout=WAIT_S,
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
    ({'data': b'', 'headers': TYPE}, (400, 'empty')),
    ({'data': b'{}', 'headers': {'Content-Type': 'application/json'}},
     (415, 'unsupported_type')),
    ({'data': b'a', 'headers': {'Content-Type': 'text/html'}},
     (415, 'unsupported_type')),
    ({'data': b'a', 'headers': {**TYPE, 'Content-Encoding': 'gzip'}},
     (415, 'unsupported_type')),
    ({'data': b'a' * 2_000_000, 'headers': TYPE}, (413, 'too_large')),
    # Of a length that is not told before.
    ({'data': iter([b'a' * 60_000] * 20), 'headers': TYPE},
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
    # An option that is not in the address would not count.
    (_multipart(_FILE, b'Content-Disposition: form-data; name="end"\r\n\r\n2s'),
     (400, 'bad_option')),
  ],
)  # fmt: skip
def test_bodies_that_are_wrong(server, request_, problem):
  response = requests.post(
    f'{server.address}/api/judge', timeout=WAIT_S, **request_
  )
  assert problem_of(response) == problem
  assert server.jobs == []


def test_what_is_no_video(server, clips):
  response = send(server, clips / 'text.mp4', 'judge', name='text.mp4')
  assert problem_of(response) == (422, 'not_judged')
  # The name that the user knows, not the server's.
  message = response.json()['error']['message']
  assert message.startswith('text.mp4: ') and 'aqa_jax_serve' not in message
  job = wait(server, send(server, clips / 'text.mp4').json())
  assert job['state'] == 'failed' and job['error']['code'] == 'not_judged'
  address = f'{server.address}/api/jobs/{job["id"]}'
  response = requests.get(f'{address}/report.html', timeout=9)
  assert problem_of(response) == (422, 'not_judged')
  assert server.jobs == []


def test_a_video_that_is_too_long(server, tmp_path):
  write_video(tmp_path / 'long.mp4', [9] * 70, rate=1)
  response = send(server, tmp_path / 'long.mp4', 'judge')
  assert problem_of(response) == (422, 'too_long')


def test_what_is_known_of_the_model(server):
  facts = requests.get(f'{server.address}/api/model', timeout=9).json()
  assert next(iter(facts)) == 'note'
  assert facts['limits']['max_bytes'] == 1e6 and facts['frames'] == 32
  assert sum(facts['training_scores']['counts']) == 19400


def test_more_than_the_queue_takes(server, clips):
  """Each gets its own answer, or is told to come again."""
  with concurrent.futures.ThreadPoolExecutor(12) as pool:
    responses = list(
      pool.map(
        lambda name: send(server, clips / 'dive.mp4', 'judge', name=name),
        (f'{number}.mp4' for number in range(12)),
      )
    )
  answered = [r for r in responses if r.status_code == 200]
  assert len(answered) >= 4
  for number, response in enumerate(responses):
    if response in answered:
      assert response.json()['name'] == f'{number}.mp4'
    else:
      assert problem_of(response) == (429, 'queue_full')
      assert response.headers['retry-after'] == '2'
  assert server.jobs == []


def test_json_of_an_answer_is_strict(server, clips):
  response = send(server, clips / 'grey.avi', 'judge', force='1')

  def no_constant(name):
    raise ValueError(name)

  assert json.loads(response.text, parse_constant=no_constant)['dives']
