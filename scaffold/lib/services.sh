# Services instead of a command: the supervisor of the image runs all of /data/service.

readonly launch_services=/data/service

# Sets launch_path to the supervisor, and launch_supervisor to its name.
find_supervisor() {
  local IFS=: dir dirs=$PATH:/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/command
  set -f
  for launch_supervisor in runsvdir s6-svscan; do
    for dir in $dirs; do
      launch_path=$dir/$launch_supervisor
      [ -f "$launch_path" ] && [ -x "$launch_path" ] || continue
      set +f
      # Both look there for the programs that they are made of.
      case :$PATH: in *":$dir:"*) ;; *) PATH=$PATH:$dir ;; esac
      return
    done
  done
  set +f
  fail NoSupervisor "spec.services takes runit or s6, but neither runsvdir nor s6-svscan is in $(image): looked in $dirs"
}

make_service_directory() {
  [ ! -d "$launch_services" ] || return 0
  mkdir "$launch_services" 2>/dev/null ||
    fail NoServiceDirectory "$launch_services does not exist and cannot be made: set spec.data, or make it in the mount script of $(image)"
  chown "$launch_uid:$launch_gid" "$launch_services"
  printf 'monoroot: made %s, which holds no service yet: one is a directory with an executable file named run\n' \
    "$launch_services" >&2
}

# Becomes the supervisor, as the user that resolve_user found.
become_supervisor() {
  case $launch_supervisor in
    # At SIGTERM it stops all services and waits for them. It looks for new ones as often as runsvdir does.
    s6-svscan) become s6-svscan -t 5000 "$launch_services" ;;
    runsvdir)
      set -- "$launch_path"
      launch_path=$launch_busybox
      become busybox sh "$0" --supervise "$@"
      ;;
  esac
}

# supervise RUNSVDIR: runs it as a process with PID 1 has to: at SIGTERM runsvdir would leave its services alone, and at
# SIGHUP it stops them but does not wait.
supervise() {
  launch_stopping=''
  trap 'launch_stopping=yes; kill -HUP "$launch_runsvdir"' TERM INT
  with_signals "$1" -P "$launch_services" &
  launch_runsvdir=$!
  while :; do
    wait "$launch_runsvdir" # ends early at a signal
    launch_code=$?
    kill -0 "$launch_runsvdir" 2>/dev/null || break
  done
  [ -n "$launch_stopping" ] || exit "$launch_code"
  while has_runsv; do sleep 0.1; done
  exit 0
}

# Whether a runsv runs, which it does until its service has ended.
has_runsv() {
  local file name
  for file in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <"$file" && [ "$name" = runsv ] && return
  done
  return 1
}

# with_signals PATH [ARG ...]: becomes the program. A process that a shell starts in the background ignores SIGINT and
# SIGQUIT, and so would all services.
with_signals() {
  for launch_name in LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH; do # for the program, not for env
    eval "launch_value=\${$launch_name-}"
    [ -z "$launch_value" ] || set -- "$launch_name=$launch_value" "$@"
    unset "$launch_name"
  done
  set -- --library-path "$launch_tools" --inhibit-cache --argv0 env "$launch_tools/env" --default-signal=INT,QUIT "$@"
  execute ld.so "$launch_tools/ld.so" "$@"
}
