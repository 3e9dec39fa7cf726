# shellcheck shell=bash
# Certificates and kubeconfigs, all below $STATE/pki and only for root. One authority signs everything.

PKI=$STATE/pki

ensure_pki() {
  local name
  mkdir -p "$PKI"
  chmod 700 "$PKI"
  if [ ! -f "$PKI/ca.crt" ]; then
    new_key ca
    openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=monoroot-cluster -days 3650 -out "$PKI/ca.crt"
  fi
  # Service account tokens are signed with RSA, the one kind of key that every client library verifies.
  [ -f "$PKI/sa.key" ] || openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
  certificate etcd /CN=etcd IP:127.0.0.1
  certificate apiserver /CN=kube-apiserver "IP:$NODE_NET.1,IP:127.0.0.1,IP:$API_SERVICE_IP,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  certificate kubelet-client /CN=kube-apiserver-kubelet-client
  certificate admin /O=system:masters/CN=admin
  for name in kube-controller-manager kube-scheduler kube-proxy; do certificate "$name" "/CN=system:$name"; done
  for name in kube-controller-manager kube-scheduler kube-proxy; do kubeconfig "$name" "$PKI/$name.kubeconfig"; done
  kubeconfig admin "$ADMIN"
}

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"; }

# certificate NAME SUBJECT [ALTERNATIVE-NAMES]: for clients and servers alike; made once.
certificate() {
  [ -f "$PKI/$1.crt" ] && return
  new_key "$1"
  openssl req -new -key "$PKI/$1.key" -subj "$2" |
    openssl x509 -req -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -days 3650 -out "$PKI/$1.crt.new" \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "${3:-DNS:$1}") 2>/dev/null
  mv "$PKI/$1.crt.new" "$PKI/$1.crt"
}

# kubeconfig CERTIFICATE FILE: with everything inside, so the file can be copied away.
kubeconfig() {
  [ -f "$2" ] && return
  (
    umask 077
    cat >"$2.new" <<END
apiVersion: v1
kind: Config
clusters: [{name: monoroot, cluster: {server: "https://$NODE_NET.1:$API_PORT", certificate-authority-data: "$(base64 -w0 "$PKI/ca.crt")"}}]
users: [{name: $1, user: {client-certificate-data: "$(base64 -w0 "$PKI/$1.crt")", client-key-data: "$(base64 -w0 "$PKI/$1.key")"}}]
contexts: [{name: monoroot, context: {cluster: monoroot, user: $1}}]
current-context: monoroot
END
  )
  mv "$2.new" "$2"
}
