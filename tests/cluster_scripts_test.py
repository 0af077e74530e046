"""The launchers under SLURM and on Kubernetes; see launch_scripts_test."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
import yaml
from launch_fakes import wait_for

ROOT = pathlib.Path(__file__).parents[1]
SLURM = ROOT / 'launch/slurm.sh'
KUBERNETES = ROOT / 'launch/kubernetes.sh'
TRAINING = ['--', '--config=configs/c3davg.py', "--config.note=it's a $HOME"]


def test_slurm_dry_run(machine):
  flags = '--dry_run --nodes=2 --gpus_per_node=4 --sbatch_flag=--partition=g'
  training = ['--', '--config=c', '--workdir=/shared/my runs', '--config.a=$b']
  submit, *rest = machine.dry_run(SLURM, *flags.split(), *training)
  assert submit[0] == 'sbatch'
  options = submit[1 : submit.index(str(SLURM))]
  assert {'--nodes=2', '--ntasks-per-node=4', '--gpus-per-node=4'} <= {*options}
  assert {'--requeue', '--signal=TERM@120', '--partition=g'} <= {*options}
  assert submit[-4:] == training
  assert '--dry_run' not in submit
  srun = next(command for command in rest if command[0] == 'srun')
  assert {'--nodes=2', '--ntasks-per-node=4', '--kill-on-bad-exit=0'} <= {*srun}
  assert srun[-4:] == ['--multi_host', *training[1:]]
  assert rest[-1][:2] == ['scontrol', 'requeue']
  # What the script asks for when it is given to sbatch itself.
  header = re.findall(r'^#SBATCH (.*)$', SLURM.read_text(), re.M)
  assert {'--requeue', '--signal=TERM@120'} <= {*header} & {*options}

  flags += ' --one_process_a_node'
  one = machine.dry_run(SLURM, *flags.split(), *training)
  assert '--ntasks-per-node=1' in one[0]
  assert ['export', 'JAX_LOCAL_DEVICE_IDS=0,1,2,3'] in one


def _slurm_job(machine, **environment):
  words = '--gpus_per_node=2 --python=python -- --config=c --workdir=work'
  return subprocess.Popen(
    [SLURM, *words.split()],
    env=machine.environment | {'SLURM_JOB_ID': '7'} | environment,
    cwd=machine.folder,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
  )


@pytest.fixture(name='in_project')
def fixture_in_project(machine, monkeypatch):
  """SLURM runs the script in the project's folder; here, a copy of it."""
  shutil.copytree(ROOT / 'launch', machine.folder / 'launch')
  monkeypatch.setitem(globals(), 'SLURM', machine.folder / 'launch/slurm.sh')


@pytest.mark.usefixtures('in_project')
@pytest.mark.parametrize(
  'end, code, is_queued',
  [
    ('0', 0, False),
    ('75', 0, True),
    ('killed', 0, True),
    ('1', 1, False),
    ('2', 2, False),
    # The process that ended first is the reason.
    ('killed,late_1', 0, True),
    ('1,late_killed', 1, False),
  ],
)
def test_slurm_queues_again(machine, end, code, is_queued):
  machine.plan(end)
  job = _slurm_job(machine)
  job.communicate(timeout=60)
  assert job.returncode == code
  assert ('scontrol requeue 7' in machine.read('calls')) == is_queued


@pytest.mark.usefixtures('in_project')
def test_slurm_gives_up_on_kills_without_progress(machine):
  machine.plan('killed', 'killed', 'killed')
  for start, code in enumerate([0, 0, 1]):
    job = _slurm_job(machine, SLURM_RESTART_COUNT=str(start))
    job.communicate(timeout=60)
    assert job.returncode == code
  assert machine.read('calls').count('scontrol requeue') == 2


