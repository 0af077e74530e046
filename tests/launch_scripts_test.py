"""The launchers: what they would run, and what they do when training ends."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from launch_fakes import wait_for

ROOT = pathlib.Path(__file__).parents[1]
BIN = os.path.dirname(sys.executable)
TPU = ROOT / 'launch/tpu_vm.sh'
TPU_HOST = ROOT / 'launch/tpu_host.sh'
SLURM = ROOT / 'launch/slurm.sh'
KUBERNETES = ROOT / 'launch/kubernetes.sh'
SLICE = [
  *('--name=dives', '--zone=us-central1-a', '--project=p', '--bucket=gs://b'),
  *('--accelerator_type=v5litepod-16', '--spot'),
]
# What data and fetch need beside folders of this machine.
_DATA = 'data --name=a --zone=z --bucket=gs://b'
_FETCH = 'fetch --run=a --bucket=gs://b --local_dir'
TRAINING = ['--', '--config=configs/c3davg.py', "--config.note=it's a $HOME"]


def _remote(command):
  """Returns the words that a command has a worker run."""
  text = next(w for w in command if w.startswith('--command='))
  return shlex.split(text.removeprefix('--command='))


def test_shellcheck():
  scripts = sorted(map(str, ROOT.glob('launch/*.sh')))
  done = subprocess.run(
    [shutil.which('shellcheck', path=BIN), '-x', *scripts],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
  'subcommand, wanted',
  [
    ('create', ['queued-resources create dives', '--spot', '--node-id=dives']),
    ('install', ['tpu-vm scp', '--worker=all', 'tpu_host.sh install']),
    ('data', ['storage rsync', '--command=aqa_jax/launch/tpu_host.sh data']),
    ('train', ['tpu_host.sh start --run=dives', 'queued-resources delete']),
    ('status', ['queued-resources list', 'tpu-vm list']),
    ('logs', ['tail -n 100 -F aqa_jax_runs/dives/logs/worker_0.log']),
    ('fetch', ['gcloud storage rsync gs://b/runs/dives/workdir', 'mkdir -p']),
    ('delete', ['tpu_host.sh stop', 'queued-resources delete', '--force']),
  ],
)
def test_tpu_dry_runs(machine, subcommand, wanted):
  (machine.folder / 'my data').mkdir()
  flags = ['--upload=my data'] if subcommand == 'data' else []
  commands = machine.dry_run(TPU, subcommand, *SLICE, *flags, *TRAINING)
  text = '\n'.join(map(' '.join, commands))
  for part in wanted:
    assert part in text
  for command in commands:
    if command[:3] == ['gcloud', 'compute', 'tpus']:
      assert {'--zone=us-central1-a', '--project=p', '--quiet'} <= {*command}


def test_values_come_through_every_quoting(machine):
  flags = ['--project=my project', '--create_flag=--labels=a=b c']
  create = machine.dry_run(TPU, 'create', *SLICE, *flags)[0]
  assert '--project=my project' in create
  assert '--runtime-version=v2-alpha-tpuv5-lite' in create
  assert create[-1] == '--labels=a=b c'
  train = machine.dry_run(TPU, 'train', *SLICE, *TRAINING)
  starts = [_remote(c) for c in train if 'start' in ' '.join(c)]
  assert starts == [
    ['aqa_jax/launch/tpu_host.sh', 'start', '--run=dives']
    + ['--remote=gs://b/runs/dives', *TRAINING]
  ]
  (machine.folder / 'my data').mkdir()
  data = machine.dry_run(TPU, 'data', *SLICE, '--upload=my data')[0]
  assert data[3:5] == ['my data', 'gs://b/data']


def test_flagfile(machine):
  machine.write('flags', '# of a slice\n' + '\n'.join([*SLICE, '--run=a']))
  commands = machine.dry_run(TPU, 'fetch', '--flagfile=flags', '--run=b')
  assert commands[0][-1] == 'gs://b/runs/b/complete_steps'


@pytest.mark.parametrize(
  'script, words',
  [
    (TPU, '--help'),
    (TPU, 'create --help'),
    (TPU, 'dance --nmae=a --help -- --config=c'),
    (TPU, 'create --flagfile=none --help'),
    (TPU, 'create --flagfile=asks'),
    (SLURM, '--nodes=0 --help'),
    (KUBERNETES, '--help'),
    (KUBERNETES, 'data --image=i --help'),
    (TPU_HOST, '--help'),
    (TPU_HOST, 'install --help'),
  ],
)
def test_help(machine, script, words):
  machine.write('asks', '--help')
  done = machine.run(script, *words.split())
  assert done.returncode == 0, done.stderr
  head = re.search('#!.*\n((#.*\n)+)', script.read_text())[1]
  assert done.stdout == re.sub('^# ?', '', head, flags=re.M)
  assert not machine.read('calls') + done.stderr


def test_help_after_the_flags_is_of_the_training(machine):
  train = machine.dry_run(TPU, 'train', *SLICE, *TRAINING, '--help')
  assert any(command[-1].endswith(' --help') for command in train)


def test_every_program_has_help():
  scripts = ROOT.glob('launch/*.sh')
  programs = {path for path in scripts if os.access(path, os.X_OK)}
  # Those of test_help; the others are sourced.
  assert programs == {TPU, SLURM, KUBERNETES, TPU_HOST}


@pytest.mark.parametrize(
  'script, words, message',
  [
    (TPU, 'dance', 'unknown subcommand dance'),
    (TPU, 'create --zone=z', '--name is missing'),
    (TPU, 'create --name=a --zone=z', '--accelerator_type is missing'),
    (TPU, 'status --name=Big --zone=z', '--name=Big: give small letters'),
    (TPU, 'status --nmae=a', 'unknown argument --nmae=a'),
    (TPU, 'fetch --run=a --bucket=b', '--bucket=b: give gs://'),
    (TPU, 'install --name=a --zone=z --git_revision=c', '--git_url is missing'),
    (
      TPU,
      'create --name=a --zone=z --accelerator_type=v6e-4 --git_revision=c',
      '--git_url is missing',
    ),
    (TPU, 'fetch --run=a/b --bucket=gs://b', '--run=a/b: give letters'),
    (TPU, 'logs --name=a --zone=z --worker=x', '--worker=x: give a whole'),
    (TPU, 'create --flagfile=none', '--flagfile=none: cannot be read'),
    (TPU, 'create --flagfile=bin', '--flagfile=bin: is a folder; give a file'),
    (TPU, f'{_DATA} --upload=none', '--upload=none: give a folder of this'),
    (TPU, f'{_DATA} --upload=none --dry_run', '--upload=none: give a folder'),
    (TPU, f'{_DATA} --upload=state', '--upload=state: give a folder of this'),
    (TPU, f'{_FETCH}=state/a', '--local_dir=state/a: give a folder that can'),
    (TPU, f'{_FETCH}=state --dry_run', '--local_dir=state: give a folder'),
    (TPU, 'train --name=a --zone=z --bucket=gs://b', '--config is missing'),
    (TPU, 'create --name=a --zone=z --accelerator_type=v9-8', '--runtime_ver'),
    (SLURM, '--nodes=0 -- --config=c', '--nodes=0: give a whole number from 1'),
    (SLURM, '--time=long -- --config=c', '--time=long: give hours'),
    (SLURM, '-- --config=c', '--workdir is missing'),
    (SLURM, '--config=c', 'unknown argument --config=c'),
    (KUBERNETES, 'train -- --config=c', '--image is missing'),
    (KUBERNETES, 'train --image=i', '--config is missing'),
    (KUBERNETES, 'train --image=i --memory=big -- --config=c', '--memory=big:'),
    (KUBERNETES, 'data --image=i', '--data_dir is missing'),
    (KUBERNETES, 'data --image=i --data_dir=none', '--data_dir=none: give a'),
    (KUBERNETES, 'data --image=i --data_dir=none --dry_run', '--data_dir=none'),
    (
      KUBERNETES,
      'fetch --image=i --local_dir=state',
      '--local_dir=state: give',
    ),
    (TPU_HOST, 'dance', 'give a subcommand'),
    (KUBERNETES, 'dance', 'unknown subcommand dance'),
  ],
)
def test_bad_arguments(machine, script, words, message):
  done = machine.run(script, *words.split())
  assert done.returncode == 2
  assert len(done.stderr.splitlines()) == 1
  assert message in done.stderr
  assert not machine.read('calls') + done.stdout


def _host(machine, subcommand, *words):
  # A copy, where no .venv comes before the fakes.
  copy = machine.folder / 'project/launch'
  if not copy.exists():
    shutil.copytree(ROOT / 'launch', copy)
  return machine.run(
    copy / 'tpu_host.sh',
    *(subcommand, '--run=r', '--remote=gs://b/r', *words),
  )


def _train_on_host(machine):
  for subcommand in ('prepare', 'start'):
    done = _host(machine, subcommand, '--', '--config=c')
    assert done.returncode == 0, done.stderr


def _end_on_host(machine):
  """Returns what the training on a host has come to."""
  state = ''

  def has_ended():
    nonlocal state
    state = _host(machine, 'state').stdout
    return not state.startswith('running')

  wait_for(has_ended)
  return state.splitlines()[0]


@pytest.mark.parametrize(
  'plan, end',
  [
    (['75', '75', '0'], 'ended 0'),
    (['75', 'killed', '0'], 'ended 0'),
    (['75', '1'], 'ended 1'),
    (['2'], 'ended 2'),
    # A kill with no checkpoint since the last one leads nowhere.
    (['75', 'killed', 'killed', 'killed'], 'ended 1'),
    (['killed', 'killed', '75', 'killed', 'killed', '0'], 'ended 0'),
  ],
)
def test_restarts_on_a_host(machine, plan, end):
  machine.plan(*plan)
  (machine.folder / 'buckets/b').mkdir(parents=True)
  _train_on_host(machine)
  assert _end_on_host(machine) == end
  assert len(machine.read('starts_0').splitlines()) == len(plan)
  # What is in the bucket is what is on the disk.
  here, there = (
    sorted(p.relative_to(f) for p in f.rglob('*') if p.is_file())
    for f in (
      machine.folder / 'home/aqa_jax_runs/r/workdir',
      machine.folder / 'buckets/b/r/workdir',
    )
  )
  assert here == there


def test_a_host_that_is_told_to_stop_saves(machine):
  machine.plan('75', 'told')
  (machine.folder / 'buckets/b').mkdir(parents=True)
  _train_on_host(machine)
  wait_for(lambda: machine.read('is_waiting'))
  # One training a host.
  _train_on_host(machine)
  assert _host(machine, 'state', '--run=other').stdout.startswith('busy r')
  assert _host(machine, 'stop').returncode == 0
  assert _end_on_host(machine) == 'ended 75'
  assert machine.read('buckets/b/r/complete_steps').splitlines() == [
    'checkpoints/1',
    'checkpoints/2',
  ]


@pytest.fixture(name='run')
def fixture_run(machine):
  """Runs a subcommand of tpu_vm.sh for a slice that is ready to train."""
  project = machine.folder / 'project'
  shutil.copytree(ROOT / 'launch', project / 'launch')
  (project / '.gitignore').write_text('ignored\n')
  (project / 'ignored').touch()
  subprocess.run(['git', 'init', '--quiet', project], check=True)
  (machine.folder / 'buckets/b/data').mkdir(parents=True)
  machine.write('buckets/b/data/dives', 'dives')

  def run(subcommand, *words, code=0):
    done = machine.run(
      project / 'launch/tpu_vm.sh',
      *(subcommand, *SLICE, '--poll_seconds=0', *words),
      ENDPOINTS='a:0:10.0.0.1,b:1:10.0.0.2',
    )
    assert done.returncode == code, done.stderr
    return done

  for subcommand in ('create', 'install', 'data'):
    run(subcommand)
  return run


def test_a_slice_that_is_preempted(machine, run):
  machine.plan('75', 'killed,late_1', 'preempted', '0')
  assert (machine.folder / 'home_1/aqa_jax_data/dives').exists()
  assert not (machine.folder / 'home_1/aqa_jax/ignored').exists()
  done = run('train', *TRAINING)
  assert 'PREEMPTED' in done.stderr and 'the training is done' in done.stderr
  for worker in '01':
    starts = machine.read(f'starts_{worker}').splitlines()
    assert len(starts) == 4
    assert all(f'--multi_host --workdir={machine.folder}' in s for s in starts)
  # The last alone was on another slice.
  found = machine.read('starts_0.found').splitlines()
  assert found == ['', '1', '1', '1 3']
  assert machine.read('exports').count('10.0.0.2(rw') == 1
  assert machine.read('calls').count('queued-resources create') == 2
  assert 'ended 0' in run('status').stdout
  run('fetch', '--local_dir=fetched')
  assert machine.read('fetched/workdir/checkpoints/3/state') == 'whole\n'
  assert 'starting again' in machine.read('fetched/logs/worker_0.log')
  run('delete')
  assert machine.read('state') == 'ABSENT\n'


def test_what_can_not_be_asked_for_is_not_deleted(machine, run):
  """A training may run there, which could not be told to save."""
  machine.write('state', 'UNREACHABLE\n')
  done = run('delete', code=1)
  assert 'could not answer, so nothing is deleted' in done.stderr
  assert 'gcloud compute tpus queued-resources delete dives' in done.stderr
  assert 'queued-resources delete' not in machine.read('calls')
  assert machine.read('state') == 'UNREACHABLE\n'


@pytest.mark.parametrize('state', ['UNKNOWN', 'REPAIRING'])
def test_a_slice_that_nothing_runs_on_is_deleted(machine, run, state):
  """UNKNOWN is what Google says of a node whose repair has failed."""
  machine.write('state', f'{state}\n')
  done = run('delete')
  assert f'the slice is {state}: no training there' in done.stderr
  assert machine.read('state') == 'ABSENT\n'


def test_what_is_left_is_listed_where_a_slice_is_gone_already(machine, run):
  machine.write('state', 'ABSENT\n')
  run('delete', code=1)
  listed = machine.read('calls').split('queued-resources delete')[-1]
  assert 'queued-resources list' in listed and 'tpu-vm list' in listed


@pytest.mark.parametrize('end, is_deleted', [('0', True), ('offline', False)])
def test_delete_when_done(machine, run, end, is_deleted):
  machine.plan(end)
  done = run('train', '--delete_when_done', *TRAINING)
  assert ('is not in the bucket' in done.stderr) != is_deleted
  assert (machine.read('state') == 'ABSENT\n') == is_deleted


@pytest.mark.parametrize(
  'state, message',
  [
    ('ABSENT', 'create it first'),
    ('PREEMPTED', 'no --spot slice'),
    ('', 'gcloud could not answer'),
  ],
)
def test_train_makes_no_slice_unasked(machine, state, message):
  machine.write('state', state)
  flags = [flag for flag in SLICE if flag != '--spot']
  done = machine.run(TPU, 'train', *flags, *TRAINING)
  assert done.returncode == 1
  assert message in done.stderr
  assert 'create dives' not in machine.read('calls')


def test_half_a_checkpoint_is_not_fetched(machine):
  folder = machine.folder / 'buckets/b/runs/r'
  for step in ('best/4', 'checkpoints/4', 'checkpoints/5'):
    (folder / 'workdir' / step).mkdir(parents=True)
    (folder / 'workdir' / step / 'state').touch()
  (folder / 'workdir/config.json').touch()
  (folder / 'complete_steps').write_text('checkpoints/4\nbest/4\n')
  done = machine.run(TPU, 'fetch', '--bucket=gs://b', '--run=r')
  assert done.returncode == 0, done.stderr
  fetched = machine.folder / 'workdir/r/workdir'
  files = {path for path in fetched.rglob('*') if path.is_file()}
  names = ('config.json', 'best/4/state', 'checkpoints/4/state')
  assert files == {fetched / name for name in names}
  done = machine.run(TPU, 'fetch', '--bucket=gs://b', '--run=other')
  assert done.returncode == 1 and 'there is no such run' in done.stderr


def test_commands_of_the_documentation(machine):
  text = (ROOT / 'docs/launch.md').read_text().replace('\\\n', '')
  files = re.findall(r'`(\w+\.flags)`:\n\n *```text\n(.*?)```', text, re.S)
  for name, flags in files:
    machine.write(name, flags.replace('   ', ''))
  assert len(files) == 2
  commands = re.findall(r'^ *(launch/.*)$', text, re.M)
  assert len(commands) == 15
  (machine.folder / 'data').mkdir()
  for command in commands:
    script, *words = shlex.split(command)
    if script == 'launch/slurm.sh':
      words.insert(0, '--dry_run')
    machine.dry_run(ROOT / script, *words)
