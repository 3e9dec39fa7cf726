# shellcheck shell=bash
# etcd, API server, controller manager and scheduler: processes of the machine itself, one of each.

COMPONENTS=(etcd kube-apiserver kube-controller-manager kube-scheduler)
ETCD_PORT=23790

ensure_control_plane() {
  local component
  for component in etcd kube-apiserver; do start_component "$component"; done
  wait_for 120 api_ready_or_dead || true
  api_ready >/dev/null 2>&1 || {
    show_log etcd
    show_log kube-apiserver
    die "the API server at https://$NODE_NET.1:$API_PORT did not become ready within 120 s, or ended"
  }
  for component in kube-controller-manager kube-scheduler; do start_component "$component"; done
}

api_ready() { kc get --raw /readyz; }

# No use in waiting for one that has ended.
api_ready_or_dead() { ! running etcd || ! running kube-apiserver || api_ready; }

is_component() { [[ " ${COMPONENTS[*]} " == *" $1 "* ]]; }

start_component() { "start_${1//-/_}"; }

start_etcd() {
  # No fsync: the data of a cluster for trying things may be lost with the machine's power, and slow disks are common.
  start etcd control-plane "$BIN/etcd" --name monoroot --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn --watch-progress-notify-interval=5s \
    --listen-client-urls "https://127.0.0.1:$ETCD_PORT" --advertise-client-urls "https://127.0.0.1:$ETCD_PORT" \
    --listen-peer-urls "http://127.0.0.1:$((ETCD_PORT + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((ETCD_PORT + 1))" \
    --initial-cluster "monoroot=http://127.0.0.1:$((ETCD_PORT + 1))" \
    --cert-file "$PKI/etcd.crt" --key-file "$PKI/etcd.key" --client-cert-auth --trusted-ca-file "$PKI/ca.crt"
}

start_kube_apiserver() {
  # Aggregator routing sends webhooks and extension APIs straight to Pods: the machine has routes to them, but no kube-proxy.
  start kube-apiserver control-plane "$BIN/kube-apiserver" \
    --etcd-servers "https://127.0.0.1:$ETCD_PORT" --etcd-cafile "$PKI/ca.crt" --etcd-certfile "$PKI/apiserver.crt" --etcd-keyfile "$PKI/apiserver.key" \
    --bind-address "$NODE_NET.1" --advertise-address "$NODE_NET.1" --secure-port "$API_PORT" \
    --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" --client-ca-file "$PKI/ca.crt" \
    --kubelet-certificate-authority "$PKI/ca.crt" --kubelet-client-certificate "$PKI/kubelet-client.crt" --kubelet-client-key "$PKI/kubelet-client.key" \
    --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$PKI/sa.key" --service-account-signing-key-file "$PKI/sa.key" \
    --service-cluster-ip-range "$SERVICE_CIDR" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --allow-privileged --enable-aggregator-routing --profiling=false
}

start_kube_controller_manager() {
  # A node counts as lost after 20 s without a sign of life instead of 50 s (kubelets here renew their lease every 5 s): tests wait for it.
  start kube-controller-manager control-plane "$BIN/kube-controller-manager" \
    --kubeconfig "$PKI/kube-controller-manager.kubeconfig" --bind-address 127.0.0.1 --leader-elect=false \
    --service-account-private-key-file "$PKI/sa.key" --root-ca-file "$PKI/ca.crt" --use-service-account-credentials \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
    --node-monitor-grace-period 20s --node-monitor-period 2s
}

start_kube_scheduler() {
  start kube-scheduler control-plane "$BIN/kube-scheduler" --kubeconfig "$PKI/kube-scheduler.kubeconfig" --bind-address 127.0.0.1 --leader-elect=false
}

stop_control_plane() {
  local component
  for component in kube-scheduler kube-controller-manager kube-apiserver etcd; do stop "$component" KILL; done
}
