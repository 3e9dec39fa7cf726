# Stops the command with the signal that its image or spec asks for. The kubelet sends SIGTERM to PID 1, and for nginx or
# postgres that is a fast shutdown. So where another signal is asked for, PID 1 is this shell, which passes signals on.

# start NAME PATH [ARG ...]: becomes the program PATH, or with MONOROOT_STOP_SIGNAL its parent.
start() {
  [ -n "${MONOROOT_STOP_SIGNAL:-}" ] || execute "$@"
  launch_stop=$MONOROOT_STOP_SIGNAL
  unset MONOROOT_STOP_SIGNAL
  case $launch_stop in # of glibc: busybox does not know all of their names
    RTMIN) launch_stop=34 ;;
    RTMIN+*) launch_stop=$((34 + ${launch_stop#RTMIN+})) ;;
  esac
  launch_pid=''
  for launch_name in HUP INT QUIT USR1 USR2 WINCH CONT; do
    trap "pass_on $launch_name" "$launch_name"
  done
  trap 'launch_stopping=yes; pass_on "$launch_stop"' TERM
  launch_stopping=''
  # A process that a shell starts in the background ignores SIGINT and SIGQUIT.
  with_signals "$launch_busybox" sh "$0" --execute "$@" &
  launch_pid=$!
  [ -z "$launch_stopping" ] || pass_on "$launch_stop"
  while :; do
    wait "$launch_pid" # ends early at a signal
    launch_code=$?
    kill -0 "$launch_pid" 2>/dev/null || exit "$launch_code"
  done
}

pass_on() { [ -z "$launch_pid" ] || kill "-$1" "$launch_pid" 2>/dev/null; }
