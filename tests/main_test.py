"""The command line: what the user gets wrong ends in one line and code 2."""

import importlib.util
import os
import pathlib
import pkgutil
import runpy
import shutil
import signal
import subprocess
import sys

import forked_main
import jax
import ml_collections
import pytest

import aqa_jax
import tfds_mtl_aqa
from aqa_jax.workdir import check_can_be_made, check_workdir
from tfds_mtl_aqa.input_error import InputError

ROOT = pathlib.Path(__file__).parents[1]
_MODULES = sorted(
  module.name
  for package in (aqa_jax, tfds_mtl_aqa)
  for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.')
  # Their flags and those of tfds_mtl_aqa.prepare are of two programs; the tests
  # below start them.
  if module.name not in ('aqa_jax.main', 'aqa_jax.distributed')
)
_CONFIGS = sorted((ROOT / 'configs').rglob('*.py'))


@pytest.fixture(name='run')
def fixture_run(tmp_path_factory):
  """Runs the program with some arguments."""
  output = tmp_path_factory.mktemp('output')
  return lambda *flags: forked_main.run([*map(str, flags)], ROOT, output)


def _assert_refused(done, *messages):
  assert done.returncode == 2, done.stderr
  assert 'Traceback' not in done.stderr
  (line,) = done.stderr.splitlines()
  assert line.startswith('aqa_jax: ')
  for message in messages:
    assert message in line


@pytest.mark.parametrize('name', _MODULES)
def test_every_module_imports(name):
  importlib.import_module(name)


@pytest.mark.parametrize(
  'path', _CONFIGS, ids=lambda p: f'{p.parent.name}-{p.stem}'
)
def test_every_config_builds_and_is_locked(path):
  config = runpy.run_path(str(path))['get_config']()
  assert isinstance(config, ml_collections.ConfigDict)
  with pytest.raises(AttributeError):
    config.no_such_field = 1
  with pytest.raises(AttributeError):
    (config.model if 'model' in config else config.dataset).no_such_field = 1
  if config.get('network') not in ('c3davg', 'mscadc', 'segment_c3d', 'i3d'):
    return
  # It has the fields of the paper's, and of the same types.
  paper = runpy.run_path(str(ROOT / f'configs/{config.network}.py'))
  wanted, found = _types(paper['get_config']()), _types(config)
  if 'commentary' in config.tasks and config.network != 'i3d':
    # And those of a decoder that the paper does not have.
    added = {
      jax.tree_util.keystr(field, simple=True, separator='.')
      for field, _ in set(found) - set(wanted)
    }
    names = ('layers', 'heads', 'beams', 'maps')
    assert added == {
      'loss_weights.faults',
      'loss_weights.commentary',
      *(f'model.caption_{name}' for name in names),
    }
    found = [entry for entry in found if entry in wanted]
  assert found == wanted


def _types(config):
  leaves = jax.tree_util.tree_leaves_with_path(
    config.to_dict(), is_leaf=lambda value: isinstance(value, tuple)
  )
  return [(path, type(value)) for path, value in leaves]


@pytest.mark.parametrize('network', ['c3davg', 'mscadc'])
def test_official_configs_set_every_switch(network):
  """What facts about the official code say, and nothing else."""
  folder = ROOT / 'configs'
  ours, official = (
    dict(
      jax.tree_util.tree_leaves_with_path(
        runpy.run_path(str(path))['get_config']().to_dict(),
        is_leaf=lambda value: isinstance(value, tuple),
      )
    )
    for path in (
      folder / f'{network}.py',
      folder / 'official' / f'{network}.py',
    )
  )
  changed = {
    '.'.join(key.key for key in path): official[path]
    for path in official
    if official[path] != ours[path]
  }
  expected = {
    'dataset.name': 'mtl_aqa/clips_native',
    'dataset.vocabulary_size': 5779,
    'select_on': 'test',
    'input.interpolation': 'random',
    'model.caption_dropout': 0.5,
  }
  if network == 'c3davg':
    expected |= {'input.resize': (171, 128), 'input.anchor': 'start'}
  else:
    expected |= {'input.resize': (640, 360), 'input.resize_evaluation': False}
  assert changed == expected


