"""Fixtures, and the order in which the tests run."""

import atexit
import contextlib
import gc
import importlib.metadata
import os
import pathlib
import shutil
import signal
import tempfile

# What one test has compiled serves the others, and the processes they start.
# Set before JAX is imported, and in the environment of those processes.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  _cache = tempfile.mkdtemp(prefix='aqa_jax_compiled_')
  atexit.register(shutil.rmtree, _cache, ignore_errors=True)
  os.environ['JAX_COMPILATION_CACHE_DIR'] = _cache
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0.2'

# What a shell starts in the background is deaf to Ctrl-C, and so are the
# programs that it starts, of which some tests are about Ctrl-C.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
  signal.signal(signal.SIGINT, signal.default_int_handler)

# Compiling takes most of the time; XLA's optimizations, most of that. Of its
# two generators of code for CPUs, the older takes half as long. jaxlib 0.11 has
# it no more, and aborts where it is asked for.
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
if importlib.metadata.version('jaxlib').startswith('0.10.'):
  os.environ.setdefault(
    'XLA_FLAGS',
    # A program in parts would compile on several cores, each part with what all
    # of them need; the other core is another test's.
    '--xla_cpu_use_fusion_emitters=false'
    ' --xla_cpu_parallel_codegen_split_count=1',
  )

# Tracing makes many objects, and Python looks through them for cycles after
# every 700: a tenth of the time of a test that compiles.
gc.set_threshold(50_000, 20, 20)

import jax  # noqa: E402

# Before anything asks JAX for its devices.
jax.config.update('jax_num_cpu_devices', 8)

import launch_fakes  # noqa: E402
import ml_collections  # noqa: E402
import pytest  # noqa: E402

from aqa_jax.configs import quickstart  # noqa: E402
from tfds_mtl_aqa import prepare  # noqa: E402

# These start processes or train: after all others, in this order. The longest
# come first, and small pieces last, so that neither of two processes ends long
# before the other.
_LAST = (
  'run_local_processes_test.py',
  'train_test.py',
  'train_devices_test.py',
  'sharding_test.py',
  'parity_test.py',
  'table4_test.py',
  'preemption_test.py',
  'mtl_aqa_real_release_test.py',
  'prepare_test.py',
  'serve_test.py',
  'serve_guard_test.py',
  'serve_process_test.py',
  'serve_browser_test.py',
  'real_dive_test.py',
  'main_test.py',
)


def pytest_collection_modifyitems(items):
  """Puts the slow files last, so that a mistake shows early."""
  names = ('', *_LAST)
  items.sort(
    key=lambda item: (
      names.index(item.path.name) if item.path.name in names else 0
    )
  )


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item):
  """Keeps a file's tests, and what they share, in one process."""
  group = item.path.name
  if group == 'main_test.py':
    return  # They share nothing, and fill the gap that other files leave.
  if group in ('parity_test.py', 'table4_test.py'):
    # The slowest files; their networks share nothing.
    group += '-mscadc' if 'mscadc' in item.name else '-c3davg'
  if {'model_dir', 'tiny_training'} & set(item.fixturenames):
    group = 'judge_test.py'  # They share a model.
  if 'server' in item.fixturenames:
    group = 'serve_test.py'  # They share a server.
  item.add_marker(pytest.mark.xdist_group(group))


def pytest_terminal_summary(terminalreporter):
  """Prints the figures that tests have recorded under 'measured'."""
  for outcome in ('passed', 'failed'):
    for report in terminalreporter.getreports(outcome):
      for name, figure in getattr(report, 'user_properties', ()):
        if name == 'measured' and report.when == 'call':
          terminalreporter.write_line(f'{report.nodeid}: {figure}')


@pytest.fixture(name='tiny_dives', scope='session')
def fixture_tiny_dives(tmp_path_factory) -> pathlib.Path:
  """A data_dir that holds simulated_dives/tiny."""
  data_dir = tmp_path_factory.mktemp('tiny_dives')
  prepare.prepare('simulated_dives/tiny', data_dir=str(data_dir))
  return data_dir


