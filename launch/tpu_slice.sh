# shellcheck shell=bash
# shellcheck disable=SC2154 # Its variables are those of tpu_vm.sh.
# Sourced by tpu_vm.sh: a slice from its creation to its end, and what is put
# on its workers.

# Runs words on a worker or on all, in the home folder.
on_workers() {
  local which=$1
  shift
  run gcloud compute tpus tpu-vm ssh "$name" "${location[@]}" --quiet \
    --worker="$which" --ssh-flag=-oServerAliveInterval=30 \
    --command="$(quote "$@")"
}

# The same, for a machine that may be too young for ssh.
patiently() {
  local try
  for try in {1..10}; do
    if "$@"; then return; fi
    say "try $try of 10 failed"
    pause
  done
  return 1
}

pause() {
  if ! $dry_run; then sleep "$poll_seconds"; fi
}

# Prints the state of the slice: READY, PREEMPTED, ...; ABSENT; or UNREACHABLE if
# it could not be asked for, which must not be taken for the end of the slice.
# (UNKNOWN is one of Google's own: a repair has failed.)
slice_state() {
  local state
  state=$(describe ACTIVE queued-resources 'value(state.state)')
  # A queued resource may stay ACTIVE when its node is gone already.
  if [[ $state == ACTIVE ]]; then
    state=$(describe READY tpu-vm 'value(state)')
  fi
  echo "$state"
}

describe() {
  local answer
  if answer=$(ask "$1" gcloud compute tpus "$2" describe "$name" \
    "${location[@]}" --format="$3" --quiet 2>&1); then
    # Warnings may stand around it.
    answer=$(grep -x '[A-Z_]*' <<<"$answer" | tail -n 1)
    echo "${answer:-UNREACHABLE}"
  elif [[ $answer == *NOT_FOUND* || $answer == *'was not found'* ]]; then
    echo ABSENT
  else
    say "$answer"
    echo UNREACHABLE
  fi
}

create_slice() {
  local flags=()
  if $spot; then flags+=(--spot); fi
  run gcloud compute tpus queued-resources create "$name" "${location[@]}" \
    --quiet --node-id="$name" --accelerator-type="$accelerator_type" \
    --runtime-version="$runtime_version" "${flags[@]}" "${create_flags[@]}"
}

create() {
  local state=
  create_slice
  while [[ $state != READY ]]; do
    state=$(slice_state)
    case $state in
      READY) ;;
      FAILED | SUSPENDED | PREEMPTED | TERMINATED | ABSENT)
        say "the slice is $state; delete it, and create it again"
        return 1
        ;;
      *)
        say "the slice is $state; waiting"
        pause
        ;;
    esac
  done
  remind
}

remind() {
  if $dry_run; then return; fi
  say "the slice $name costs until: launch/tpu_vm.sh delete --name=$name" \
    "$(quote "${location[@]}")"
}

install_project() {
  local scratch=${TMPDIR:-/tmp}/aqa_jax_install script
  if [[ -n $git_url ]]; then
    script='mkdir -p aqa_jax && cd aqa_jax && git init --quiet'
    # shellcheck disable=SC2016 # For the shell over there.
    script+=' && git fetch --quiet --depth=1 "$0" "$1"'
    script+=' && git checkout --quiet --force FETCH_HEAD'
    patiently on_workers all bash -c "$script" "$git_url" \
      "${git_revision:-HEAD}" || return 1
  else
    if ! $dry_run; then scratch=$(mktemp -d); fi
    pack "$scratch" || return 1
    patiently run gcloud compute tpus tpu-vm scp "$scratch/aqa_jax.tar.gz" \
      "$name:aqa_jax.tar.gz" "${location[@]}" --quiet --worker=all || return 1
    run rm -r "$scratch"
    script='mkdir -p aqa_jax && find aqa_jax -mindepth 1 -maxdepth 1'
    script+=' ! -name .venv -exec rm -rf {} +'
    script+=' && tar -xzf aqa_jax.tar.gz -C aqa_jax'
    on_workers all bash -c "$script" || return 1
  fi
  on_workers all "$host" install --extras="$extras"
}

# Packs what git knows of this working tree, and new files it does not ignore.
pack() {
  local files=$1/files path
  local list=(git -C "$root" ls-files -z --cached --others --exclude-standard)
  if $dry_run; then
    printf '%s > %s\n' "$(quote "${list[@]}")" "$(quote "$files")" >&3
  else
    "${list[@]}" >"$files.all" || return 1
    while IFS= read -r -d '' path; do
      # A file that was removed is known to git until that is committed.
      if [[ -e $root/$path ]]; then printf '%s\0' "$path"; fi
    done <"$files.all" >"$files"
  fi
  run tar -czf "$1/aqa_jax.tar.gz" -C "$root" --null --files-from="$files"
}

copy_data() {
  if [[ -n $upload ]]; then
    run gcloud storage rsync "$upload" "$bucket/data" --recursive --quiet \
      --exclude='downloads/.*' || return 1
  fi
  on_workers all "$host" data --source="$bucket/data"
}

delete_resource() {
  run "${delete_command[@]}"
}
