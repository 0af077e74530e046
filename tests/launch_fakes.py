"""Programs for clusters that only record their calls; what the scripts see."""

import os
import re
import shlex
import subprocess
import time

# A slice of two workers, each a folder. `state` is what gcloud tells of it,
# `plan` what happens to each start of the training.
_GCLOUD = r"""
[[ $1 != storage || ! -e $SLICE/offline ]] || exit 1
local_path() { echo "${1/gs:\/\//$SLICE/buckets/}"; }
case "$*" in
  *'queued-resources describe'*)
    case $(<"$SLICE/state") in
      ABSENT) echo 'ERROR: NOT_FOUND: no such thing' >&2; exit 1 ;;
      UNREACHABLE) echo 'ERROR: the network is away' >&2; exit 1 ;;
      *) echo ACTIVE ;;
    esac ;;
  *'tpu-vm describe'*) cat "$SLICE/state" ;;
  *'queued-resources create'*)
    mkdir -p "$SLICE"/home_{0,1}; echo READY >"$SLICE/state" ;;
  *'queued-resources delete'*)
    [[ $(<"$SLICE/state") != ABSENT ]] || exit 1
    for home in "$SLICE"/home_*; do
      kill -KILL -- "-$(cat "$home/.aqa_jax/pid" 2>/dev/null)" 2>/dev/null
      rm -rf "$home"
    done
    echo ABSENT >"$SLICE/state" ;;
  *'tpu-vm ssh'*)
    for word; do
      case $word in
        --worker=all) workers='0 1' ;;
        --worker=*) workers=${word#*=} ;;
        --command=*) command=${word#*=} ;;
      esac
    done
    status=0
    for worker in $workers; do
      export WORKER=$worker HOME=$SLICE/home_$worker
      (cd "$HOME" && sh -c "$command") || status=$?
    done
    exit "$status" ;;
  *'tpu-vm scp'*) for worker in 0 1; do cp "$5" "$SLICE/home_$worker"; done ;;
  *'storage rsync'*)
    from=$(local_path "$3") exclude=' '
    to=$(realpath -m "$(local_path "$4")")
    for word; do [[ $word != --exclude=* ]] || exclude=${word#*=}; done
    mkdir -p "$to" && cd "$from" || exit 1
    find . -type f -printf '%P\n' | grep -vE "^($exclude)" |
      while read -r file; do
        mkdir -p "$to/$(dirname "$file")" && cp "$file" "$to/$file"
      done ;;
  *'storage ls'*)
    found=1
    for url in "${@:3}"; do
      path=$(local_path "$url")
      [[ ! -e $path ]] || found=0
      [[ ! -f $path ]] || echo "$url"
      [[ ! -d $path ]] || find "$path"/* -maxdepth 0 -printf "$url%f/\n"
    done
    ((found)) && echo 'One or more URLs matched no objects.' >&2
    exit "$found" ;;
  *'storage cp'*) cp "$(local_path "$3")" "$(local_path "$4")" ;;
  *'storage cat'*) cat "$(local_path "$3")" ;;
  *'storage rm'*) rm -r "$(local_path "$3")" ;;
esac
"""
_PYTHON = r"""
case $1$2 in
  -c*) exit 0 ;;
  -mvenv) mkdir -p "$3/bin" && ln -s "$0" "$3/bin/python"; exit ;;
  -mpip) exit 0 ;;
esac
starts=$SLICE/starts_${WORKER:-0}
printf '%s\n' "$*" >>"$starts"
number=$(wc -l <"$starts")
for word; do [[ $word != --workdir=* ]] || workdir=${word#*=}; done
mkdir -p "$workdir/checkpoints"
ls "$workdir/checkpoints" | paste -sd' ' >>"$starts.found"
# One end for all processes, or one each.
plan=$(sed -n "${number}p" "$SLICE/plan" | cut -d, -f$((${WORKER:-0} + 1)))
save() {
  [[ ${WORKER:-0} == 0 ]] || return
  mkdir "$workdir/checkpoints/$number"
  echo whole >"$workdir/checkpoints/$number/state"
}
case $plan in
  75 | preempted) save ;;
  late_*) /bin/sleep 2; plan=${plan#late_} ;;
esac
case $plan in
  preempted)
    until grep -q "checkpoints/$number" "$SLICE"/buckets/b/runs/*/complete_steps
    do /bin/sleep 0.05; done 2>/dev/null
    echo PREEMPTED >"$SLICE/state"
    exec /bin/sleep 60 ;;
  killed) kill -KILL $$ ;;
  offline) touch "$SLICE/offline"; exit 0 ;;
  told)
    trap 'save; exit 75' TERM
    echo $$ >"$SLICE/is_waiting"
    while :; do /bin/sleep 0.05; done ;;
esac
exit "$plan"
"""
_CURL = r"""
case ${!#} in
  *agent-worker-number) echo "${WORKER:-0}" ;;
  *worker-network-endpoints) echo "$ENDPOINTS" ;;
esac
"""
_SRUN = r"""
while [[ $1 == -* ]]; do
  case $1 in
    --nodes=*) nodes=${1#*=} ;;
    --ntasks-per-node=*) tasks=${1#*=} ;;
  esac
  shift
done
for ((i = 0; i < nodes * tasks; i++)); do
  WORKER=$i SLURM_PROCID=$i "$@" &
  pids+=($!)
done
status=0
for pid in "${pids[@]}"; do
  code=0
  wait "$pid" || code=$?
  ((code <= status)) || status=$code
done
exit "$status"
"""
_SUDO = r"""
case $1 in
  tee) cat >"$SLICE/exports" ;;
  mount) rmdir "${!#}" && ln -s "$SLICE/home_0/aqa_jax_runs" "${!#}" ;;
esac
"""
_FAKES = {
  'gcloud': _GCLOUD,
  'python': _PYTHON,
  'python3.13': _PYTHON,
  'curl': _CURL,
  'sudo': _SUDO,
  'srun': _SRUN,
  'sleep': '[[ $1 != 60 ]] && exec /bin/sleep 0.02; exec /bin/sleep 0.2',
  'mountpoint': '[[ -L ${!#} ]]',
  'sbatch': '',
  'scontrol': '',
  'kubectl': '[[ $* != *apply* ]] || cat >"$SLICE/applied"',
}


