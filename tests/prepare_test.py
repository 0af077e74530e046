import filecmp
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import fake_mtl_aqa
import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa

TESTS = pathlib.Path(__file__).parent
FOLDER = 'mtl_aqa/clips_171x128/1.0.0'


@pytest.fixture(name='manual_dir', scope='module')
def fixture_manual_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('manual')
  fake_mtl_aqa.write_release(folder)
  fake_mtl_aqa.write_event_videos(folder)
  return folder


def _command(manual_dir, *arguments):
  return [
    sys.executable,
    str(TESTS / 'fake_mtl_aqa.py'),
    str(manual_dir),
    *arguments,
  ]


def _environment():
  return os.environ | {'PYTHONPATH': str(TESTS.parent)}


def _run(manual_dir, *arguments):
  return subprocess.run(
    _command(manual_dir, *arguments),
    capture_output=True,
    text=True,
    env=_environment(),
    check=False,
  )


@pytest.fixture(name='whole', scope='module')
def fixture_whole(tmp_path_factory, manual_dir):
  """A data_dir prepared without an interruption, and what was printed."""
  folder = tmp_path_factory.mktemp('whole')
  done = _run(
    manual_dir, 'mtl_aqa', f'--data_dir={folder}', '--num_processes=1'
  )
  assert done.returncode == 0, done.stderr
  return folder, done


def test_tells_what_it_made_and_how_to_load_it(whole):
  folder, done = whole
  assert 'mtl_aqa/clips_171x128/1.0.0: train 4, test 2 dives, ' in done.stdout
  assert f'In {folder / FOLDER}' in done.stdout
  load = done.stdout.strip().split('\n')[-1].strip()
  assert load.startswith('tfds.data_source(')
  opened = eval(load, {'tfds': tfds})
  assert {split: len(dives) for split, dives in opened.items()} == {
    'train': 4,
    'test': 2,
  }
  # The progress bar.
  assert 'train: 100%' in done.stderr
  assert 'test: 100%' in done.stderr


def test_leaves_nothing_but_the_dataset(whole):
  folder, _ = whole
  assert [p.name for p in (folder / FOLDER).parent.iterdir()] == ['1.0.0']


