#!/usr/bin/env bash
# Trains on GPU nodes of a Kubernetes cluster; see docs/launch.md.
#
#   launch/kubernetes.sh SUBCOMMAND FLAGS [-- FLAGS OF aqa_jax.main]
#
#   data      copies --data_dir to the volume, which it makes
#   train     fills in kubernetes.yaml and applies it
#   status    the job and its pods
#   logs      of pod --index, as they grow
#   fetch     copies the run from the volume to --local_dir
#   delete    ends the training, and any copying; the volume stays, unless
#             --with_storage
#
#   --flagfile=FILE          more flags, one a line
#   --dry_run                prints every command and the YAML, and runs none
#   --name=NAME              of all of it; default aqa-jax
#   --namespace=NAMESPACE    default: kubectl's
#   --image=IMAGE            of launch/Dockerfile; data, train and fetch
#   --nodes=N                pods, each a process; default 1
#   --gpus_per_node=N        default 1
#   --cpus=N --memory=M      of each pod; default 8 and 64Gi
#   --storage=SIZE           of the volume; default 200Gi
#   --storage_class=CLASS    of the volume; default: the cluster's; for several
#                            nodes one with ReadWriteMany, such as NFS
#   --run=RUN                runs/RUN on the volume; default: NAME
#   --data_dir=FOLDER        data: with the prepared datasets
#   --index=N                logs: default 0
#   --local_dir=FOLDER       fetch: default workdir/RUN
#   --with_storage           delete: the data and all runs too

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/common.sh
. "$here/common.sh"

name=aqa-jax namespace='' image='' nodes=1 gpus_per_node=1 cpus=8 memory=64Gi
storage=200Gi storage_class='' run='' data_dir='' index=0 local_dir=''
with_storage=false main_flags=()
port=8476
mount=/mnt/aqa_jax

