# shellcheck shell=bash
# Sourced: copies a run, its workdir and logs, to a bucket and back.
#
# An upload may be cut off in the middle of a checkpoint. So a list of those
# that are whole goes up after them; what it lacks is not fetched.

_NOT_SYNCED='(.*/)?[^/]*\.orbax-checkpoint-tmp.*|(.*/)?[^/]*\.part$|\.lock$'

_rsync() {
  run gcloud storage rsync "$@" --recursive --quiet
}

# Uploads the run in a folder to a URL; fails if checkpoints changed meanwhile.
upload_run() {
  local folder=$1 url=$2 list=$1/complete_steps part remote step
  complete_steps "$folder/workdir" >"$list.part"
  _rsync "$folder/workdir" "$url/workdir" --exclude="$_NOT_SYNCED" || return 1
  _rsync "$folder/logs" "$url/logs" || true
  # What came or went meanwhile may be there in part: the next time will do.
  complete_steps "$folder/workdir" | cmp -s - "$list.part" || return 1
  if cmp -s "$list.part" "$list"; then return; fi
  gcloud storage cp "$list.part" "$url/complete_steps" --quiet || return 1
  mv "$list.part" "$list"
  # What Orbax has removed here goes there too, now that the list lacks it.
  for part in checkpoints best; do
    remote=$(gcloud storage ls "$url/workdir/$part/" 2>/dev/null || true)
    for step in $remote; do
      step=${step%/}
      step=$part/${step##*/}
      if [[ $step =~ /[0-9]+$ && ! -d $folder/workdir/$step ]]; then
        gcloud storage rm "$url/workdir/$step" --recursive --quiet || return 1
      fi
    done
  done
}

# Fetches a run from a URL into a folder. Prints `new` where there is none.
download_run() {
  local url=$1 folder=$2 answer steps step
  if ! answer=$(ask '' gcloud storage ls "$url/complete_steps" 2>&1); then
    # Another failure must not be taken for a run that is yet to begin.
    if [[ $answer == *'matched no objects'* ]]; then
      echo new
      return
    fi
    say "$answer"
    return 1
  fi
  steps=$(ask 'best/STEP' gcloud storage cat "$url/complete_steps") || return 1
  run mkdir -p "$folder/workdir" "$folder/logs"
  _rsync "$url/workdir" "$folder/workdir" \
    --exclude='(checkpoints|best)/.*' || return 1
  # They help to understand, and are not needed to go on.
  _rsync "$url/logs" "$folder/logs" || true
  for step in $steps; do
    run mkdir -p "$folder/workdir/$step"
    _rsync "$url/workdir/$step" "$folder/workdir/$step" || return 1
  done
}
