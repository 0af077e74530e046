"""What the server of `aqa_jax.serve` refuses, and that its page is enough."""

import re

import pytest
import requests
from html_page import Page
from served import TYPE, problem_of


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
    headers=TYPE | headers,
    timeout=9,
  )
  assert problem_of(response) == problem
  if 'Host' in headers:
    response = requests.get(f'{server.address}/', headers=headers, timeout=9)
    assert problem_of(response) == problem


def test_names_of_this_machine_are_taken(server):
  port = server.address.rpartition(':')[2]
  for host in (f'localhost:{port}', '127.0.0.1', '[::1]:80', '192.168.1.4'):
    response = requests.get(
      f'{server.address}/api/model', headers={'Host': host}, timeout=9
    )
    assert response.status_code == 200
  origin = {'Origin': server.address, 'Sec-Fetch-Site': 'same-origin'}
  response = requests.post(
    f'{server.address}/api/judge', data=b'', headers=TYPE | origin, timeout=9
  )
  assert problem_of(response) == (400, 'empty')


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
  codes = {404: 'not_found', 405: 'wrong_method'}
  assert problem_of(response) == (status, codes[status])