class Machine:
  """A machine whose programs for clusters are fakes that record their calls."""

  def __init__(self, folder):
    self.folder = folder
    self.environment = os.environ | {
      'PATH': f'{folder}/bin:{os.environ["PATH"]}',
      'SLICE': str(folder),
      'HOME': str(folder / 'home'),
      'ENDPOINTS': 'a:0:10.0.0.1',
    }
    for name in ('SLURM_JOB_ID', 'SLURM_RESTART_COUNT', 'WORKER'):
      self.environment.pop(name, None)
    (folder / 'home').mkdir()
    (folder / 'bin').mkdir()
    for name, script in _FAKES.items():
      path = folder / 'bin' / name
      path.write_text(
        f'#!/usr/bin/env bash\necho "{name} $*" >>"$SLICE/calls"\n{script}'
      )
      path.chmod(0o755)
    self.write('state', 'ABSENT\n')

  def write(self, name, text):
    (self.folder / name).write_text(text)

  def read(self, name):
    path = self.folder / name
    return path.read_text() if path.exists() else ''

  def plan(self, *ends):
    self.write('plan', ''.join(f'{end}\n' for end in ends))

  def run(self, *words, **environment):
    return subprocess.run(
      [str(word) for word in words],
      env=self.environment | environment,
      cwd=self.folder,
      capture_output=True,
      text=True,
      timeout=60,
    )

  def dry_run(self, script, *words):
    """Returns the commands that a dry run prints, and checks that none ran."""
    done = self.run(script, *words[:1], '--dry_run', *words[1:])
    assert done.returncode == 0, done.stderr
    assert not self.read('calls')
    assert list((self.folder / 'home').iterdir()) == []
    text = re.sub(r" <<'(\w+)'\n(.*\n)*\1\n", '\n', done.stdout)
    lines = text.splitlines()
    return [shlex.split(line) for line in lines if not line.startswith('#')]


def wait_for(condition):
  deadline = time.monotonic() + 30
  while not condition():
    assert time.monotonic() < deadline
    time.sleep(0.02)