def test_does_nothing_where_all_is_prepared(whole, manual_dir):
  folder, done = whole
  before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
  again = _run(manual_dir, 'mtl_aqa', f'--data_dir={folder}')
  assert again.returncode == 0
  # Nothing is read again, nor written.
  assert before == {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
  assert '%' not in again.stderr
  assert 'already prepared' in again.stdout
  assert again.stdout.split('\n')[-5:] == done.stdout.split('\n')[-5:]


def _same_files(one, other):
  names = sorted(path.name for path in one.iterdir())
  assert names == sorted(path.name for path in other.iterdir())
  _, different, errors = filecmp.cmpfiles(one, other, names, shallow=False)
  assert not errors
  return different


def test_kill_9_loses_nothing(whole, manual_dir, tmp_path):
  folder, _ = whole
  cache = (tmp_path / FOLDER).with_name('1.0.0.frames')
  command = _command(
    manual_dir, 'mtl_aqa', f'--data_dir={tmp_path}', '--num_processes=2'
  )
  kept, kills = {}, 0
  # Killed with nothing, one dive, three and all six dives in the cache.
  for num_stored in (0, 1, 3, 6):
    with subprocess.Popen(
      command,
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      env=_environment(),
    ) as process:
      while process.poll() is None:
        if len(_stored(cache)) >= num_stored and cache.exists():
          break
        time.sleep(0.001)
      process.kill()
    kills += process.wait() == -signal.SIGKILL
    stored = _stored(cache)
    if (tmp_path / FOLDER).exists():
      break  # It was faster; whatever has the name must be whole.
    with pytest.raises(Exception, match='mtl_aqa'):
      tfds.builder('mtl_aqa', data_dir=tmp_path).as_dataset()
    # What was finished before is neither lost nor made again.
    for name, status in kept.items():
      assert stored[name] == status
    kept = stored
  # However fast it is, there are some.
  assert kills and kept
  done = _run(manual_dir, 'mtl_aqa', f'--data_dir={tmp_path}')
  assert done.returncode == 0, done.stderr
  # Record for record and byte for byte what an uninterrupted run writes.
  assert _same_files(folder / FOLDER, tmp_path / FOLDER) == []
  assert [p.name for p in (tmp_path / FOLDER).parent.iterdir()] == ['1.0.0']


def _stored(cache):
  """Returns when each stored dive was written, by file name."""
  if not cache.exists():
    return {}
  return {p.name: p.stat().st_mtime_ns for p in cache.glob('*.frames')}


def test_kill_9_while_writing(whole, manual_dir, tmp_path):
  """Kills while records are written and while the dataset gets its name."""
  folder, _ = whole
  interrupted = 0
  for number, awaited in enumerate(
    ('incomplete*/*train*', 'incomplete*/*test*', '1.0.0')
  ):
    data_dir = tmp_path / str(number)
    final = data_dir / FOLDER
    with subprocess.Popen(
      _command(
        manual_dir, 'mtl_aqa', f'--data_dir={data_dir}', '--num_processes=1'
      ),
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      env=_environment(),
    ) as process:
      while process.poll() is None and not any(final.parent.glob(awaited)):
        time.sleep(0.001)
      process.kill()
    if final.exists():
      assert _same_files(folder / FOLDER, final) == []
    else:
      assert process.returncode == -signal.SIGKILL
      interrupted += 1
    done = _run(manual_dir, 'mtl_aqa', f'--data_dir={data_dir}')
    assert done.returncode == 0, done.stderr
    assert _same_files(folder / FOLDER, final) == []
  # The last may have come too late, and on a busy machine the second too.
  assert interrupted


def test_works_without_tensorflow(manual_dir, tmp_path):
  done = subprocess.run(
    [
      sys.executable,
      '-c',
      'import no_tensorflow, runpy, sys\n'
      'sys.argv = sys.argv[1:]\n'
      "runpy.run_path(sys.argv[0], run_name='__main__')",
      *_command(
        manual_dir, 'mtl_aqa', f'--data_dir={tmp_path}', '--num_processes=1'
      )[1:],
    ],
    capture_output=True,
    text=True,
    env=_environment(),
    cwd=TESTS,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert 'tensorflow' not in done.stderr.lower()
  assert len(tfds.data_source('mtl_aqa', split='train', data_dir=tmp_path)) == 4


def _damage(manual_dir, kind):
  """Damages a copy of the manual_dir; returns what the error must name."""
  if kind == 'truncated video':
    path = manual_dir / '03.mp4'
    path.write_bytes(path.read_bytes()[:-500])
    return f'{path}: cannot be read as a video'
  if kind == 'corrupt JPEG':
    (manual_dir / '03.mp4').unlink()
    fake_mtl_aqa.write_frames(
      manual_dir / '03', list(range(1, 203)), '%06d.jpg'
    )
    path = manual_dir / '03' / '000120.jpg'
    path.write_bytes(path.read_bytes()[:99])
    return f'{path}: is not a whole image'
  path = manual_dir / 'MTL-AQA_split_0_data/final_captions_dict.pkl'
  captions = {
    key: ['<sos>', 'zebra', '<eos>'] for key in fake_mtl_aqa.END_FRAMES
  }
  fake_mtl_aqa.write_release(manual_dir, captions=captions)
  return f'{path}: the caption of dive (3, 2) has words'


@pytest.mark.parametrize(
  'kind', ['truncated video', 'corrupt JPEG', 'unknown words']
)
def test_bad_files_get_one_line(manual_dir, tmp_path, kind):
  manual = tmp_path / 'manual'
  shutil.copytree(manual_dir, manual)
  message = _damage(manual, kind)
  done = _run(manual, 'mtl_aqa', f'--data_dir={tmp_path / "data"}')
  assert done.returncode == 2
  assert 'Traceback' not in done.stderr
  last = done.stderr.strip().split('\n')[-1]
  assert last.startswith(f'prepare: {message}')
  assert not (tmp_path / 'data' / FOLDER).exists()


def test_bad_arguments_get_one_line(whole, manual_dir, tmp_path):
  folder, _ = whole
  partial = tmp_path / 'partial'
  shutil.copytree(folder, partial)
  metadata = partial / FOLDER / 'metadata.json'
  metadata.write_text(
    json.dumps(json.loads(metadata.read_text()) | {'num_dives_of_release': 9})
  )
  a_file = tmp_path / 'file'
  a_file.write_text('')
  cases = [
    (['mtl_aqq'], 'mtl_aqq: no such dataset; give one of mtl_aqa, sim'),
    (['mtl_aqa/x'], 'mtl_aqa/x: no such config; give one of mtl_aqa/clips_'),
    ([], 'give one dataset'),
    (['mtl_aqa', 'more'], 'give one dataset'),
    (['mtl_aqa', '--nope'], "Unknown command line flag 'nope'"),
    (['mtl_aqa', '--num_processes=0'], 'flag --num_processes=0'),
    (
      ['mtl_aqa', '--manual_dir=/nowhere'],
      '--manual_dir=/nowhere: there is no',
    ),
    (['mtl_aqa', f'--data_dir={a_file}'], str(a_file)),
    (
      ['mtl_aqa', f'--data_dir={partial}'],
      f'{partial / FOLDER}: was prepared '
      'with --allow_missing and holds 6 of 9 dives',
    ),
  ]
  code = (
    'import contextlib, sys\n'
    'from absl import flags\n'
    'from tfds_mtl_aqa import prepare\n'
    'for line in sys.stdin:\n'
    '  flags.FLAGS.unparse_flags()\n'
    '  for name in ("data_dir", "manual_dir", "num_processes"):\n'
    '    flags.FLAGS[name].value = None\n'
    '  try:\n'
    '    code = prepare.main(prepare._parse_flags(["p", *eval(line)]))\n'
    '  except SystemExit as e:\n'
    '    code = e.code\n'
    '  print("code", code)\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    input='\n'.join(repr(arguments) for arguments, _ in cases),
    capture_output=True,
    text=True,
    env=_environment(),
    check=True,
  )
  assert done.stdout.split('\n').count('code 2') == len(cases)
  lines = done.stderr.strip().split('\n')
  assert len(lines) == len(cases)
  for line, (_, message) in zip(lines, cases, strict=True):
    assert line.startswith('prepare: ')
    assert message in line


def test_home_in_the_flags(manual_dir, tmp_path):
  """The shell leaves ~ alone in --data_dir=~/data."""
  home = tmp_path / 'home'
  (home / 'videos').mkdir(parents=True)
  here = tmp_path / 'here'
  here.mkdir()
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      'tfds_mtl_aqa.prepare',
      'simulated_dives/tiny',
      '--data_dir=~/data',
      '--manual_dir=~/videos',
    ],
    capture_output=True,
    text=True,
    cwd=here,
    env=_environment() | {'HOME': str(home)},
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert str(home / 'data') in done.stdout
  assert list(here.iterdir()) == []
  builder = tfds.builder('simulated_dives/tiny', data_dir=home / 'data')
  assert builder.is_prepared()


def _can_mount():
  if not shutil.which('unshare'):
    return False
  done = subprocess.run(
    ['unshare', '-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'],
    capture_output=True,
    check=False,
  )
  return done.returncode == 0


# While the frames wait, and while the records are written.
@pytest.mark.parametrize('size', ['100k', '700k', 'read-only'])
def test_a_disk_that_is_full_or_read_only(tmp_path, size):
  if not _can_mount():
    pytest.skip('no disk of its own: unshare -rm mount is refused')
  disk = tmp_path / 'disk'
  disk.mkdir()
  options = '1m' if size == 'read-only' else size
  remount = 'mount -o remount,ro "$1"\n' * (size == 'read-only')
  done = subprocess.run(
    [
      'unshare',
      '-rm',
      'bash',
      '-c',
      f'mount -t tmpfs -o size={options} none "$1"\n{remount}'
      f'"{sys.executable}" -m tfds_mtl_aqa.prepare simulated_dives/tiny '
      '--data_dir="$1" --num_processes=1',
      'bash',
      disk,
    ],
    capture_output=True,
    text=True,
    env=_environment(),
    check=False,
  )
  assert done.returncode == 2, done.stderr
  assert 'Traceback' not in done.stderr
  last = done.stderr.strip().split('\n')[-1]
  reason = 'Read-only' if size == 'read-only' else 'No space left on device'
  assert last.startswith(
    f'prepare: {disk}/simulated_dives/tiny: can not be written ({reason}'
  )


def test_what_is_left_out_is_told_last(manual_dir, tmp_path):
  manual = tmp_path / 'manual'
  shutil.copytree(manual_dir, manual)
  (manual / '03.mp4').write_bytes(b'')
  flags = ['mtl_aqa', f'--data_dir={tmp_path / "data"}', '--allow_missing']
  for _ in range(2):
    done = _run(manual, *flags)
    assert done.returncode == 0, done.stderr
    assert '3 of 6 dives' in done.stdout
    assert f'03_03: {manual / "03.mp4"}: cannot be read' in done.stdout


def test_every_builder_can_be_prepared_by_name():
  assert [cls.name for cls in tfds_mtl_aqa.BUILDERS] == [
    'mtl_aqa',
    'simulated_dives',
    'simulated_footage',
    'simulated_vaults',
    'unlv_dive',
    'mit_dive',
    'aqa7',
    'finediving',
    'mtl_aqa_footage',
  ]
