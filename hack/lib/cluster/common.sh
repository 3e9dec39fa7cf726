# shellcheck shell=bash
# shellcheck disable=SC2034 # the settings are used by the files that are sourced beside this one
# Settings and small tools shared by every part of hack/cluster. Sourced, never run.

CACHE=${MONOROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/monoroot}
# Without root there is no cluster of our own, but the choice of another one is remembered.
if [ "$(id -u)" = 0 ]; then STATE=/var/lib/monoroot-cluster; else STATE=${XDG_STATE_HOME:-$HOME/.local/state}/monoroot-cluster; fi
STATE=${MONOROOT_STATE:-$STATE}
BIN=$CACHE/bin/current
LOGS=$STATE/logs
ADMIN=$STATE/admin.kubeconfig

# One bridge on the machine; node K has the address NODE_NET.(10+K) on it and the Pod network POD_NET.K.0/24 behind it.
BRIDGE=monoroot0
NODE_NET=10.89.0
POD_NET=10.88
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_SERVICE_IP=10.96.0.10
API_PORT=6443
MAX_NODES=99

# What a login shell of root or sudo may leave out.
export PATH=$BIN:$PATH:/usr/sbin:/sbin:/usr/local/go/bin

say() { printf '%s\n' "$*"; }
warn() { printf 'hack/cluster: %s\n' "$*" >&2; }
die() {
  warn "$@"
  exit 1
}

need_root() {
  [ "$(id -u)" = 0 ] || die "'$1' makes network namespaces and mounts, so it must run as root. Run: sudo -E hack/cluster $1"
}

kc() { "$BIN/kubectl" --kubeconfig "$ADMIN" "$@"; }

# wait_for SECONDS COMMAND...: asks five times a second until the command succeeds; false when the time is over.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# show_log NAME: the end of a log, for a person who has to find out what went wrong.
show_log() {
  [ -f "$LOGS/$1.log" ] || return 0
  warn "the last lines of $LOGS/$1.log:"
  tail -n 15 "$LOGS/$1.log" | cut -c1-400 | sed 's/^/    /' >&2
}

# lock: one hack/cluster changes the cluster at a time; processes that are started must not inherit file descriptor 9.
lock() {
  mkdir -p "$STATE"
  exec 9>"$STATE/lock"
  flock -n 9 && return
  say "Waiting for another hack/cluster to finish"
  flock 9
}

## Background processes. A pid file holds "pid start-time boot-id", so a number used again after an exit or a reboot is never taken for ours.

# identity PID: what tells this process from any later one with the same number; fails when it is gone or a zombie.
identity() {
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" != Z ] || return 1
  printf '%s %s %s\n' "$1" "${fields[19]}" "$(</proc/sys/kernel/random/boot_id)"
}

# running NAME: prints the pid when the process that was started under this name still runs.
running() {
  local recorded pid
  { read -r recorded <"$STATE/pids/$1"; } 2>/dev/null || return 1
  pid=${recorded%% *}
  [ "$(identity "$pid")" = "$recorded" ] && printf '%s\n' "$pid"
}

# start NAME CGROUP COMMAND...: starts a process in a session of its own that logs to NAME.log; nothing to do when it runs already.
start() {
  local name=$1 cgroup=$2
  shift 2
  running "$name" >/dev/null && return
  mkdir -p "$STATE/pids" "$LOGS"
  make_cgroup "$cgroup"
  (join_cgroup "$cgroup" && exec setsid "$@") >>"$LOGS/$name.log" 2>&1 </dev/null 9>&- &
  identity $! >"$STATE/pids/$name" || true
}

# stop NAME [SIGNAL]: ends the process and everything in its session's group; kills what has not gone after ten seconds.
stop() {
  local pid
  if pid=$(running "$1"); then
    kill "-${2:-TERM}" -- "-$pid" 2>/dev/null || true
    wait_for 10 gone "$1" || kill -KILL -- "-$pid" 2>/dev/null || true
    wait_for 5 gone "$1" || warn "$1 (pid $pid) does not end"
  fi
  rm -f "$STATE/pids/$1"
}

gone() { ! running "$1"; }
