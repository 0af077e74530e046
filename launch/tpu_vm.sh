#!/usr/bin/env bash
# Trains on a Cloud TPU, one host or a slice of many; see docs/launch.md.
#
#   launch/tpu_vm.sh SUBCOMMAND FLAGS [-- FLAGS OF aqa_jax.main]
#
#   create    asks for the slice, and waits for it; it costs from then on
#   install   puts the project on every worker: this working tree, or --git_url
#   data      copies BUCKET/data to every worker's disk; --upload fills it first
#   train     trains until done; starts again, on a new slice if need be
#   status    what there is, and what it does
#   logs      the log of a worker, as it grows
#   fetch     copies the run from the bucket to --local_dir; needs no slice
#   delete    has a training save, then gives the slice back: only this ends
#             the costs; while gcloud can't say what the slice does, it refuses
#
#   --flagfile=FILE          more flags, one a line
#   --dry_run                prints every command, and runs none
#   --name=NAME              of the slice
#   --zone=ZONE --project=PROJECT
#   --accelerator_type=TYPE  such as v5litepod-16; create, and train with --spot
#   --runtime_version=V      default: what goes with the type
#   --spot                   cheaper, and taken away at any time
#   --create_flag=FLAG       for gcloud, such as --network=net; repeat it
#   --bucket=gs://BUCKET     holds data/ and runs/
#   --run=RUN                what is trained: BUCKET/runs/RUN; default: NAME
#   --git_url=URL --git_revision=REV   install: from there; default: its HEAD
#   --extras=EXTRAS          install: default tpu
#   --upload=FOLDER          data: a data_dir of this machine
#   --delete_when_done       train: deletes the slice after a success
#   --max_recreations=N      train: new slices at most; default 50
#   --poll_seconds=N         between two looks; default 30
#   --worker=N               logs: default 0
#   --local_dir=FOLDER       fetch: default workdir/RUN

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source=launch/common.sh
. "$here/common.sh"
# shellcheck source=launch/restarts.sh
. "$here/restarts.sh"
# shellcheck source=launch/workdir_sync.sh
. "$here/workdir_sync.sh"
# shellcheck source=launch/tpu_slice.sh
. "$here/tpu_slice.sh"

name='' zone='' project='' accelerator_type='' runtime_version='' spot=false
create_flags=() bucket='' run='' git_url='' git_revision='' extras=tpu
upload='' delete_when_done=false max_recreations=50 poll_seconds=30 worker=0
local_dir='' main_flags=()
# Failures in a row that train bears: a network may be away for a while.
max_failures=20
host=aqa_jax/launch/tpu_host.sh

parse_flags() {
  local expanded
  expand_flagfiles "$@"
  set -- "${expanded[@]}"
  while (($#)); do
    case $1 in
      --name=*) name=${1#*=} ;;
      --zone=*) zone=${1#*=} ;;
      --project=*) project=${1#*=} ;;
      --accelerator_type=*) accelerator_type=${1#*=} ;;
      --runtime_version=*) runtime_version=${1#*=} ;;
      --spot) spot=true ;;
      --create_flag=*) create_flags+=("${1#*=}") ;;
      --bucket=*) bucket=${1#*=} ;;
      --run=*) run=${1#*=} ;;
      --git_url=*) git_url=${1#*=} ;;
      --git_revision=*) git_revision=${1#*=} ;;
      --extras=*) extras=${1#*=} ;;
      --upload=*) upload=${1#*=} ;;
      --delete_when_done) delete_when_done=true ;;
      --max_recreations=*) max_recreations=${1#*=} ;;
      --poll_seconds=*) poll_seconds=${1#*=} ;;
      --worker=*) worker=${1#*=} ;;
      --local_dir=*) local_dir=${1#*=} ;;
      --dry_run) dry_run=true ;;
      --)
        shift
        main_flags=("$@")
        break
        ;;
      *) die "unknown argument $1; see --help" ;;
    esac
    shift
  done
  bucket=${bucket%/}
  run=${run:-$name}
  local_dir=${local_dir:-workdir/$run}
  remote=$bucket/runs/$run
}

