# shellcheck shell=bash
# Clusters that were not made here: one that KUBECONFIG names, or one of kind. $STATE/mode says which is used: "existing PATH" or "kind PATH".

KIND_NAME=monoroot
OLDEST_MINOR=33

mode() { cut -d' ' -f1 "$STATE/mode" 2>/dev/null || true; }
mode_kubeconfig() { cut -d' ' -f2- "$STATE/mode"; }

set_mode() {
  [ ! -f "$ADMIN" ] || die "a cluster made by hack/cluster is in $STATE; end it first (hack/cluster down) or set MONOROOT_STATE to another directory"
  mkdir -p "$STATE"
  printf '%s %s\n' "$1" "$2" >"$STATE/mode"
}

any_kubectl() {
  local kubectl
  kubectl=$(command -v kubectl) || die "kubectl is missing; install it, or build it: hack/cluster binaries kubernetes"
  "$kubectl" "$@"
}

up_existing() {
  local config=${KUBECONFIG:-} version minor
  [ -n "$config" ] || die "--existing needs KUBECONFIG to name the kubeconfig of the cluster to use"
  [ -f "$config" ] || die "KUBECONFIG is '$config', which is not a file"
  config=$(realpath "$config")
  version=$(any_kubectl --kubeconfig "$config" --request-timeout 15s get --raw /version) || die "the cluster of $config does not answer"
  minor=$(sed -nE 's/.*"minor": *"([0-9]+).*/\1/p' <<<"$version")
  [ "${minor:-0}" -ge $OLDEST_MINOR ] || die "the cluster of $config is Kubernetes 1.${minor:-?}; 1.$OLDEST_MINOR or newer is needed"
  set_mode existing "$config"
  say "Using the existing cluster of $config, Kubernetes 1.$minor"
}

kind_command() {
  command -v kind >/dev/null || build_binaries kind
  kind "$@"
}

docker_answers() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }

up_kind() {
  local config=$STATE/kind.kubeconfig
  docker_answers || die "--kind needs a Docker daemon that answers ('docker info'); without one use plain: hack/cluster up"
  set_mode kind "$config"
  kind_command get clusters 2>/dev/null | grep -qx $KIND_NAME ||
    kind_command create cluster --name $KIND_NAME --config "$ROOT/hack/lib/cluster/kind.yaml" --wait 180s
  kind_command get kubeconfig --name $KIND_NAME >"$config"
  chmod 600 "$config"
}

down_foreign() {
  case $(mode) in
    kind) kind_command delete cluster --name $KIND_NAME && rm -f "$STATE/kind.kubeconfig" ;;
    existing) say "Left the existing cluster of $(mode_kubeconfig) alone" ;;
  esac
  rm -f "$STATE/mode"
}

load_foreign() {
  local file name=$KIND_NAME context
  if [ "$(mode)" = existing ]; then
    context=$(any_kubectl --kubeconfig "$(mode_kubeconfig)" config current-context)
    { [[ $context == kind-* ]] && docker_answers; } ||
      die "the nodes of an existing cluster cannot be reached from here: push the images to a registry that they pull from, and set their names in a kustomize overlay (docs/operations.md)"
    name=${context#kind-}
  fi
  for file in "$@"; do kind_command load image-archive "$file" --name "$name"; done
}
