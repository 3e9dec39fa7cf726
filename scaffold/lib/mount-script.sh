# Runs the image's mount script and takes its variables over.

# Passes the script's output on and keeps its last lines. Ends at the line with the exit code, not at the end of the
# pipe: a process that the script left behind holds the pipe open.
relay() {
  local line lines=0 last='' code=''
  while IFS= read -r line; do
    case $line in
      *"$1"*)
        code=${line##*"$1"}
        line=${line%"$1"*}
        ;;
    esac
    if [ -n "$line" ] || [ -z "$code" ]; then
      printf '%s\n' "$line"
      last="$last${line:0:400}
"
      lines=$((lines + 1))
    fi
    while [ "$lines" -gt 20 ] || { [ ${#last} -gt 3000 ] && [ "$lines" -gt 1 ]; }; do
      last=${last#*
}
      lines=$((lines - 1))
    done
    [ -z "$code" ] || break
  done
  case $code in
    0)
      # Who still writes to the pipe must not die of that. What runs in the background finds nothing at descriptor 0.
      exec 3<&0
      "$launch_busybox" cat <&3 &
      return
      ;;
    '') code='was killed' ;;
    timeout) code="did not end within $launch_limit s" ;;
    *) code="exited with code $code" ;;
  esac
  fail MountScriptFailed "the mount script of $(image) $code" "${last%
}"
}

# Runs the script and prints $1 with its exit code, or when its time is up, with `timeout`. Then launch ends, and with PID 1
# the kernel ends all other processes.
run_within_limit() {
  local shell="$launch_busybox sh" timer
  [ ! -x /bin/sh ] || shell=/bin/sh
  sleep "$launch_limit" &
  timer=$!
  (
    $shell "$launch_script"
    printf '%s%d\n' "$1" $?
    kill "$timer"
  ) &
  if wait "$timer" 2>/dev/null; then
    printf '%stimeout\n' "$1"
  else
    wait
  fi
}

# As a job that the shell waits for: only so does PID 1 act on SIGTERM while a script hangs.
run_mount_script() {
  local end='monoroot mount script exit code: '
  launch_limit=${MONOROOT_MOUNT_SCRIPT_TIMEOUT:-60}
  case $launch_limit in
    *[!0-9]* | ??????????*) launch_number=0 ;;
    *) launch_number=$launch_limit ;;
  esac
  [ "$launch_number" -gt 0 ] ||
    fail MountScriptFailed "MONOROOT_MOUNT_SCRIPT_TIMEOUT is '$launch_limit': set it to whole seconds, more than 0"
  { run_within_limit "$end" 2>&1 | relay "$end"; } &
  wait $! || return
  wait_for_relay
}

# The command is the only process, unless the script has left one behind: then what passes its output on stays with it. Each
# try starts a process, and so gives the others time and takes those away that have ended.
wait_for_relay() {
  local tries=0
  while [ "$tries" -lt 200 ]; do
    set -- /proc/[0-9]*
    [ $# -gt 1 ] || return 0
    (:)
    tries=$((tries + 1))
  done
}

# Makes the file that MONOROOT_ENV names, in a directory that was cleared just now.
make_environment_file() {
  case :${MONOROOT_WRITABLE:-}: in
    *:/run:*) MONOROOT_ENV=/run/.monoroot-environment ;;
    *:/tmp:*) MONOROOT_ENV=/tmp/.monoroot-environment ;;
    *) MONOROOT_ENV=/dev/null ;;
  esac
  export MONOROOT_ENV
  [ "$MONOROOT_ENV" = /dev/null ] || (umask 077 && : >"$MONOROOT_ENV") ||
    fail DefaultsFailed "$MONOROOT_ENV could not be made"
}

# Exports KEY=value lines. Values are literal: no quotes, no expansion. Values stay out of messages: they may be secret.
read_environment_file() {
  launch_number=0
  while IFS= read -r launch_line || [ -n "$launch_line" ]; do
    launch_number=$((launch_number + 1))
    case $launch_line in '' | '#'*) continue ;; esac
    case ${launch_line%%=*} in
      "$launch_line" | '' | [0-9]* | *[!A-Za-z0-9_]*)
        fail MountScriptFailed "the mount script of $(image) wrote line $launch_number of \$MONOROOT_ENV not as KEY=value"
        ;;
    esac
    export "$launch_line"
  done <"$MONOROOT_ENV"
  rm -f "$MONOROOT_ENV"
}