@pytest.mark.usefixtures('in_project')
@pytest.mark.parametrize('is_cancelled', [False, True])
def test_slurm_limit_and_scancel(machine, is_cancelled):
  machine.plan('told,75')
  job = _slurm_job(machine)
  wait_for(lambda: machine.read('is_waiting').strip())
  if is_cancelled:
    job.send_signal(signal.SIGTERM)
  os.kill(int(machine.read('is_waiting')), signal.SIGTERM)
  job.communicate(timeout=60)
  assert job.returncode == (75 if is_cancelled else 0)
  assert ('scontrol requeue' in machine.read('calls')) != is_cancelled
  assert (machine.folder / 'work/checkpoints/1/state').exists()


@pytest.mark.parametrize('nodes', [1, 2])
def test_kubernetes_train(machine, nodes):
  words = ['--config=c', '--config.note=it\'s "$(A)" \\ & __NAME__']
  flags = ['--image=i:1', f'--nodes={nodes}', '--gpus_per_node=4', '--name=a']
  done = machine.run(KUBERNETES, 'train', *flags, '--', *words)
  assert done.returncode == 0, done.stderr
  assert 'kubectl apply --selector=part!=files' in machine.read('calls')
  text = machine.read('applied')
  claim, files, service, job = yaml.safe_load_all(text)
  assert [part['kind'] for part in (claim, files, service, job)] == [
    *('PersistentVolumeClaim', 'Pod', 'Service', 'Job')
  ]
  assert not re.search('__[A-Z_]+__', text.replace(words[1][-8:], ''))
  assert claim['spec']['accessModes'] == [
    'ReadWriteOnce' if nodes == 1 else 'ReadWriteMany'
  ]
  assert 'storageClassName' not in claim['spec']
  spec = job['spec']
  assert spec['completionMode'] == 'Indexed'
  assert spec['completions'] == spec['parallelism'] == nodes
  pod = spec['template']['spec']
  (container,) = pod['containers']
  assert container['image'] == files['spec']['containers'][0]['image'] == 'i:1'
  assert container['resources']['limits']['nvidia.com/gpu'] == 4
  command = container['command'][2]
  port = service['spec']['ports'][0]['port']
  assert f'--coordinator_address=a-0.a:{port} ' in command
  assert f'--num_processes={nodes} ' in command
  assert container['ports'][0]['containerPort'] == port
  assert pod['subdomain'] == service['metadata']['name'] == 'a'
  assert service['spec']['clusterIP'] == 'None'
  labels = spec['template']['metadata']['labels']
  assert service['spec']['selector'].items() <= labels.items()
  for volumes in (pod['volumes'], files['spec']['volumes']):
    used = volumes[0]['persistentVolumeClaim']['claimName']
    assert used == claim['metadata']['name']
  # Kubernetes makes one $ of two.
  arguments = [argument.replace('$$', '$') for argument in container['args']]
  assert arguments[2:] == words
  # What the shell in the pod makes of it.
  shell = ['bash', '-c', command.replace('exec python', 'printf "%s\\n"')]
  done = machine.run(*shell, 'aqa_jax', *arguments, JOB_COMPLETION_INDEX='1')
  assert done.stdout.splitlines()[-5:] == ['--process_id=1', *arguments]


def test_kubernetes_failure_policy(machine):
  def policy(nodes):
    flags = ['--image=i', f'--nodes={nodes}', '--', '--config=c']
    machine.run(KUBERNETES, 'train', *flags)
    spec = list(yaml.safe_load_all(machine.read('applied')))[-1]['spec']
    assert spec['template']['spec']['restartPolicy'] == 'Never'
    names = {c['name'] for c in spec['template']['spec']['containers']}
    rules = spec['podFailurePolicy']['rules']
    disruption, preempted, final = rules
    assert disruption['action'] == preempted['action'] == 'Ignore'
    assert disruption['onPodConditions'][0]['type'] == 'DisruptionTarget'
    assert preempted['onExitCodes']['values'] == [75, 143]
    assert final['action'] == 'FailJob'
    assert {r['onExitCodes']['containerName'] for r in rules[1:]} == names
    return final['onExitCodes']['values']

  assert policy(1) == [1, 2]
  # A process whose peer was killed fails with 1 too.
  assert policy(2) == [2]