@pytest.mark.parametrize(
  'arguments, messages',
  [
    (['--workdir=x'], ['--config is missing']),
    (['--config=configs/quickstart.py'], ['--workdir is missing']),
    (['--config=configs/no_such.py', '--workdir=x'], ['configs/no_such.py']),
    (['--config=pyproject.toml', '--workdir=x'], ['pyproject.toml']),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--config.seeed=1'],
      ['seeed'],
    ),
    (
      [
        '--config=configs/quickstart.py',
        '--workdir=x',
        '--config.model.width=wide',
      ],
      ['--config.model.width=wide: give a whole number.'],
    ),
    (
      [
        '--config=configs/quickstart.py',
        '--workdir=x',
        '--config.loss_weights.score=high',
      ],
      ['--config.loss_weights.score=high: give a number.'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--config.remat=maybe'],
      ['--config.remat=maybe: give True or False.'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--mode=test'],
      ['mode', 'train'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', 'eval'],
      ["unknown argument 'eval'"],
    ),
    (['--no_such_flag=1'], ['no_such_flag']),
    (
      ['--config=configs/no_such.py', '--workdir=x', '--config.seed=1'],
      ['configs/no_such.py is no config that can be read'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir='],
      ['--workdir is missing'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--num_processes=2'],
      ['--num_processes=2: give all of'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--num_processes=2']
      + ['--coordinator_address=localhost:9', '--process_id=2'],
      ['--process_id=2: give 0 to --num_processes=2, less one.'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--num_processes=2']
      + ['--process_id=1', '--coordinator_address=localhost'],
      ['--coordinator_address=localhost: give host:port'],
    ),
    (
      ['--config=configs/quickstart.py', '--mode=benchmark']
      + ['--topology=cpu:8'],
      ['--topology=cpu:8 is for --mode=compile'],
    ),
    (
      ['--config=c3d_lstm', '--mode=compile'],
      ['--mode=compile: is for networks that see videos', 'give --mode=train'],
    ),
    (
      ['--config=configs/quickstart.py', '--mode=compile', '--multi_host'],
      ['--multi_host is for training and evaluation; --mode=compile runs in'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--num_processes=1']
      + ['--process_id=0', '--coordinator_address=localhost:99999'],
      ['--coordinator_address=localhost:99999: give host:port'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--num_processes=0']
      + ['--process_id=0', '--coordinator_address=localhost:9'],
      ['--num_processes=0: give 1 or more'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=x', '--multi_host'],
      ['--multi_host: neither a TPU slice nor a SLURM job is found here'],
    ),
    (
      ['--config=configs/quickstart.py', '--workdir=gs://bucket/run'],
      ['--workdir=gs://bucket/run: give a local or mounted folder'],
    ),
  ],
  ids=lambda value: ' '.join(value[-1:]),
)
def test_flags_that_are_wrong(run, arguments, messages):
  _assert_refused(run(*arguments), *messages)
  assert not (ROOT / 'x').exists() and not (ROOT / 'gs:').exists()


@pytest.mark.parametrize(
  'flag, message',
  [
    ('--config.dataset.data_dir={tmp}', 'python -m tfds_mtl_aqa.prepare'),
    ('--config.dataset.name=simulated_dive/tiny', 'is no dataset'),
    ('--config.batch_size=0', 'config.batch_size=0'),
    ('--config.mesh.data=99', 'config.mesh.data=99'),
    ('--config.mesh.data=0', 'config.mesh.data=0: give 1 or more, or -1'),
    (
      '--config.duration=1e-9 epochs',
      "duration='1e-9 epochs': that is 0 steps",
    ),
    ('--config.init_from=README.md', 'config.init_from: README.md'),
    ('--config.tasks=score,captoins', "config.tasks='score,captoins'"),
    ('--config.input.crop=25', 'config.input.crop=25'),
    ('--config.validation.fraction=0.01', 'config.validation.fraction=0.01'),
    ("--config.test_splits=('tests',)", 'config.test_splits: '),
    ('--config.dataset.train_split=trian', 'config.dataset.train_split: '),
    ('--config.input.frames=0', 'config.input.frames=0: give 1 or more'),
    ('--config.optimizer.schedule=linear', "schedule='linear'"),
  ],
)
def test_configs_that_do_not_fit(run, tmp_path, tiny_flags, flag, message):
  workdir = tmp_path / 'workdir'
  done = run(
    *tiny_flags, f'--workdir={workdir}', flag.format(tmp=tmp_path / 'empty')
  )
  _assert_refused(done, message)
  # What was refused leaves no trace.
  assert not workdir.exists()


def test_a_typo_is_shown_without_the_other_flags(run, tmp_path, tiny_flags):
  done = run(*tiny_flags, f'--workdir={tmp_path}', '--config.bacth_size=3')
  _assert_refused(
    done,
    "no such field: 'bacth_size'; did you mean 'batch_size'? (in --config.b",
  )
  assert '--config.seed' not in done.stderr


@pytest.mark.parametrize('flag', ['--config.remat=2', '--nope=1'])
def test_a_flag_that_is_named_is_told_alone(run, tmp_path, tiny_flags, flag):
  done = run(*tiny_flags, f'--workdir={tmp_path}', flag)
  _assert_refused(done, flag.removeprefix('--').split('=')[0])
  assert '(in' not in done.stderr


def test_a_damaged_record(run, tmp_path, tiny_dives, tiny_flags):
  shutil.copytree(tiny_dives, tmp_path / 'data')
  (path,) = (tmp_path / 'data').rglob('*-train.array_record*')
  content = bytearray(path.read_bytes())
  place = len(content) // 2
  content[place : place + 50] = bytes(50)
  path.write_bytes(content)
  done = run(
    *tiny_flags,
    f'--workdir={tmp_path / "workdir"}',
    f'--config.dataset.data_dir={tmp_path / "data"}',
  )
  _assert_refused(
    done, str(path.parent), 'train, record ', 'prepare the dataset again'
  )


def test_a_batch_that_can_not_be_spread(run, tmp_path, tiny_flags, monkeypatch):
  monkeypatch.setenv('XLA_FLAGS', '--xla_force_host_platform_device_count=3')
  # Adds to these flags; XLA ends a process that gives one it does not know.
  done = run(
    *tiny_flags,
    f'--workdir={tmp_path}',
    '--config.mesh.data=-1',
    '--config.deterministic=True',
  )
  _assert_refused(
    done,
    'config.batch_size=8 can not be spread over config.mesh.data=3',
    'a multiple of 3',
  )


@pytest.mark.parametrize(
  'mode, platform',
  [('train', 'cuda'), ('benchmark', 'nonsense'), ('compile', 'cuda')],
)
def test_a_platform_that_is_not_here(tmp_path, mode, platform):
  if platform == 'cuda' and importlib.util.find_spec('jax_cuda12_plugin'):
    pytest.skip('JAX for CUDA is installed')
  done = subprocess.run(
    [sys.executable, '-m', 'aqa_jax.main', '--config=configs/quickstart.py']
    + [f'--mode={mode}', f'--workdir={tmp_path / "workdir"}'],
    cwd=ROOT,
    # JAX reads it at its import.
    env=dict(os.environ, JAX_PLATFORMS=platform),
    capture_output=True,
    text=True,
    check=False,
  )
  _assert_refused(done, f'JAX_PLATFORMS={platform}: ')


def test_a_workdir_of_another_config(run, tmp_path, tiny_config, tiny_flags):
  with tiny_config.unlocked():
    tiny_config.model.width = 3
  check_workdir(tmp_path, tiny_config.to_dict())
  (tmp_path / 'checkpoints/2').mkdir(parents=True)
  done = run(*tiny_flags, f'--workdir={tmp_path}')
  _assert_refused(done, 'model.width: 3 there, 2 now')


def test_a_workdir_that_is_a_file(run, tmp_path, tiny_flags):
  path = tmp_path / 'file'
  path.write_text('mine')
  _assert_refused(run(*tiny_flags, f'--workdir={path}'), f'--workdir={path}')
  assert path.read_text() == 'mine'


@pytest.mark.parametrize('below', ['', 'x', 'x/y'])
def test_a_workdir_below_a_file(run, tmp_path, below):
  path = tmp_path / 'a file'
  path.write_text('mine')
  # It is told first: to read and to compile a trunk of features takes long.
  done = run('--config=linear_probe', f'--workdir={path / below}')
  _assert_refused(done, f'--workdir={path / below}: ', 'give a folder that can')
  assert path.read_text() == 'mine'


def test_a_workdir_that_can_be_made(tmp_path):
  check_can_be_made(tmp_path)
  check_can_be_made(tmp_path / 'with space' / 'run')
  assert not list(tmp_path.iterdir())
  with pytest.raises(InputError, match='File name too long; give a folder'):
    check_can_be_made(tmp_path / ('x' * 300))


def test_a_damaged_config(run, tmp_path, tiny_flags):
  (tmp_path / 'config.json').write_text('{"seed": ')
  done = run(*tiny_flags, f'--workdir={tmp_path}')
  _assert_refused(done, 'config.json', 'damaged')


def test_evaluating_what_was_never_trained(run, tmp_path, tiny_flags):
  done = run(*tiny_flags, f'--workdir={tmp_path}', '--mode=eval')
  _assert_refused(done, 'holds no training')


def test_evaluating_a_training_whose_config_is_lost(run, tmp_path, tiny_flags):
  (tmp_path / 'best/4').mkdir(parents=True)
  done = run(*tiny_flags, f'--workdir={tmp_path}', '--mode=eval')
  # The checkpoint here is empty: what counts is that it was looked at.
  _assert_refused(done, 'best/4')
  assert 'holds no training' not in done.stderr


def test_modules_beside_a_config(run, tmp_path):
  (tmp_path / 'my_batches.py').write_text('SIZE = -3')
  (tmp_path / 'my_config.py').write_text(
    'import my_batches\n'
    'from aqa_jax.configs import quickstart\n'
    'def get_config():\n'
    '  config = quickstart.get_config()\n'
    '  config.batch_size = my_batches.SIZE\n'
    '  return config\n'
  )
  done = run(f'--config={tmp_path}/my_config.py', f'--workdir={tmp_path}/run')
  _assert_refused(done, 'batch_size', '-3')


@pytest.mark.parametrize(
  'source, message',
  [
    ('seed = 0\n', 'has no function get_config()'),
    ('def get_config():\n  return {"seed": 0}\n', 'returns a dict'),
    ('def get_config():\n  return None\n', 'returns a NoneType'),
    (
      'import ml_collections\n\n\ndef get_config():\n'
      '  return ml_collections.ConfigDict({"tasks": "score"})\n',
      'begin with a whole config',
    ),
    ('import no_such_module\n', "No module named 'no_such_module'"),
    ('def get_config():\n  return 1 / 0\n', 'ZeroDivisionError'),
    ('def get_config():\n  return x\n', "NameError: name 'x'"),
    ('def get_config(:\n', 'line 1: no Python'),
  ],
  ids=lambda value: value[-30:],
)
def test_config_files_that_are_none(run, tmp_path, source, message):
  path = tmp_path / 'mine.py'
  path.write_text(source)
  done = run(f'--config={path}', f'--workdir={tmp_path / "workdir"}')
  _assert_refused(done, str(path), message)
  assert not (tmp_path / 'workdir').exists()


def test_actions_with_a_config_of_dives(run, tmp_path, tiny_flags):
  done = run(*tiny_flags, f'--workdir={tmp_path}', '--config.tasks=actions')
  _assert_refused(done, "config.tasks='actions'", 'configs/pretrain_ucf101.py')


def test_a_workdir_below_home(run, tmp_path, tiny_flags, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'run').write_text('a file')
  done = run(*tiny_flags, '--workdir=~/run')
  _assert_refused(done, f'--workdir={tmp_path / "run"}')


def test_the_backend_of_a_notebook(tmp_path):
  """Its module is in the notebook's environment alone."""
  done = subprocess.run(
    [sys.executable, '-c', 'import aqa_jax.report.report'],
    cwd=ROOT,
    env=os.environ | {'MPLBACKEND': 'module://matplotlib_inline.backend'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr


def test_an_interrupt_while_the_step_compiles(tmp_path, tiny_flags):
  process = subprocess.Popen(
    [sys.executable, '-m', 'aqa_jax.main', *tiny_flags]
    + [f'--workdir={tmp_path / "workdir"}'],
    cwd=ROOT,
    # Nothing compiled may be at hand.
    env=os.environ | {'JAX_COMPILATION_CACHE_DIR': str(tmp_path / 'cache')},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  for line in process.stdout:
    if 'The first step compiles' in line:
      break
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate()
  assert process.returncode == 130, errors
  assert 'interrupted' in errors and 'Traceback' not in errors
