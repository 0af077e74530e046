"""What is installed is whole, runs from any folder, and starts fast."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Each takes a second of processor time or more to import.
_HEAVY = ('cv2', 'grain', 'jax', 'matplotlib', 'onnx', 'tensorflow_datasets')
_PREPARE = ('tfds_mtl_aqa.prepare', 'mtl_aqa')


@pytest.fixture(name='installed', scope='module')
def fixture_installed(tmp_path_factory):
  """A folder that a built wheel is installed into, without what it needs."""
  folder = tmp_path_factory.mktemp('installed')
  # A copy: building leaves files behind.
  source = folder / 'source'
  source.mkdir()
  for name in ('aqa_jax', 'configs', 'tfds_mtl_aqa'):
    shutil.copytree(ROOT / name, source / name, symlinks=True)
  for name in ('LICENSE', 'README.md', 'pyproject.toml'):
    shutil.copy(ROOT / name, source)
  pip = [sys.executable, '-m', 'pip', '--quiet']
  subprocess.run(
    [*pip, 'wheel', '--no-deps', '--no-build-isolation', str(source)]
    + [f'--wheel-dir={folder}'],
    check=True,
    capture_output=True,
  )
  (wheel,) = folder.glob('*.whl')
  site = folder / 'site'
  subprocess.run(
    [*pip, 'install', '--no-deps', '--no-compile', f'--target={site}', wheel],
    check=True,
    capture_output=True,
  )
  return site


def _run(folder, site, *command):
  return subprocess.run(
    [sys.executable, *command],
    cwd=folder,
    env=os.environ | {'PYTHONPATH': str(site), 'PYTHONSAFEPATH': '1'},
    capture_output=True,
    text=True,
    check=False,
  )


def test_a_wheel_runs_from_another_folder(installed, tmp_path):
  place = _run(tmp_path, installed, '-c', 'import aqa_jax; print(aqa_jax)')
  assert str(installed) in place.stdout
  done = _run(
    tmp_path,
    installed,
    *('-m', 'aqa_jax.main', '--mode=compile', '--topology=cpu:1'),
    *('--config=quickstart_mscadc', '--config.tasks=score'),
    *('--config.model.width=1', '--config.model.head_channels=1'),
  )
  assert done.returncode == 0, done.stderr
  assert 'The step of training compiles' in done.stdout
  # Templates and texts are there too.
  for name in (
    'aqa_jax/report/templates/report.html',
    'aqa_jax/configs/official/c3davg.py',
    'aqa_jax/judging/kinetics_400.txt',
    'aqa_jax/serving/page/index.html',
    'tfds_mtl_aqa/mit_dive/CITATIONS.bib',
    'tfds_mtl_aqa/mtl_aqa/checksums.tsv',
    'tfds_mtl_aqa/unlv_dive/README.md',
  ):
    assert (installed / name).is_file()
  assert not (installed / 'benchmarks').exists()
  assert not (installed / 'configs').exists()


@pytest.mark.parametrize(
  'name', ['c3davg', 'configs/c3davg.py', 'official/mscadc']
)
def test_configs_are_found_from_any_folder(tmp_path, name):
  done = _run(
    tmp_path, ROOT, '-m', 'aqa_jax.main', f'--config={name}', '--config.x=1'
  )
  # The config was read: it has no such field.
  assert 'no such field: x' in done.stderr


def test_a_config_of_the_users_own_comes_first(tmp_path):
  (tmp_path / 'c3davg.py').write_text('def get_config():\n  return 1 / 0\n')
  done = _run(tmp_path, ROOT, '-m', 'aqa_jax.main', '--config=c3davg.py')
  assert 'ZeroDivisionError' in done.stderr


@pytest.mark.parametrize(
  'command, code',
  [
    (['-c', 'import aqa_jax'], 0),
    (['-c', 'import tfds_mtl_aqa.labels'], 0),
    (['-m', 'aqa_jax.main', '--help'], 1),  # absl's own code.
    (['-m', 'aqa_jax.main', '--nope=1'], 2),
    (['-m', 'aqa_jax.main', '--config=nope', '--workdir=x'], 2),
    (['-m', 'aqa_jax.main', '--config=c3davg', '--config.x=1'], 2),
    (['-m', 'aqa_jax.main', '--config=c3davg'], 2),
    (['-m', 'aqa_jax.export', '--help'], 0),
    (['-m', 'aqa_jax.export', '--format=onnx', '--out=/no/such.onnx'], 2),
    (['-m', 'aqa_jax.bundle', '--workdir=x', '--out='], 2),
    (['-m', 'aqa_jax.judge', '--help'], 0),
    (['-m', 'aqa_jax.judge', 'a.mp4', '--annotated=/no/such.mp4'], 2),
    (['-m', 'aqa_jax.paper', '--help'], 0),
    (['-m', 'aqa_jax.paper', '--table=4', '--seed=5', '--workdir=x'], 2),
    (['-m', 'aqa_jax.serve', '--help'], 0),
    (['-m', 'aqa_jax.serve', '--port=x'], 2),
    (['-m', 'aqa_jax.weights', '--help'], 0),
    (['-m', 'aqa_jax.weights', 'show', '/no/such'], 2),
    (['-m', 'tfds_mtl_aqa.prepare', '--help'], 1),
    (['-m', 'tfds_mtl_aqa.prepare', 'mtl_aqua'], 2),
    (['-m', *_PREPARE, '--manual_dir=/no/such'], 2),
  ],
  ids=lambda value: ' '.join(value[-2:]) if isinstance(value, list) else '',
)
def test_nothing_heavy_is_imported_to_say_no(tmp_path, command, code):
  done = _run(tmp_path, ROOT, '-X', 'importtime', *command)
  assert done.returncode == code, done.stderr
  imported = {
    line.rpartition('|')[2].strip().partition('.')[0]
    for line in done.stderr.splitlines()
    if line.startswith('import time:')
  }
  assert imported & {'aqa_jax', 'tfds_mtl_aqa'}
  assert not imported & set(_HEAVY)


def test_who_judges_does_not_wait_for_scipy(tmp_path):
  """Half a second, and 500 files."""
  code = (
    'import sys, aqa_jax; aqa_jax.load(); assert "jax" in sys.modules; '
    'assert "scipy" not in sys.modules'
  )
  done = _run(tmp_path, ROOT, '-c', code)
  assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
  'first, then',
  [
    ('tensorflow_datasets', 'tfds_mtl_aqa'),
    ('tfds_mtl_aqa', 'tensorflow_datasets'),
    ('tfds_mtl_aqa.prepare', 'tensorflow_datasets'),
  ],
)
def test_importing_the_package_registers_its_datasets(first, then):
  code = (
    f'import {first}, {then}, tensorflow_datasets as tfds; '
    # Those of the community would be looked for in the network.
    'names = tfds.list_builders(with_community_datasets=False); '
    "assert {'mtl_aqa', 'simulated_dives', 'simulated_vaults'} <= set(names)"
  )
  done = _run(ROOT, ROOT, '-c', code)
  assert done.returncode == 0, done.stderr
