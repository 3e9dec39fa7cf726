#!/usr/bin/env bash
# The inside of a node. Runs itself three times, each time deeper: in the node's network and cgroup, in its namespaces, as its init.
# Usage: node-init.sh outside|enter|init|import NODE
set -euo pipefail
LIB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
for part in common cgroups network pki nodes node-config images; do . "$LIB/$part.sh"; done
stage=$1 NODE=$2
NUMBER=${NODE#node-}
DISK=$NODES/$NODE/disk
CONFIG=$NODES/$NODE/config

# outside: already in the node's cgroup, which becomes the root of what the node sees.
outside() { exec nsenter --net="/run/netns/$(netns "$NODE")" unshare --cgroup bash "$0" enter "$NODE"; }

enter() {
  # On v2 a cgroup with processes cannot delegate controllers to its children, so the node's own processes get a leaf.
  if cgroup_v2; then make_cgroup "$NODE/services" && join_cgroup "$NODE/services"; fi
  exec unshare --mount --uts --ipc --pid --fork --kill-child --mount-proc --propagation private bash "$0" init "$NODE"
}

# init: process 1 of the node: mounts, starts and restarts its programs, and reaps what they leave behind (bash does).
init() {
  hostname "$NODE"
  own_cgroup_view
  if cgroup_v2; then enable_controllers /sys/fs/cgroup; fi
  mount -t tmpfs -o mode=755 run /run
  mount_disk
  mount_resolv_conf
  mount_machine_id
  mount --make-rshared /
  write_node_config
  supervise containerd containerd --config "$CONFIG/containerd.toml" &
  wait_for 60 ctr version || echo "containerd did not answer within 60 s"
  # A bad archive is said in the log; the node is of use without it.
  import_new_images "$NODE" || true
  supervise kube-proxy kube-proxy --config "$CONFIG/kube-proxy.yaml" --hostname-override "$NODE" &
  supervise kubelet kubelet --config "$CONFIG/kubelet.yaml" --kubeconfig "$PKI/$NODE.kubeconfig" \
    --hostname-override "$NODE" --node-ip "$NODE_NET.$((10 + NUMBER))" &
  wait
}

mount_disk() {
  local dir
  for dir in "${MOUNT_POINTS[@]}"; do
    mkdir -p "$DISK$dir"
    mount --bind "$DISK$dir" "$dir"
  done
}

# The machine's file may point into /run, which is the node's own by now.
mount_resolv_conf() {
  local target
  target=$(readlink -m /etc/resolv.conf)
  [ -f "$target" ] || { mkdir -p "${target%/*}" && touch "$target"; }
  mount --bind "$STATE/resolv.conf" "$target"
}

# Nodes are told apart by it, so it cannot be the machine's.
mount_machine_id() {
  [ -s "$DISK/machine-id" ] || tr -d - </proc/sys/kernel/random/uuid >"$DISK/machine-id"
  [ ! -f /etc/machine-id ] || mount --bind "$DISK/machine-id" /etc/machine-id
}

# supervise NAME COMMAND...: restarts a program that ends, as a real node's init does.
supervise() {
  local name=$1 status
  shift
  while :; do
    status=0
    "$@" >>"$LOGS/$NODE.$name.log" 2>&1 || status=$?
    echo "$(date +%T) $name ended with $status, restarting it"
    sleep 1
  done
}

case $stage in
  outside) outside ;;
  enter) enter ;;
  init) init ;;
  import) import_new_images "$NODE" ;;
  *) die "unknown stage '$stage'" ;;
esac
