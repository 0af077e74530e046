"""The comparison with PyTorch: turns, ratios, table, flags, and a real run."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from aqa_jax.data.input_pipeline import evaluation_batches
from aqa_jax.data.video_input import VideoInput
from benchmarks import comparison, gpu_results, input_dives
from benchmarks.comparison_table import table
from benchmarks.cpu_time import cpu_seconds
from benchmarks.side_process import SideError, SideProcess
from benchmarks.workload import Workload, make_config

ROOT = pathlib.Path(__file__).parents[1]


def _workload(piece='step', folder='', **fields):
  config = make_config('c3davg', 'toy', 'cpu', **fields)
  return Workload(piece, 'cpu', config, 4, folder, 'none', True)


class _FakeSide:
  """A side whose times are given; `best` of round 2 meets a busy machine."""

  seconds = {'ours': 0.5, 'official': 1.0, 'best': 0.25}
  started: list[str] = []

  def __init__(self, name, workload, folder):
    del workload, folder
    if name not in self.seconds:
      raise SideError('exit code 1: out of memory')
    self.name = name
    self.started.append(name)
    self.turns = 0
    self.first = {'ready': 2.0, 'first_run': 3.0, 'dives': 8}

  def ask(self, command):
    figures = {'memory': 2**30, 'rate': 1e11, 'flops': 5e9}
    if command == 'cpu':
      return 1.5 * self.turns
    if command in figures:
      return figures[command]
    self.turns += 1
    is_busy = self.name == 'best' and self.turns == 3
    return int(command) * self.seconds[self.name] * (2 if is_busy else 1)

  def close(self):
    pass


@pytest.fixture(name='fake_sides')
def fixture_fake_sides(monkeypatch):
  monkeypatch.setattr(comparison, 'SideProcess', _FakeSide)
  monkeypatch.setattr(_FakeSide, 'started', [])


def test_turns_and_ratios(fake_sides):
  found = comparison.compare(_workload(), comparison.SIDES, 3, 2.0, True)
  assert _FakeSide.started == [
    *('ours', 'ours', 'official', 'official', 'best', 'best')
  ]
  assert found['sides']['ours']['seconds'] == [0.5, 0.5, 0.5]
  assert found['sides']['best']['seconds'] == [0.25, 0.5, 0.25]
  assert found['ratios'] == {
    'official': {'median': 2.0, 'min': 2.0, 'max': 2.0},
    'best': {'median': 0.5, 'min': 0.5, 'max': 1.0},
  }


def test_a_side_that_fails_does_not_take_the_others_along(
  fake_sides, monkeypatch
):
  monkeypatch.setattr(_FakeSide, 'seconds', {'ours': 0.5, 'best': 0.25})
  found = comparison.compare(_workload(), comparison.SIDES, 1, 1.0, False)
  assert 'out of memory' in found['sides']['official']['error']
  assert set(found['ratios']) == {'best'}
  rows = table(found).splitlines()
  assert rows[2].split() == ['official', 'failed']


def test_table(fake_sides):
  found = comparison.compare(_workload(), ('ours', 'best'), 3, 2.0, True)
  header, ours, _, ratio = table(found).splitlines()
  cells = dict(zip(header.split('  ')[-1:], ours.split()[-1:], strict=True))
  assert cells == {'warm s': '3.0'}
  # 8 dives in 500 ms; 5 Gflop in that, of 100 Gflop/s; 1 GiB.
  # Four runs a turn; a turn took 1.5 s of processor time.
  assert ours.split()[1:7] == ['500', '500-500', '375', '16', '10', '10']
  assert '1024' in ours
  assert ratio == 'best / ours: 0.50 (0.50 to 1.00)'


def test_processor_time_of_children_that_run():
  if cpu_seconds() is None:
    pytest.skip('Linux alone tells it')
  spin = 'import time\nwhile time.process_time() < 1: pass\nprint(1)\ninput()'
  before = cpu_seconds()
  with subprocess.Popen(
    [sys.executable, '-c', spin],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  ) as child:
    child.stdout.readline()
    running = cpu_seconds() - before
    child.communicate('\n')
  ended = cpu_seconds() - before
  for seconds in (running, ended):
    assert seconds >= 0.9


def test_a_workload_survives_the_way_to_the_other_process():
  work = _workload('captions', '/somewhere', batch_size=5, dtype='bfloat16')
  back = Workload.from_json(work.to_json())
  assert back.config.batch_size == 5
  assert back.config.compute_dtype == 'bfloat16'
  assert back.to_json() == work.to_json()


def test_a_real_side_in_a_process_of_its_own(tmp_path):
  process = SideProcess('ours', _workload('captions'), tmp_path)
  try:
    assert process.first['dives'] == 4
    assert 0 < process.first['ready'] < process.first['first_run']
    assert float(process.ask('2')) > 0
    # A process with JAX in it, in bytes.
    assert 2**26 < process.ask('memory') < 2**35
    assert process.ask('flops') is None
    if pathlib.Path('/proc/self/stat').exists():
      assert process.ask('cpu') > 0
  finally:
    process.close()


def test_a_side_that_can_not_work_says_why(tmp_path):
  with pytest.raises(SideError, match="KeyError: 'sleep'"):
    SideProcess('ours', _workload('sleep'), tmp_path)


def test_a_missing_gpu_is_told_by_each_side(tmp_path):
  if jax.default_backend() != 'cpu':
    pytest.skip('there is a GPU')
  work = dataclasses.replace(_workload('captions'), device='gpu')
  for name in ('ours', 'best'):
    if name == 'best':
      pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
    with pytest.raises(SideError, match='finds no'):
      SideProcess(name, work, tmp_path)


def test_both_loaders_read_the_same_pixels(tmp_path):
  pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  from benchmarks.torch_replica.loader import DiveFrames

  config = make_config('c3davg', 'toy', 'cpu')
  config.input.max_shift = 0
  input_dives.make(config, tmp_path, 3)
  split = input_dives.open_split(str(tmp_path))
  (batch,) = evaluation_batches(
    split, VideoInput(**config.input), (), 3, (0, 1)
  )
  for is_official in (True, False):
    dives = DiveFrames(tmp_path / 'frames', config, is_official)
    for index in range(len(dives)):
      theirs = dives[index].numpy()
      if is_official:
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        theirs = theirs.transpose(1, 2, 3, 0) * std + mean
        # Pillow and OpenCV have the same decoder.
        theirs = np.round(255 * theirs).astype(np.uint8)
      ours = batch['video'][index]
      mirrored = ours[:, :, ::-1]
      assert (theirs == ours).all() or (theirs == mirrored).all()


def _compare(*flags):
  return subprocess.run(
    [sys.executable, '-m', 'benchmarks.compare', *flags],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


@pytest.mark.parametrize(
  'flag',
  [
    '--what=walk',
    '--what=step,step',
    '--sides=theirs',
    '--size=huge',
    '--rounds=0',
    '--seconds=0',
    '--batch_size=two',
    '--out=/proc/no_such/file.json',
  ],
)
def test_wrong_flags_are_named(flag):
  done = _compare(flag)
  assert done.returncode == 2
  assert flag.partition('=')[0] in done.stderr.splitlines()[-1]


def test_what_is_measured_is_written(tmp_path):
  out = tmp_path / 'new/figures.json'
  done = _compare(
    '--what=captions',
    '--size=toy',
    '--sides=ours',
    '--rounds=2',
    '--seconds=0.01',
    '--dives=4',
    '--one_start',
    f'--out={out}',
  )
  assert done.returncode == 0, done.stderr
  report = json.loads(out.read_text())
  assert report['machine']['versions']['jax']
  assert report['results']['captions']['sides']['ours']['dives'] == 4
  assert len(report['results']['captions']['sides']['ours']['seconds']) == 2


def test_gpu_results_tell_what_is_open(tmp_path, monkeypatch, capsys):
  (tmp_path / 'status').mkdir()
  (tmp_path / 'status/input').write_text('done in 3 s\n')
  (tmp_path / 'status/training').write_text('not run: no time was left\n')
  (tmp_path / 'training.log').write_text('step 4  31.2 dives/s\n')
  monkeypatch.setattr(sys, 'argv', ['gpu_results', str(tmp_path)])
  with pytest.raises(SystemExit, match='goes on'):
    gpu_results.main()
  found = json.loads((tmp_path / 'results.json').read_text())['parts']
  assert found['input']['status'] == 'done in 3 s'
  assert found['training']['dives_per_second'] == [31.2]
  assert 'training: not run' in capsys.readouterr().out
