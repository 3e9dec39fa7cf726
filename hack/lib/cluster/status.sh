# shellcheck shell=bash
# What runs, for a person.

mebibytes() { printf '%d MiB' $((${1:-0} / 1048576)); }

show_status() {
  local name pid
  [ -f "$ADMIN" ] || {
    say "No cluster here ($STATE). Start one: hack/cluster up"
    exit 3
  }
  say "Control plane (https://$NODE_NET.1:$API_PORT, $(mebibytes "$(cgroup_memory control-plane)") of memory)"
  for name in "${COMPONENTS[@]}"; do
    if pid=$(running "$name"); then
      printf '  %-24s running, pid %-8s %s\n' "$name" "$pid" "$(mebibytes $(($(sed -n 's/^VmRSS:\s*\([0-9]*\).*/\1/p' "/proc/$pid/status") * 1024)))"
    else
      printf '  %-24s stopped\n' "$name"
    fi
  done
  say "Nodes (memory: the node's programs and its Pods)"
  for name in $(node_names); do
    if pid=$(running "$name"); then
      printf '  %-8s %-12s power on   pid %-8s %s\n' "$name" "$NODE_NET.$((10 + ${name#node-}))" "$pid" "$(mebibytes "$(cgroup_memory "$name")")"
    else
      printf '  %-8s %-12s power off  hack/cluster node start %s\n' "$name" "$NODE_NET.$((10 + ${name#node-}))" "$name"
    fi
  done
  if kc get --raw /readyz >/dev/null 2>&1; then
    kc get nodes -o wide | cut -c1-200 | sed 's/^/  /'
  else
    say "  The API server does not answer; its log: hack/cluster logs kube-apiserver"
  fi
  say "Paths"
  printf '  %-24s %s\n' 'programs' "$BIN" 'kubeconfig' "$ADMIN" 'logs' "$LOGS" "a node's disk" "$NODES/<node>/disk" 'loaded images' "$IMAGES"
}
