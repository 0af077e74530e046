# shellcheck shell=bash
# Sourced by the launchers: messages, quoting, --dry_run and --flagfile.

if ((BASH_VERSINFO[0] < 4)) || [[ $BASH_VERSION == 4.[0-3].* ]]; then
  echo "${0##*/}: needs bash 4.4 or newer, not $BASH_VERSION" >&2
  exit 2
fi

dry_run=false
# Where --dry_run prints, whoever captures what a function prints.
exec 3>&1

say() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Bad input ends in one line and exit code 2, as it does in aqa_jax.main.
die() {
  say "$@"
  exit 2
}

# Prints the comment at the top of a script.
usage() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "$1"
}

# Prints the help and exits if --help is among the words before --; what follows
# that is for aqa_jax.main.
help_if_asked() {
  local word
  for word in "$@"; do
    case $word in
      --) break ;;
      --help)
        usage "$0"
        exit
        ;;
    esac
  done
}

# Prints words so that a shell reads the same words back.
quote() {
  local word line='' apostrophe="'\"'\"'"
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]]; then
      line+=" $word"
    else
      line+=" '${word//\'/$apostrophe}'"
    fi
  done
  printf '%s' "${line# }"
}

# Runs a command, or prints it.
run() {
  if $dry_run; then
    quote "$@" >&3
    echo >&3
  else
    require_program "$1"
    "$@"
  fi
}

# Runs a command for what it answers; a dry run prints it, and takes the first
# argument for the answer.
ask() {
  local assumed=$1
  shift
  run "$@" || return
  if $dry_run; then printf '%s\n' "$assumed"; fi
}

# Says in a dry run when the commands that follow would be run.
note() {
  if $dry_run; then printf '# %s\n' "$*" >&3; fi
}

# Puts the lines of --flagfile=FILE, one flag each, where that flag stands; sets
# the array `expanded`. What follows -- is left alone. Where --help is asked
# for, in a file too, it prints that and exits.
expand_flagfiles() {
  local file line
  help_if_asked "$@"
  expanded=()
  while (($#)); do
    case $1 in
      --) break ;;
      --flagfile=*)
        file=${1#*=}
        [[ ! -d $file ]] || die "--flagfile=$file: is a folder; give a file"
        [[ -r $file ]] || die "--flagfile=$file: cannot be read"
        while IFS= read -r line || [[ -n $line ]]; do
          [[ $line =~ ^[[:space:]]*(#|$) ]] || expanded+=("$line")
        done <"$file"
        ;;
      *) expanded+=("$1") ;;
    esac
    shift
  done
  expanded+=("$@")
  help_if_asked "${expanded[@]}"
}

# Dies unless a program is there, or nothing is to be run.
require_program() {
  $dry_run || [[ -n $(type -t "$1") ]] ||
    die "$1 is not installed here; --dry_run goes without it"
}

# Dies unless each of the named variables has a value.
require() {
  local flag
  for flag in "$@"; do
    [[ -n ${!flag} ]] || die "--$flag is missing"
  done
}

# Dies unless a flag of aqa_jax.main is among the words after it.
require_main_flag() {
  local wanted=$1 flag
  shift
  for flag in "$@"; do
    [[ $flag == "$wanted="* ]] && return
  done
  die "$wanted is missing among the flags of aqa_jax.main, which stand after --"
}

# Dies unless a flag holds a whole number from a least one on.
require_number() {
  if [[ ! ${!1} =~ ^(0|[1-9][0-9]{0,8})$ ]] || ((${!1} < $2)); then
    die "--$1=${!1}: give a whole number from $2 on"
  fi
}

# Dies unless a flag names a folder of this machine to read from.
require_folder() {
  [[ -d ${!1} && -r ${!1} && -x ${!1} ]] ||
    die "--$1=${!1}: give a folder of this machine that can be read"
}

# Dies unless a flag names a folder to write to, or one that can be made.
require_place() {
  local path=${!1}
  until [[ -e $path ]]; do path=$(dirname -- "$path"); done
  [[ -d $path && -w $path && -x $path ]] ||
    die "--$1=${!1}: give a folder that can be written to, or made"
}

# Dies unless --run, if it is given, names a folder.
require_run_name() {
  [[ -z $run || $run =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] ||
    die "--run=$run: give letters, digits, _, . and -"
}
