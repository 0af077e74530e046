#!/usr/bin/env bash
# What tpu_vm.sh has every worker of a TPU slice do, over ssh.
#
#   install [--extras=tpu]       the virtual environment, and NFS on a slice
#   data --source=gs://...       copies the datasets to the local disk
#   prepare --run= --remote=     worker 0: fetches the run and shares it
#   start --run= --remote= -- FLAGS   trains in the background; none if it does
#   state --run=                 prints running, busy OTHER_RUN, ended CODE or
#                                gone, and the last line of the log
#   stop                         has the training save, and waits until it ended
#
# The run, its workdir and logs, lies on the disk of worker 0, and the others
# mount it by NFS: all workers read what one has written; metrics are appended
# to, checkpoints renamed, files locked. A mounted bucket does none of that as a
# disk does, and shows an appended line when the file is closed. Worker 0 copies
# the run to the bucket every minute and at the end.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source=launch/common.sh
. "$here/common.sh"
# shellcheck source=launch/restarts.sh
. "$here/restarts.sh"
# shellcheck source=launch/workdir_sync.sh
. "$here/workdir_sync.sh"

runs=$HOME/aqa_jax_runs
data=$HOME/aqa_jax_data
# Of this worker alone: who trains here.
own=$HOME/.aqa_jax
sync_seconds=60
# How long a worker that failed waits for the others to fail too: JAX gives up
# on a peer after 100 s.
patience_seconds=900
max_deaths=3
extras=tpu run='' remote='' source=''
main_flags=()

metadata() {
  curl -sf -H 'Metadata-Flavor: Google' \
    "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$1"
}

# Sets `index` and the array `workers` of addresses, as JAX finds them.
find_workers() {
  local endpoints
  index=$(metadata agent-worker-number)
  endpoints=$(metadata worker-network-endpoints)
  IFS=, read -ra workers <<<"$endpoints"
  # Either addresses, or name:id:address.
  workers=("${workers[@]##*:}")
}

