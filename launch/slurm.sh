#!/usr/bin/env bash
# Trains on GPU nodes under SLURM; see docs/launch.md.
#
#   launch/slurm.sh FLAGS -- FLAGS OF aqa_jax.main
#
# On a login node it submits itself; in a job, or in an allocation, it trains. A
# job that is preempted or comes to its time limit saves and is queued again.
#
#   --flagfile=FILE          more flags, one a line
#   --dry_run                prints every command, and runs none
#   --nodes=N                default 1
#   --gpus_per_node=N        default 1; 0: no GPUs
#   --one_process_a_node     not one process a GPU, as JAX has it under SLURM
#   --cpus_per_process=N     default 8
#   --time=LIMIT             default 24:00:00
#   --sbatch_flag=FLAG       for sbatch, such as --partition=gpu; repeat it
#   --python=PATH            default: .venv/bin/python, or python without it
#
# --workdir and the data have to lie where all nodes see them.

# What holds when the script is given to sbatch itself:
#SBATCH --job-name=aqa_jax
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# SLURM runs a copy of this file that lies elsewhere.
[[ -e $here/common.sh ]] || here=$PWD/launch
if [[ ! -e $here/common.sh ]]; then
  echo 'slurm.sh: submit it from the folder of the project' >&2
  exit 2
fi
root=$(dirname "$here")
# shellcheck source=launch/common.sh
. "$here/common.sh"
# shellcheck source=launch/restarts.sh
. "$here/restarts.sh"

nodes=1 gpus_per_node=1 one_process_a_node=false cpus_per_process=8
time=24:00:00 sbatch_flags=() python='' main_flags=()
max_deaths=3

parse_flags() {
  expand_flagfiles "$@"
  set -- "${expanded[@]}"
  while (($#)); do
    case $1 in
      --nodes=*) nodes=${1#*=} ;;
      --gpus_per_node=*) gpus_per_node=${1#*=} ;;
      --one_process_a_node) one_process_a_node=true ;;
      --cpus_per_process=*) cpus_per_process=${1#*=} ;;
      --time=*) time=${1#*=} ;;
      --sbatch_flag=*) sbatch_flags+=("${1#*=}") ;;
      --python=*) python=${1#*=} ;;
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
  require_number nodes 1
  require_number gpus_per_node 0
  require_number cpus_per_process 1
  [[ $time =~ ^[0-9]+([-:][0-9]+)*$ ]] ||
    die "--time=$time: give hours:minutes:seconds"
  require_main_flag --config "${main_flags[@]}"
  require_main_flag --workdir "${main_flags[@]}"
  if [[ -z $python ]]; then
    python=$root/.venv/bin/python
    [[ -x $python ]] || python=python
  fi
  processes_per_node=1
  if ! $one_process_a_node && ((gpus_per_node)); then
    processes_per_node=$gpus_per_node
  fi
}

submit() {
  local gpus=() words=() word
  for word in "${expanded[@]}"; do
    [[ $word == --dry_run ]] || words+=("$word")
  done
  # Not a GPU a task: JAX picks each process's own of those on the node.
  if ((gpus_per_node)); then gpus=(--gpus-per-node="$gpus_per_node"); fi
  run sbatch --job-name=aqa_jax --nodes="$nodes" \
    --ntasks-per-node="$processes_per_node" "${gpus[@]}" \
    --cpus-per-task="$cpus_per_process" --time="$time" --chdir="$root" \
    --requeue --open-mode=append --signal=TERM@120 "${sbatch_flags[@]}" \
    "$here/slurm.sh" "${words[@]}"
}

# Prints the workdir that the training is given.
workdir() {
  local flag
  for flag in "${main_flags[@]}"; do
    [[ $flag != --workdir=* ]] || echo "${flag#*=}"
  done | tail -n 1
}

train() {
  local code=0 failure folder records devices
  # Of this start of this job; a job that is queued again keeps its number.
  folder=$(workdir)/slurm_${SLURM_JOB_ID-JOB}
  records=$folder/start_${SLURM_RESTART_COUNT:-0}
  run rm -rf "$records"
  run mkdir -p "$records"
  if $one_process_a_node && ((gpus_per_node > 1)); then
    # Under SLURM, JAX would use one GPU in each process.
    devices=$(seq -s, 0 $((gpus_per_node - 1)))
    run export JAX_LOCAL_DEVICE_IDS="$devices"
  fi
  # `scancel` sends this script SIGTERM too, the warning before the time limit
  # goes to the steps alone: what was cancelled must not come back.
  trap 'stopping=true' TERM
  # No process is ended because another has ended: each may still be saving.
  # shellcheck disable=SC2016 # For the shells of the tasks.
  run srun --nodes="$nodes" --ntasks-per-node="$processes_per_node" \
    --cpus-per-task="$cpus_per_process" --kill-on-bad-exit=0 --wait=0 \
    bash -c '. "$0" && run_recorded "$1/$SLURM_PROCID" "${@:2}"' \
    "$here/restarts.sh" "$records" \
    "$python" -m aqa_jax.main --multi_host "${main_flags[@]}" || code=$?
  note 'If the training was preempted or killed:'
  if $dry_run; then
    run scontrol requeue "${SLURM_JOB_ID-JOB}"
    return
  fi
  # srun itself may have failed, before any task.
  failure=$(first_failure "$records" 2>/dev/null || true)
  if ((code == 0 || ${failure:-0} == 0)); then failure=$code; fi
  say "the training ended with $failure"
  if ! wants_restart "$failure" || $stopping; then exit "$failure"; fi
  if ((failure != 75)) &&
    (($(count_death "$folder/deaths" "$(workdir)") >= max_deaths)); then
    say "killed by signal $((failure - 128)) $max_deaths times without progress"
    exit 1
  fi
  scontrol requeue "$SLURM_JOB_ID"
}

parse_flags "$@"
if [[ -z ${SLURM_JOB_ID-} ]]; then
  submit
  if $dry_run; then
    note 'In the job:'
    train
  fi
else
  cd "$root"
  train
fi
