# shellcheck shell=bash
# The machine's side of the network: a bridge with all nodes on it, routes to their Pods, and masquerading towards the outside.
# Nodes send everything through the machine, so a node needs no route to any other.

netns() { printf 'monoroot-%s\n' "$1"; }
veth() { printf 'mr-%s\n' "$1"; }

ensure_network() {
  remember_sysctls
  sysctl -qw net.ipv4.ip_forward=1
  ip link show "$BRIDGE" >/dev/null 2>&1 || ip link add "$BRIDGE" type bridge
  ip address replace "$NODE_NET.1/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  nft -f - <<END
table ip monoroot_cluster
delete table ip monoroot_cluster
table ip monoroot_cluster {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr { $POD_NET.0.0/16, $NODE_NET.0/24 } ip daddr != { $POD_NET.0.0/16, $NODE_NET.0/24 } oifname != "$BRIDGE" masquerade
  }
}
END
  # Docker's default is to drop what it does not know.
  if drops_forwarded; then
    iptables -C FORWARD -i "$BRIDGE" -j ACCEPT 2>/dev/null || iptables -I FORWARD -i "$BRIDGE" -j ACCEPT
    iptables -C FORWARD -o "$BRIDGE" -j ACCEPT 2>/dev/null || iptables -I FORWARD -o "$BRIDGE" -j ACCEPT
  fi
}

drops_forwarded() { command -v iptables >/dev/null && iptables -S FORWARD 2>/dev/null | grep -q '^-P FORWARD DROP'; }

remove_network() {
  nft delete table ip monoroot_cluster 2>/dev/null || true
  if drops_forwarded; then
    iptables -D FORWARD -i "$BRIDGE" -j ACCEPT 2>/dev/null || true
    iptables -D FORWARD -o "$BRIDGE" -j ACCEPT 2>/dev/null || true
  fi
  ip link delete "$BRIDGE" 2>/dev/null || true
  restore_sysctls
}

# plug_node NAME NUMBER: gives the node its network namespace, its address and the route to its Pods.
plug_node() {
  local ns address=$NODE_NET.$((10 + $2))
  ns=$(netns "$1")
  # One left by an unfinished start is not worth repairing.
  unplug_node "$1"
  ip netns add "$ns"
  ip link add "$(veth "$1")" type veth peer name eth0 netns "$ns"
  ip link set "$(veth "$1")" master "$BRIDGE" up
  ip -n "$ns" link set lo up
  ip -n "$ns" address add "$address/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip -n "$ns" route add default via "$NODE_NET.1"
  ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1
  ip route replace "$POD_NET.$2.0/24" via "$address"
}

unplug_node() {
  ip link delete "$(veth "$1")" 2>/dev/null || true
  ip netns delete "$(netns "$1")" 2>/dev/null || true
}

## The kubelet and this script change settings of the whole machine; "down" puts them back.

SYSCTLS=(
  net.ipv4.ip_forward vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
  kernel.keys.root_maxkeys kernel.keys.root_maxbytes
)

remember_sysctls() {
  [ -f "$STATE/sysctls" ] || sysctl "${SYSCTLS[@]}" 2>/dev/null >"$STATE/sysctls" || true
}

restore_sysctls() {
  [ ! -f "$STATE/sysctls" ] || sysctl -q --load "$STATE/sysctls" >/dev/null 2>&1 || true
}

# write_resolv_conf: the nodes' resolv.conf: name servers that can be reached from another network namespace, which local stubs cannot.
write_resolv_conf() {
  local file
  for file in /etc/resolv.conf /run/systemd/resolve/resolv.conf; do
    [ -f "$file" ] && grep -E '^nameserver' "$file" | grep -vE '\s(127\.|::1|fe80)' >"$STATE/resolv.conf" && return
  done
  : >"$STATE/resolv.conf"
}