@pytest.mark.parametrize(
  'words, wanted',
  [
    ('train --image=i -- --config=c', ['apply']),
    ('data --image=i --data_dir=d', ['apply', 'wait', 'exec', 'delete']),
    ('status', ['get']),
    ('logs --index=1', ['logs']),
    ('fetch --image=i', ['apply', 'wait', 'exec', 'delete']),
    ('delete --with_storage', ['delete']),
  ],
)
def test_kubernetes_dry_runs(machine, words, wanted):
  (machine.folder / 'd').mkdir()
  subcommand, *rest = words.split()
  commands = machine.dry_run(KUBERNETES, subcommand, '--namespace=n', *rest)
  calls = [command for command in commands if command[0] == 'kubectl']
  assert all(call[1] == '--namespace=n' for call in calls)
  assert list(dict.fromkeys(call[2] for call in calls)) == wanted


def _kubectl(machine, script):
  """Has kubectl record its calls, as it does, and then run a script."""
  path = machine.folder / 'bin/kubectl'
  path.write_text(path.read_text() + f'\n{script}\n')


# What has begun in the background may ignore it. A program of its own, as JAX
# warns of what forks after it has begun.
_HEEDS_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
  'words, step',
  [('data --image=i --data_dir=d', 'wait'), ('fetch --image=i', 'exec')],
)
def test_kubernetes_files_pod_goes_with_a_signal(machine, words, step, number):
  (machine.folder / 'd').mkdir()
  # No `touch`: a shell that waits for a program when Ctrl-C comes goes on if
  # that program ends without an error.
  waits = ': >"$SLICE/is_waiting"; exec /bin/sleep 30'
  _kubectl(machine, f'if [[ $1 == {step} ]]; then {waits}; fi')
  copy = subprocess.Popen(
    [sys.executable, '-c', _HEEDS_CTRL_C, KUBERNETES, *words.split()],
    env=machine.environment,
    cwd=machine.folder,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
  )
  wait_for(lambda: (machine.folder / 'is_waiting').exists())
  # Ctrl-C goes to all of them.
  os.killpg(copy.pid, number)
  assert copy.wait(timeout=20) in (128 + number, -number)
  calls = machine.read('calls').splitlines()
  assert calls[-1].startswith('kubectl delete pod/aqa-jax-files')


@pytest.mark.parametrize(
  'step, code, wanted',
  [('none', 7, 0), ('apply', 7, 7), ('wait', 7, 7), ('delete', 7, 1)],
)
def test_kubernetes_files_pod_goes_at_the_end(machine, step, code, wanted):
  (machine.folder / 'd').mkdir()
  # The other end of a pipe must not go before `tar` does.
  reads = '[[ $* != *"tar -xzf"* ]] || cat >/dev/null'
  _kubectl(machine, f'{reads}\n[[ $1 != {step} ]] || exit {code}')
  done = machine.run(KUBERNETES, 'data', '--image=i', '--data_dir=d')
  assert done.returncode == wanted
  assert ('the pod may be left' in done.stderr) == (step == 'delete')
  calls = machine.read('calls').splitlines()
  # An interrupted `apply` may have made no pod.
  assert calls[-1] == (
    'kubectl delete pod/aqa-jax-files --ignore-not-found --wait=false'
  )


def test_kubernetes_delete_takes_the_files_pod_too(machine):
  assert machine.run(KUBERNETES, 'delete', '--with_storage').returncode == 0
  first, second = machine.read('calls').splitlines()
  # It would hold back the volume.
  assert 'pod/aqa-jax-files' in first and '--ignore-not-found' in first
  assert 'persistentvolumeclaim/aqa-jax' in second


def test_kubernetes_without_kubectl(machine):
  (machine.folder / 'd').mkdir()
  # This machine may have a kubectl of its own.
  (machine.folder / 'few').mkdir()
  for name in ('bash', 'dirname'):
    (machine.folder / 'few' / name).symlink_to(shutil.which(name))
  words = ['data', '--image=i', '--data_dir=d']
  done = machine.run(KUBERNETES, *words, PATH=str(machine.folder / 'few'))
  assert done.returncode == 2
  (line,) = done.stderr.splitlines()
  assert 'kubectl is not installed here' in line
