# shellcheck shell=bash
# What the programs of a node read. Uses NODE, NUMBER and CONFIG of node-init.sh.

write_node_config() {
  mkdir -p "$CONFIG/cni"
  # Point to point instead of a bridge: all traffic of Pods is routed, so Services work without the br_netfilter module.
  cat >"$CONFIG/cni/10-monoroot.conflist" <<END
{
  "cniVersion": "1.0.0",
  "name": "monoroot",
  "plugins": [
    {
      "type": "ptp",
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_NET.$NUMBER.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": true}}
  ]
}
END
  cat >"$CONFIG/containerd.toml" <<END
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "$PAUSE_IMAGE"
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "$STATE/registries"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = $(lacks_sys_resource && echo true || echo false)
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "$(command -v runc)"
SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["$BIN/cni"]
conf_dir = "$CONFIG/cni"
END
  # Disk pressure is judged on the machine's disk, which is not the cluster's to empty: never evict for it. Memory is guarded.
  cat >"$CONFIG/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$NODE.crt
tlsPrivateKeyFile: $PKI/$NODE.key
clusterDNS: [$DNS_SERVICE_IP]
clusterDomain: cluster.local
resolvConf: $STATE/resolv.conf
maxPods: 250
nodeLeaseDurationSeconds: 20
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0%}
END
  cat >"$CONFIG/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $PKI/kube-proxy.kubeconfig}
clusterCIDR: $POD_NET.0.0/16
conntrack: {maxPerCore: 0}
END
}

# Without this capability (number 24) no one may lower an OOM score, and containerd must not try.
lacks_sys_resource() {
  local effective
  effective=$(sed -n 's/^CapEff:\s*//p' /proc/self/status)
  ((!(16#$effective >> 24 & 1)))
}