parse_flags() {
  local expanded
  expand_flagfiles "$@"
  set -- "${expanded[@]}"
  while (($#)); do
    case $1 in
      --name=*) name=${1#*=} ;;
      --namespace=*) namespace=${1#*=} ;;
      --image=*) image=${1#*=} ;;
      --nodes=*) nodes=${1#*=} ;;
      --gpus_per_node=*) gpus_per_node=${1#*=} ;;
      --cpus=*) cpus=${1#*=} ;;
      --memory=*) memory=${1#*=} ;;
      --storage=*) storage=${1#*=} ;;
      --storage_class=*) storage_class=${1#*=} ;;
      --run=*) run=${1#*=} ;;
      --data_dir=*) data_dir=${1#*=} ;;
      --index=*) index=${1#*=} ;;
      --local_dir=*) local_dir=${1#*=} ;;
      --with_storage) with_storage=true ;;
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
  run=${run:-$name}
  local_dir=${local_dir:-workdir/$run}
}

check_flags() {
  local flag
  # With -files behind it, a label of DNS.
  [[ $name =~ ^[a-z]([-a-z0-9]{0,55}[a-z0-9])?$ ]] ||
    die "--name=$name: give small letters, digits and -, a letter first"
  require_run_name
  for flag in nodes gpus_per_node cpus; do require_number "$flag" 1; done
  require_number index 0
  for flag in memory storage; do
    [[ ${!flag} =~ ^[1-9][0-9]*[KMGT]i?$ ]] ||
      die "--$flag=${!flag}: give a size such as 64Gi"
  done
  for flag in "${main_flags[@]}"; do
    [[ $flag != --workdir=* ]] || die "give --run=RUN in place of $flag"
  done
}

kubectl_() {
  local where=()
  if [[ -n $namespace ]]; then where=(--namespace="$namespace"); fi
  run kubectl "${where[@]}" "$@"
}

# Prints words as a list of JSON, which is YAML too.
json_list() {
  local word list=
  for word in "$@"; do
    word=${word//\\/\\\\}
    word=${word//\"/\\\"}
    word=${word//$'\n'/\\n}
    word=${word//$'\t'/\\t}
    list+=", \"$word\""
  done
  printf '[%s]' "${list#, }"
}

# Prints kubernetes.yaml filled in.
fill() {
  local text final='[1, 2]' access=ReadWriteOnce arguments
  text=$(<"$here/kubernetes.yaml")
  if ((nodes > 1)); then
    # A process whose peer has died may fail with 1 as well, and may try again.
    final='[2]' access=ReadWriteMany
  fi
  arguments=$(json_list --workdir="$mount/runs/$run" \
    --config.dataset.data_dir="$mount/data" "${main_flags[@]}")
  # Kubernetes replaces $(NAME) in them, and makes $$ a $.
  arguments=${arguments//\$/'$$'}
  if [[ -z $storage_class ]]; then
    # An empty one would be another thing than the cluster's own.
    text=${text/'  storageClassName: __STORAGE_CLASS__'$'\n'/}
  fi
  text=${text//__STORAGE_CLASS__/"$(json_word "$storage_class")"}
  text=${text//__NAME__/"$name"}
  text=${text//__ACCESS_MODE__/"$access"}
  text=${text//__STORAGE__/"$storage"}
  text=${text//__IMAGE__/"$(json_word "$image")"}
  text=${text//__PORT__/"$port"}
  text=${text//__NODES__/"$nodes"}
  text=${text//__BACKOFF_LIMIT__/"$((4 * nodes))"}
  text=${text//__FINAL_EXIT_CODES__/"$final"}
  text=${text//__CPUS__/"$cpus"}
  text=${text//__MEMORY__/"$memory"}
  text=${text//__GPUS__/"$gpus_per_node"}
  # The last, as flags may hold anything.
  text=${text//__ARGUMENTS__/"$arguments"}
  printf '%s\n' "$text"
}

json_word() {
  local list
  list=$(json_list "$1")
  list=${list#\[}
  printf '%s' "${list%]}"
}

# Applies what is filled in, without one part of it.
apply_without() {
  local where=()
  if [[ -n $namespace ]]; then where=(--namespace="$namespace"); fi
  where+=(apply --selector="part!=$1" --filename=-)
  if $dry_run; then
    printf "%s <<'END_OF_YAML'\n%s\nEND_OF_YAML\n" \
      "$(quote kubectl "${where[@]}")" "$(fill)" >&3
  else
    fill | kubectl "${where[@]}"
  fi
}

# Has the pod for files stand by while the words are run.
with_files() {
  # Left alone it would stand by for ever, and hold back the volume's deletion.
  trap end_files EXIT
  # Where kubectl handles Ctrl-C itself, bash would go on.
  trap 'exit 130' INT
  apply_without training
  kubectl_ wait --for=condition=Ready "pod/$name-files" --timeout=15m
  "$@"
}

# Exits as the script was about to.
end_files() {
  local code=$?
  if ! kubectl_ delete "pod/$name-files" --ignore-not-found --wait=false; then
    say "the pod may be left; to end it: kubectl delete pod/$name-files"
    ((code)) || code=1
  fi
  exit "$code"
}

in_files() {
  kubectl_ exec --stdin "$name-files" -- "$@"
}

copy_in() {
  in_files mkdir -p "$mount/data" || return 1
  if $dry_run; then
    note "tar -czf - -C $(quote "$data_dir") . goes into:"
    in_files tar -xzf - -C "$mount/data"
  else
    tar -czf - -C "$data_dir" . | in_files tar -xzf - -C "$mount/data"
  fi
}

copy_out() {
  run mkdir -p "$local_dir" || return 1
  if $dry_run; then
    in_files tar -czf - -C "$mount/runs/$run" .
    note "goes into: tar -xzf - -C $(quote "$local_dir")"
  else
    in_files tar -czf - -C "$mount/runs/$run" . | tar -xzf - -C "$local_dir"
  fi
}

main() {
  local subcommand=${1-}
  if [[ -z $subcommand || $subcommand == --help ]]; then
    usage "${BASH_SOURCE[0]}"
    exit
  fi
  shift
  parse_flags "$@"
  case $subcommand in
    data)
      require image data_dir
      require_folder data_dir
      ;;
    train)
      require image
      require_main_flag --config "${main_flags[@]}"
      ;;
    fetch)
      require image
      require_place local_dir
      ;;
    status | logs | delete) ;;
    *) die "unknown subcommand $subcommand; see --help" ;;
  esac
  check_flags
  require_program kubectl
  case $subcommand in
    data) with_files copy_in ;;
    train) apply_without files ;;
    status) kubectl_ get jobs,pods,persistentvolumeclaims \
      --selector="app=$name" --output=wide ;;
    logs)
      kubectl_ logs --follow --tail=100 --selector="app=$name,part=training,\
batch.kubernetes.io/job-completion-index=$index"
      ;;
    fetch) with_files copy_out ;;
    delete)
      kubectl_ delete "job/$name" "service/$name" "pod/$name-files" \
        --ignore-not-found
      if $with_storage; then
        kubectl_ delete "persistentvolumeclaim/$name" --ignore-not-found
      fi
      ;;
  esac
}

main "$@"