@pytest.fixture(name='tiny_overrides', scope='session')
def fixture_tiny_overrides(tiny_dives) -> dict[str, object]:
  """What turns configs/quickstart.py into a training of seconds."""
  return {
    'seed': 0,
    # Many tests share the programs of one device; what is of several says so.
    'mesh.data': 1,
    # 6 steps: 4 events of 4 dives, less the one held out.
    'duration': '4 epochs',
    'batch_size': 8,
    'eval_batch_size': 8,
    'dataset.name': 'simulated_dives/tiny',
    'dataset.data_dir': str(tiny_dives),
    'test_splits': ('test',),
    'validation.fraction': 0.25,
    'validation.whole_events': True,
    'input.window_frames': 20,
    'input.frames': 12,
    'input.anchor': 'end',
    'input.max_shift': 2,
    'input.crop': 16,
    'model.clips': 2,
    'model.width': 2,
    'model.fc6': 16,
    'model.batch_norm': True,
    'model.caption_length': 24,
    'model.caption_hidden': 16,
    'model.caption_embedding': 8,
    'model.caption_dropout': 0.2,
    'optimizer.name': 'adam',
    'optimizer.warmup': '2 steps',
    # Adam's steps at near-ties would show between devices at a higher one.
    'optimizer.learning_rate': 1e-4,
    # The step's program doesn't depend on the duration, and serves all tests.
    'optimizer.schedule': 'constant',
    'meteor': False,
    'tensorboard': False,
    'log_steps': 1,
    'checkpoint_every': '1 epochs',
    'progress_seconds': 0.0,
  }


@pytest.fixture(name='tiny_config')
def fixture_tiny_config(tiny_overrides) -> ml_collections.ConfigDict:
  """The config of `tiny_overrides`, each test its own."""
  config = quickstart.get_config()
  config.update_from_flattened_dict(tiny_overrides)
  return config


@pytest.fixture(name='tiny_flags', scope='session')
def fixture_tiny_flags(tiny_overrides) -> list[str]:
  """`tiny_overrides` as flags of aqa_jax.main."""
  return [
    '--config=configs/quickstart.py',
    *(f'--config.{name}={value}' for name, value in tiny_overrides.items()),
  ]


@pytest.fixture(name='tiny_training', scope='session')
def fixture_tiny_training(tmp_path_factory, tiny_overrides):
  """The workdir of a training that has one checkpoint, of its first state."""
  from aqa_jax import train  # It takes seconds, and few tests need it.

  config = quickstart.get_config()
  config.update_from_flattened_dict(tiny_overrides)
  workdir = tmp_path_factory.mktemp('trained')
  training = train.set_up(config, workdir)
  with contextlib.closing(training.checkpoints):
    training.state = training.setup.create_state()
    training.checkpoints.save_best(training.state, 0.5)
    train.evaluate_best(training)
    predictions = training.predictions(training.tests['test'])
  return workdir, predictions


@pytest.fixture(name='model_dir', scope='session')
def fixture_model_dir(tiny_training, tmp_path_factory):
  """The model folder that was made of it."""
  from aqa_jax import bundle

  model_dir = tmp_path_factory.mktemp('models') / 'model'
  bundle.main([f'--workdir={tiny_training[0]}', f'--out={model_dir}'])
  return model_dir


@pytest.fixture(name='judge', scope='session')
def fixture_judge(model_dir):
  import aqa_jax

  return aqa_jax.load(model_dir)


@pytest.fixture(name='server', scope='session')
def fixture_server(tmp_path_factory):
  """A server of the page, with the model inside; it must leave nothing."""
  import served

  server = served.Served(tmp_path_factory.mktemp('served'), *served.LIMITS)
  try:
    yield server.wait_until_ready()
  finally:
    code = server.end()
  assert (code, server.folders) == (0, [])
  assert 'Traceback' not in server.errors


@pytest.fixture(name='clips', scope='session')
def fixture_clips(tmp_path_factory):
  """A simulated dive as MP4 and as AVI, and a file that is no video."""
  import served
  import video_test

  folder = tmp_path_factory.mktemp('clips')
  served.write_dive(folder / 'dive.mp4')
  video_test.write_video(
    folder / 'grey.avi', range(20, 220, 2), codec='mjpeg', pix_fmt='yuvj420p'
  )
  (folder / 'text.mp4').write_text('no video')
  return folder


@pytest.fixture(name='machine')
def fixture_machine(tmp_path) -> launch_fakes.Machine:
  """A machine whose programs for clusters only record their calls."""
  return launch_fakes.Machine(tmp_path)