check_flags() {
  if [[ -n $name && ! $name =~ ^[a-z]([-a-z0-9]*[a-z0-9])?$ ]]; then
    die "--name=$name: give small letters, digits and -, a letter first"
  fi
  require_run_name
  if [[ -n $bucket && ! $bucket =~ ^gs://[^/]+ ]]; then
    die "--bucket=$bucket: give gs:// and a name"
  fi
  if [[ -n $git_revision ]]; then require git_url; fi
  require_number max_recreations 0
  require_number poll_seconds 0
  require_number worker 0
  location=(--zone="$zone")
  if [[ -n $project ]]; then location+=(--project="$project"); fi
  delete_command=(gcloud compute tpus queued-resources delete "$name")
  delete_command+=("${location[@]}" --force --quiet)
}

# What Google names for JAX; see "TPU software versions" in its documentation.
choose_runtime_version() {
  if [[ -n $runtime_version ]]; then return; fi
  case $accelerator_type in
    v6e-*) runtime_version=v2-alpha-tpuv6e ;;
    v5p-*) runtime_version=v2-alpha-tpuv5 ;;
    v5litepod-*) runtime_version=v2-alpha-tpuv5-lite ;;
    v[234]-*) runtime_version=tpu-ubuntu2204-base ;;
    *) die "--accelerator_type=$accelerator_type: give --runtime_version too" ;;
  esac
}

# Prints what the training on the slice does, see tpu_host.sh; in a dry run, the
# argument.
training_state() {
  on_workers 0 "$host" state --run="$run" || return
  if $dry_run; then echo "$1"; fi
}

# Starts the training unless it runs.
start() {
  local answer
  note 'Unless worker 0 trains already:'
  answer=$(training_state gone) || return
  if [[ $answer == running* ]]; then return; fi
  [[ $answer != busy* ]] ||
    fail "the slice is ${answer%%$'\n'*}: wait for that run"
  # Some workers may still wait for others that are gone.
  on_workers all "$host" stop || return
  on_workers 0 "$host" prepare --run="$run" --remote="$remote" || return
  on_workers all "$host" start --run="$run" --remote="$remote" -- \
    "${main_flags[@]}"
}

# Waits while the training runs. Prints its exit code, or what became of it.
follow() {
  local state answer line known=
  while :; do
    pause
    state=$(slice_state)
    case $state in
      READY | UNREACHABLE) ;;
      *)
        echo "cut off, the slice is $state"
        return
        ;;
    esac
    if ! answer=$(training_state 'ended 0' 2>/dev/null); then
      say 'worker 0 does not answer'
      continue
    fi
    line=${answer#*$'\n'}
    case $answer in
      running*)
        [[ $line == "$known" ]] || say "$line"
        known=$line
        ;;
      ended*)
        answer=${answer%%$'\n'*}
        echo "${answer#ended }"
        return
        ;;
      *)
        echo gone
        return
        ;;
    esac
  done
}

# Trains whatever happens to the slice. Exits as the training does.
train() {
  local state outcome failures=0 recreations=0 is_new=true
  local is_deleted=false is_ready=true
  trap 'say "the training goes on; train again to watch"; remind; exit 130' INT
  while ((failures < max_failures)); do
    state=$(slice_state)
    case $state in
      READY)
        train_on_slice
        ;;
      PREEMPTED | TERMINATED | SUSPENDING | SUSPENDED | FAILED)
        $spot || fail "the slice is $state, and is no --spot slice"
        say "the slice is $state; a new one takes its place"
        ((recreations < max_recreations)) ||
          fail "$recreations new slices were taken away as well"
        is_ready=false
        if delete_resource; then is_deleted=true; fi
        ;;
      ABSENT)
        $is_deleted || fail "there is no slice $name; create it first"
        if create_slice; then
          is_deleted=false
          recreations=$((recreations + 1))
        else
          failures=$((failures + 1))
        fi
        ;;
      # A network that is away for a while is no reason to give up.
      UNREACHABLE) if $is_new; then fail 'gcloud could not answer'; fi ;;
      *) say "the slice is $state; waiting" ;;
    esac
    is_new=false
    pause
  done
  remind
  fail "$max_failures failures in a row"
}