install_project() {
  local python found=
  find_workers
  cd "$root"
  for python in python3.13 python3.12 python3.11; do
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      found=$python
      break
    fi
  done
  if [[ -n $found ]]; then
    "$found" -m venv .venv
  else
    # Ubuntu 22.04 has Python 3.10, which is too old.
    PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --user uv
    python3 -m uv venv --quiet --allow-existing --seed --python=3.12 .venv
  fi
  .venv/bin/python -m pip install --quiet -c constraints.txt -e ".[$extras]"
  if ((${#workers[@]} > 1)); then
    # A new machine may still be at its own updates.
    sudo apt-get -o DPkg::Lock::Timeout=600 -qq update
    sudo DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
      -qq install "$( ((index)) && echo nfs-common || echo nfs-kernel-server)"
  fi
}

copy_data() {
  mkdir -p "$data"
  gcloud storage rsync "$source" "$data" --recursive --quiet
}

is_running() {
  mkdir -p "$own"
  ! flock --shared --nonblock "$own/lock" true
}

prepare() {
  local folder=$runs/$run answer options clients
  if is_running; then return; fi
  find_workers
  mkdir -p "$folder"/{workdir,logs}
  # What this disk has is newer than what the bucket has.
  if [[ ! -e $folder/fetched ]]; then
    answer=$(download_run "$remote" "$folder") || exit 1
    echo "${answer:-fetched}" >"$folder/fetched"
  fi
  rm -rf "$folder/result" "$folder/attempts"
  if ((${#workers[@]} > 1)); then
    # Every worker may have another number for the same user.
    options="rw,sync,no_subtree_check,all_squash,anonuid=$(id -u)"
    options+=",anongid=$(id -g)"
    clients=("${workers[@]:1}")
    clients=("${clients[@]/%/($options)}")
    echo "$runs ${clients[*]}" |
      sudo tee /etc/exports.d/aqa_jax.exports >/dev/null
    sudo exportfs -ra
  fi
}

start() {
  if is_running; then return; fi
  find_workers
  if ((index)) && ! mountpoint -q "$runs"; then
    mkdir -p "$runs"
    # Uncached: workers wait for each other, then look for each other's files.
    sudo mount -t nfs -o vers=4.2,hard,noac,lookupcache=none \
      "${workers[0]}:$runs" "$runs"
  fi
  # The ssh session ends, and this goes on.
  nohup setsid "$here/tpu_host.sh" train --run="$run" --remote="$remote" -- \
    "${main_flags[@]}" </dev/null >>"$own/log" 2>&1 3>&- &
  for _ in {1..100}; do
    if is_running; then return; fi
    # It may have ended already.
    if [[ -e $runs/$run/attempts/1/$index ]]; then return; fi
    sleep 0.1
  done
  tail -n 20 "$own/log" >&2
  return 1
}

# Trains, and starts again what was preempted or killed, all workers alike: each
# waits until all have ended, and they see the same records.
train() {
  local folder=$runs/$run attempt=1 records code syncer='' unsaved=''
  exec 9>"$own/lock"
  # `is_running` takes it for an instant.
  flock --timeout 10 9 || exit 0
  echo $$ >"$own/pid"
  echo "$run" >"$own/run"
  rm -f "$own/deaths"
  find_workers
  exec >>"$folder/logs/worker_$index.log" 2>&1
  if ((index == 0)); then
    sync_forever "$folder" 9>&- &
    syncer=$!
  fi
  cd "$root"
  PATH=$root/.venv/bin:$PATH
  while :; do
    records=$folder/attempts/$attempt
    mkdir -p "$records"
    code=0
    run_recorded "$records/$index" python -m aqa_jax.main --multi_host \
      --workdir="$folder/workdir" --config.dataset.data_dir="$data" \
      "${main_flags[@]}" || code=$?
    await_others "$records" "$code"
    code=$(first_failure "$records")
    wants_restart "$code" || break
    # The machine goes, or a worker is gone: tpu_vm.sh starts all of them anew.
    if $stopping || any_stopped "$records" || ! all_ended "$records"; then
      code=75
      break
    fi
    if ((code != 75)) &&
      (($(count_death "$own/deaths" "$folder/workdir") >= max_deaths)); then
      say "killed by signal $((code - 128)) $max_deaths times without progress"
      code=1
      break
    fi
    say "worker $index ended with $code; starting again"
    attempt=$((attempt + 1))
    sleep 5
    if $stopping; then
      code=75
      break
    fi
  done
  say "the training ended with $code"
  if [[ -n $syncer ]]; then
    kill "$syncer" 2>/dev/null || true
    sync_at_last "$folder" || unsaved=' unsaved'
    echo "$code$unsaved" >"$folder/result"
  fi
  exit "$code"
}

all_ended() {
  local ended=("$1"/[0-9]*)
  ((${#ended[@]} >= ${#workers[@]}))
}

await_others() {
  local records=$1 code=$2 waited=0
  until $stopping || all_ended "$records"; do
    # Whoever succeeded may have to wait for an evaluation.
    ((code == 0 || waited < patience_seconds)) || return 0
    sleep 1
    waited=$((waited + 1))
  done
}

# One upload at a time, though `sync_forever` may be ended in the middle of one.
sync_once() {
  (
    flock 8
    upload_run "$1" "$remote"
  ) 8>"$own/sync_lock"
}

sync_forever() {
  while sleep "$sync_seconds"; do
    sync_once "$1" >"$own/sync_log" 2>&1 || true
  done
}

sync_at_last() {
  for _ in 1 2 3; do
    if sync_once "$1" >"$own/sync_log" 2>&1; then return; fi
    sleep 5
  done
  cat "$own/sync_log"
  say "the run could not be copied to $remote; it is in $1"
  return 1
}

print_state() {
  local other
  if is_running; then
    other=$(cat "$own/run" 2>/dev/null || echo "$run")
    [[ $other == "$run" ]] && echo running || echo "busy $other"
  elif [[ -e $runs/$run/result ]]; then
    echo "ended $(<"$runs/$run/result")"
  else
    echo gone
  fi
  tail -q -n 1 "$runs/$run/logs/worker_0.log" 2>/dev/null || true
}

stop() {
  local pid
  is_running || return 0
  pid=$(<"$own/pid")
  kill -TERM "$pid" || true
  for _ in {1..180}; do
    is_running || return 0
    sleep 1
  done
  kill -KILL -- "-$pid"
}

main() {
  local subcommand=${1-}
  help_if_asked "$@"
  shift || true
  while (($#)); do
    case $1 in
      --extras=*) extras=${1#*=} ;;
      --source=*) source=${1#*=} ;;
      --run=*) run=${1#*=} ;;
      --remote=*) remote=${1#*=} ;;
      --)
        shift
        main_flags=("$@")
        break
        ;;
      *) die "unknown argument $1; see --help" ;;
    esac
    shift
  done
  case $subcommand in
    install) install_project ;;
    data) copy_data ;;
    prepare) prepare ;;
    start) start ;;
    train) train ;;
    state) print_state ;;
    stop) stop ;;
    *) die "give a subcommand: install, data, prepare, start, state or stop" ;;
  esac
}

main "$@"
