# shellcheck shell=bash
# The machine's side of nodes. A node is a process tree in its own namespaces (see node-init.sh) with a directory of its own:
#   disk/      what survives a power cut: containerd, kubelet, cni, logs, monoroot
#   config/    what its programs read, written at each start

NODES=$STATE/nodes
# Directories of the machine over which a node mounts those of its disk.
MOUNT_POINTS=(/var/lib/containerd /var/lib/kubelet /var/lib/cni /var/lib/monoroot /var/log/pods /var/log/containers)

node_names() { [ ! -d "$NODES" ] || find "$NODES" -mindepth 1 -maxdepth 1 -name 'node-*' -printf '%f\n' | sort -V; }

need_node() { [ -d "$NODES/${1:?}" ] || die "there is no node '$1'; there are: $(node_names | xargs)"; }

# start_node NAME: with whatever is on its disk; nothing to do when it runs.
start_node() {
  local number=${1#node-}
  running "$1" >/dev/null && return
  # Whatever an unfinished or lost start has left.
  remove_cgroup "$1"
  mkdir -p "$NODES/$1"/{config,imported,disk}
  ensure_mount_points
  certificate "$1" "/O=system:nodes/CN=system:node:$1" "DNS:$1,IP:$NODE_NET.$((10 + number))"
  kubeconfig "$1" "$PKI/$1.kubeconfig"
  plug_node "$1" "$number"
  start "$1" "$1" bash "$LIB/node-init.sh" outside "$1"
}

# stop_node NAME: a power cut: nothing gets a chance to end cleanly. The disk stays.
stop_node() {
  stop "$1" KILL
  remove_cgroup "$1"
  unplug_node "$1"
}

# node_pid NAME: the node's own init.
node_pid() {
  local pid children
  pid=$(running "$1") || return 1
  # The kernel ends the list without a newline, which "read" reports as a failure.
  read -r children _ <"/proc/$pid/task/$pid/children" || [ -n "$children" ] || return 1
  printf '%s\n' "$children"
}

# node_exec NAME COMMAND...: runs a command in all of a running node's namespaces, and in its cgroup, as one of its own programs.
node_exec() {
  local pid cgroup=$1
  pid=$(node_pid "$1") || die "$1 does not run; start it: hack/cluster node start $1"
  if cgroup_v2; then cgroup=$1/services; fi
  shift
  (join_cgroup "$cgroup" && exec nsenter -t "$pid" --mount --uts --ipc --net --pid --cgroup -- "$@")
}

# node_ready NAME: its kubelet answers now, and the API server knows it as Ready.
node_ready() {
  [ "$(kc get --raw "/api/v1/nodes/$1/proxy/healthz")" = ok ] &&
    [ "$(kc get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

wait_for_node() {
  wait_for "$2" node_ready "$1" && return
  for log in "$1" "$1.containerd" "$1.kubelet" "$1.kube-proxy"; do show_log "$log"; done
  die "$1 was not Ready within $2 s"
}

ensure_mount_points() {
  local dir
  for dir in "${MOUNT_POINTS[@]}"; do
    [ -d "$dir" ] && continue
    mkdir -p "$dir"
    printf '%s\n' "$dir" >>"$STATE/made-directories"
  done
}

remove_mount_points() {
  [ -f "$STATE/made-directories" ] || return 0
  xargs -r rmdir --ignore-fail-on-non-empty <"$STATE/made-directories" 2>/dev/null || true
}
