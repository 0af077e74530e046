# shellcheck shell=bash
# Sourced where training runs: how its processes ended, and what follows.
#
# Exit code 0 is the end; 75 says "preempted and saved, start me again", and a
# signal (128 + n) wants the same; any other is a failure that would come again.

stopping=false
child=

# Runs a command and hands SIGTERM on to it. How it ended goes into a file:
# when, the exit code, and 1 if this process was told to stop.
run_recorded() {
  local record=$1 part=${1%/*}/.part_${1##*/} code=0 again
  shift
  trap 'stopping=true; [[ -z $child ]] || kill -TERM "$child" || true' TERM
  "$@" &
  child=$!
  wait "$child" || code=$?
  # The signal interrupts `wait`; 127 says that the child was waited for before.
  while $stopping && ((code > 128)); do
    again=0
    wait "$child" 2>/dev/null || again=$?
    ((again != 127)) || break
    code=$again
  done
  child=
  $stopping && again=1 || again=0
  printf '%s %s %s\n' "$(date +%s.%N)" "$code" "$again" >"$part"
  mv "$part" "$record"
  return "$code"
}

# Prints the exit code of the process that failed first, 0 if none did: the
# others fail because of it, each in its own way.
first_failure() {
  local code
  code=$(cat "$1"/[0-9]* | awk '$2 != 0' | sort -n | awk 'NR == 1 { print $2 }')
  echo "${code:-0}"
}

# Whether one of the processes was told to stop.
any_stopped() {
  cat "$1"/[0-9]* | awk '$3 == 1 { found = 1 } END { exit !found }'
}

wants_restart() {
  (($1 == 75 || $1 > 128))
}

# Prints the checkpoints of a workdir that are whole: Orbax gives them their
# plain number last.
complete_steps() {
  local path
  for path in "$1"/{checkpoints,best}/*; do
    [[ -d $path && ${path##*/} =~ ^[0-9]+$ ]] && echo "${path#"$1"/}"
  done
  return 0
}

# Counts in a file how often training has died without a checkpoint in between:
# what always dies of a signal is not worth a restart. Prints the count.
count_death() {
  local file=$1 count=0 steps known
  steps=$(complete_steps "$2" | tr '\n' ' ')
  if [[ -e $file ]]; then
    { read -r count && IFS= read -r known; } <"$file"
    [[ $known == "$steps" ]] || count=0
  fi
  printf '%s\n%s\n' "$((count + 1))" "$steps" >"$file"
  echo "$((count + 1))"
}
