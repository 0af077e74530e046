"""Goodput over starts that ended well, and one that was killed."""

import json
import time

import pytest

from aqa_jax.training.goodput import Goodput


@pytest.fixture(name='clock')
def fixture_clock(monkeypatch):
  """A clock that the test sets: [seconds]."""
  clock = [0.0]
  monkeypatch.setattr(time, 'monotonic', lambda: clock[0])
  return clock


def _recorded(folder):
  return json.loads((folder / 'goodput.json').read_text())


def test_what_a_kill_lost_is_not_useful(tmp_path, clock):
  clock[0] = 10
  goodput = Goodput(tmp_path, 0)
  goodput.add(100)
  clock[0] = 110
  goodput.mark()
  goodput.keep()
  # 1000 seconds of steps, of which no checkpoint knows.
  goodput.add(1000)
  clock[0] = 1110
  goodput.record()
  # Killed. The next start is killed before it has done anything.
  clock[0] = 5010
  Goodput(tmp_path, 5000)
  clock[0] = 6001
  goodput = Goodput(tmp_path, 6000)
  goodput.add(100)
  clock[0] = 6110
  goodput.mark()
  goodput.keep()
  assert _recorded(tmp_path) == {
    'starts': 3,
    'seconds': 1230,
    'useful_seconds': 200,
    'goodput': 200 / 1230,
  }
  assert goodput.summary().startswith('Goodput 16 %')


def test_what_is_not_on_the_disk_yet_is_not_useful(tmp_path, clock):
  clock[0] = 10
  goodput = Goodput(tmp_path, 0)
  goodput.add(100)
  goodput.mark()
  goodput.record()
  assert _recorded(tmp_path)['useful_seconds'] == 0
  # The steps that are done while it is being written.
  goodput.add(50)
  goodput.keep()
  assert _recorded(tmp_path)['useful_seconds'] == 100


_DAMAGED = ['', '[]', '{"starts": 1}', '\0']
_DAMAGED += [
  f'{{"starts": {starts}, "seconds": {seconds}, "useful_seconds": 0}}'
  for starts, seconds in [(1, 'null'), ('1e400', 1), (1, 'NaN'), (1, -5)]
]


@pytest.mark.parametrize('content', _DAMAGED)
def test_a_damaged_file_ends_no_training(tmp_path, clock, content):
  (tmp_path / 'goodput.json').write_text(content)
  clock[0] = 10
  goodput = Goodput(tmp_path, 0)
  goodput.add(5)
  goodput.mark()
  goodput.keep()
  assert _recorded(tmp_path)['goodput'] == 0.5
