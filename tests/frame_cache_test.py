import errno
import functools
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tfds_mtl_aqa import frame_cache, input_error

KEYS = [f'dive_{k:02d}' for k in range(7)]


def make(calls, key):
  with open(calls, 'a') as file:
    file.write(f'{key} {os.getpid()}\n')
  return [key.encode() * n for n in (1, 0, 1000)]


def fingerprint_of(version, key):
  return f'{version} {key}'


def _cached(folder, num_processes=1, version='1', keys=KEYS):
  return frame_cache.cached_frames(
    keys,
    functools.partial(make, folder / 'calls'),
    folder / 'cache',
    fingerprint=functools.partial(fingerprint_of, version),
    num_processes=num_processes,
    description='test',
  )


def _calls(folder):
  """Returns the keys that were made since the last time, and by whom."""
  path = folder / 'calls'
  lines = path.read_text().split('\n')[:-1] if path.exists() else []
  path.unlink(missing_ok=True)
  return [line.split() for line in lines]


EXPECTED = [(k, [k.encode(), b'', k.encode() * 1000]) for k in KEYS]


@pytest.mark.parametrize('num_processes', [1, 2])
def test_makes_each_once_and_yields_in_order(tmp_path, num_processes):
  assert list(_cached(tmp_path, num_processes)) == EXPECTED
  calls = _calls(tmp_path)
  assert sorted(key for key, _ in calls) == KEYS
  makers = {int(pid) for _, pid in calls}
  assert (os.getpid() in makers) == (num_processes == 1)
  assert list(_cached(tmp_path, num_processes)) == EXPECTED
  assert _calls(tmp_path) == []


def test_goes_on_after_an_interruption(tmp_path):
  interrupted = _cached(tmp_path)
  assert [next(interrupted), next(interrupted)] == EXPECTED[:2]
  interrupted.close()
  assert [key for key, _ in _calls(tmp_path)] == KEYS[:2]
  assert list(_cached(tmp_path)) == EXPECTED
  assert [key for key, _ in _calls(tmp_path)] == KEYS[2:]


def _cut(data):
  return data[:-1]


def _flip(data):
  return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
  'damage', [_cut, _flip, lambda d: b'', lambda d: d[:9], lambda d: d[9:]]
)
@pytest.mark.parametrize('num_processes', [1, 2])
def test_makes_damaged_files_anew(tmp_path, damage, num_processes):
  list(_cached(tmp_path))
  _calls(tmp_path)
  path = tmp_path / 'cache' / f'{KEYS[3]}.frames'
  path.write_bytes(damage(path.read_bytes()))
  assert list(_cached(tmp_path, num_processes)) == EXPECTED
  assert [key for key, _ in _calls(tmp_path)] == [KEYS[3]]


def test_never_uses_what_was_made_from_something_else(tmp_path):
  list(_cached(tmp_path, version='1'))
  _calls(tmp_path)
  assert list(_cached(tmp_path, version='2')) == EXPECTED
  assert [key for key, _ in _calls(tmp_path)] == KEYS


def fail(key):
  raise input_error.InputError(f'{key}: is wrong; mend it.')


def die(key):
  os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('num_processes', [1, 2])
def test_hands_on_the_users_errors(tmp_path, num_processes):
  frames = frame_cache.cached_frames(
    KEYS, fail, tmp_path, fingerprint=str, num_processes=num_processes
  )
  with pytest.raises(input_error.InputError, match='^dive_00: is wrong; mend'):
    list(frames)


def fail_at_two(key):
  if key in (KEYS[0], KEYS[3]):
    raise input_error.InputError(f'{key}: is wrong; mend it.')
  return [key.encode()]


@pytest.mark.parametrize('num_processes', [1, 2])
def test_leaves_out_what_can_not_be_made(tmp_path, num_processes):
  told = []
  frames = frame_cache.cached_frames(
    KEYS,
    fail_at_two,
    tmp_path,
    fingerprint=str,
    num_processes=num_processes,
    left_out=lambda key, error: told.append((key, str(error))),
  )
  held = [key for key in KEYS if key not in (KEYS[0], KEYS[3])]
  assert list(frames) == [(key, [key.encode()]) for key in held]
  assert told == [(k, f'{k}: is wrong; mend it.') for k in (KEYS[0], KEYS[3])]


def test_a_full_disk_leaves_no_part_behind(tmp_path, monkeypatch):
  def fail(*paths):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr(os, 'replace', fail)
  with pytest.raises(OSError, match='No space left'):
    list(_cached(tmp_path))
  assert list((tmp_path / 'cache').iterdir()) == []


def test_a_process_that_dies(tmp_path):
  frames = frame_cache.cached_frames(
    KEYS, die, tmp_path, fingerprint=str, num_processes=2
  )
  with pytest.raises(input_error.InputError, match='smaller --num_processes'):
    list(frames)


def sleep(key):
  if key == KEYS[0]:
    return [b'']
  time.sleep(100)
  return [b'']


@pytest.mark.skipif(
  not pathlib.Path('/proc/self/stat').exists(), reason='needs /proc'
)
def test_processes_end_with_a_killed_parent(tmp_path):
  code = (
    'import frame_cache_test as t, tfds_mtl_aqa.frame_cache as c\n'
    'frames = c.cached_frames(t.KEYS, t.sleep, "cache", fingerprint=str, '
    'num_processes=2)\n'
    'next(frames)\n'
    'print("ready", flush=True)\n'
    'next(frames)'
  )
  process = subprocess.Popen(
    [sys.executable, '-c', code],
    cwd=tmp_path,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    env=os.environ
    | {'PYTHONPATH': os.pathsep.join([os.path.dirname(__file__), *sys.path])},
  )
  with process:
    assert process.stdout.readline() == b'ready\n'
    children = _children(process.pid)
    assert len(children) >= 2
    process.kill()
  deadline = time.monotonic() + 20
  while any(_runs(pid) for pid in children) and time.monotonic() < deadline:
    time.sleep(0.1)
  assert not any(_runs(pid) for pid in children)


def _children(parent):
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      fields = path.read_text().rpartition(')')[2].split()
    except OSError:
      continue
    if int(fields[1]) == parent:
      found.append(int(path.parent.name))
  return found


def _runs(pid):
  try:
    state = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2]
  except OSError:
    return False
  return state.split()[0] != 'Z'


def test_remove_folder_removes_only_its_own(tmp_path):
  list(_cached(tmp_path))
  cache = tmp_path / 'cache'
  (cache / 'x.frames.0.part').write_bytes(b'')
  mine = cache / 'mine.txt'
  mine.write_text('keep')
  frame_cache.remove_folder(cache)
  assert list(cache.iterdir()) == [mine]
  mine.unlink()
  frame_cache.remove_folder(cache)
  assert not cache.exists()
  frame_cache.remove_folder(cache)
