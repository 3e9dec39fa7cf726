# shellcheck shell=bash
# Cluster DNS, and the right of the API server to talk to kubelets.

ensure_dns() {
  local forward='forward . /etc/resolv.conf'
  # Without any name server to ask, coredns would refuse to start.
  [ -s "$STATE/resolv.conf" ] || forward=''
  sed -e "s#COREDNS_IMAGE#$COREDNS_IMAGE#; s#DNS_SERVICE_IP#$DNS_SERVICE_IP#; s#FORWARD#$forward#" "$LIB/addons.yaml" |
    kc apply --server-side --force-conflicts -f - >/dev/null
}

wait_for_dns() {
  kc -n kube-system rollout status deployment/coredns --timeout "$1s" >/dev/null && return
  kc -n kube-system describe pods -l k8s-app=kube-dns | tail -n 25 >&2
  kc -n kube-system logs -l k8s-app=kube-dns --tail 10 >&2
  die "cluster DNS was not ready within $1 s"
}