fail() {
  say "$@"
  exit 1
}

# One round of `train`, whose variables these are.
train_on_slice() {
  local code=0
  if ! $is_ready; then
    say 'installing'
    if install_project && copy_data; then
      is_ready=true
    else
      failures=$((failures + 1))
      return
    fi
  fi
  start || code=$?
  if ((code)); then
    # The shell over there finds no project.
    if ((code == 126 || code == 127)); then is_ready=false; fi
    failures=$((failures + 1))
    return
  fi
  failures=0
  outcome=$(follow)
  case $outcome in
    75* | gone | cut*) say "the training was $outcome; going on" ;;
    *) finish "$outcome" ;;
  esac
}

# Ends after a training: what is printed of it is an exit code, and `unsaved` if
# the bucket lacks its end.
finish() {
  local code=${1%% *}
  if ((code)); then
    on_workers 0 tail -n 30 "aqa_jax_runs/$run/logs/worker_0.log" >&2 || true
    say "the training ended with $code"
  else
    say "the training is done: $remote"
  fi
  if [[ $1 == *unsaved ]]; then
    say "its end is not in the bucket: copy it before you delete the slice"
  elif $delete_when_done && ((code == 0)); then
    delete_resource
    exit 0
  fi
  remind
  exit "$code"
}

show_training() {
  slice_state >/dev/null
  start
  note "Every $poll_seconds seconds:"
  follow >/dev/null
  if $spot; then
    note 'When the slice was taken away; then from the top:'
    delete_resource
    create_slice
    slice_state >/dev/null
    install_project
    copy_data
  fi
  if $delete_when_done; then
    note 'When the training has succeeded:'
    delete_resource
  fi
}

delete() {
  local state code=0
  state=$(slice_state)
  case $state in
    READY)
      on_workers all "$host" stop ||
        say 'the training could not be told to save; the bucket may lack its end'
      ;;
    # A training may be running there, and would not save.
    UNREACHABLE)
      remind
      fail 'gcloud could not answer, so nothing is deleted; if nothing is to be' \
        "saved: $(quote "${delete_command[@]}")"
      ;;
    ABSENT) ;;
    *) say "the slice is $state: no training there can be told to save" ;;
  esac
  delete_resource || code=$?
  list_slices
  return "$code"
}

list_slices() {
  run gcloud compute tpus queued-resources list "${location[@]}" --quiet
  run gcloud compute tpus tpu-vm list "${location[@]}" --quiet
}

status() {
  list_slices
  if [[ $(slice_state) == READY ]]; then
    on_workers 0 "$host" state --run="$run"
  fi
}

fetch() {
  local answer
  answer=$(download_run "$remote" "$local_dir")
  [[ $answer != new ]] || fail "$remote: there is no such run"
  $dry_run || say "fetched to $local_dir"
}

main() {
  local subcommand=${1-} location delete_command remote flag
  if [[ -z $subcommand || $subcommand == --help ]]; then
    usage "${BASH_SOURCE[0]}"
    exit
  fi
  shift
  parse_flags "$@"
  case $subcommand in
    create) require name zone accelerator_type ;;
    data)
      require name zone bucket
      if [[ -n $upload ]]; then require_folder upload; fi
      ;;
    train)
      require name zone bucket
      if $spot; then require accelerator_type; fi
      require_main_flag --config "${main_flags[@]}"
      for flag in "${main_flags[@]}"; do
        [[ $flag != --workdir=* ]] || die "give --run=RUN in place of $flag"
      done
      # What was uploaded for one slice is there for the next.
      upload=''
      ;;
    install | status | logs | delete) require name zone ;;
    fetch)
      require run bucket
      require_place local_dir
      ;;
    *) die "unknown subcommand $subcommand; see --help" ;;
  esac
  check_flags
  if [[ -n $accelerator_type ]]; then choose_runtime_version; fi
  case $subcommand in
    install) install_project ;;
    data) copy_data ;;
    train) if $dry_run; then show_training; else train; fi ;;
    logs)
      on_workers 0 tail -n 100 -F "aqa_jax_runs/$run/logs/worker_$worker.log"
      ;;
    *) "$subcommand" ;;
  esac
}

main "$@"
