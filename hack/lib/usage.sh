# The help of programs of hack/: the comment at their top. Sourced, not run.

# Found before the program goes to another directory.
usage_of=$(realpath "$0")

usage() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$usage_of"; }

# wrong_arguments MESSAGE: ends the program, which was called with arguments that it cannot work with.
wrong_arguments() {
  printf '%s: %s; see %s --help\n' "hack/${0##*/}" "$1" "hack/${0##*/}" >&2
  exit 2
}

# help_or_names ARGUMENT ...: ends the program with its help when it is asked for it, and with a message at any other option.
help_or_names() {
  local argument
  for argument; do
    case $argument in
      -h | --help) usage && exit 0 ;;
      -*) wrong_arguments "there is no option $argument" ;;
    esac
  done
}

# help_or_nothing ARGUMENT ...: the same for a program that takes no arguments.
help_or_nothing() {
  help_or_names "$@"
  [ $# = 0 ] || wrong_arguments "it takes no arguments, and got $1"
}
