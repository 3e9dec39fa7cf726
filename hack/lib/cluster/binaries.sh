# shellcheck shell=bash
# Builds the cluster's programs from the pinned Go modules in hack/cluster-modules into the cache, each module once per change.

CORE_MODULES=(etcd kubernetes containerd cni coredns)
# Programs that become images of their own, without a C library in it.
STATIC_MODULES=(coredns crane registry cosign syft helm3 helm4)
# Flux, for test/integration/operator/flux.test.ts. Their go.mod has the replace lines of their own, which count only in a main module.
GITOPS_MODULES=(source-controller kustomize-controller)

# build_binaries [MODULE...]: makes sure that the programs of these modules (default: all that a cluster needs) are in $BIN; with GOARCH of
# another architecture in $CACHE/bin/$GOARCH.
build_binaries() {
  local module dir links=$BIN modules=("${@:-${CORE_MODULES[@]}}") missing=()
  need_go
  [ "$(go env GOARCH)" = "$(go env GOHOSTARCH)" ] || links=$CACHE/bin/$(go env GOARCH)
  mkdir -p "$links"
  for module in "${modules[@]}"; do
    [ -f "$MODULES/$module/go.mod" ] || die "there is no module '$module'; there are: $(cd "$MODULES" && echo *)"
    dir=$(module_dir "$module")
    if [ -d "$dir" ]; then link_module "$module" "$dir" "$links"; else missing+=("$module"); fi
  done
  # What is built already does not wait for another's build.
  [ ${#missing[@]} -gt 0 ] || return 0
  exec 8>"$CACHE/bin/lock"
  flock 8
  for module in "${missing[@]}"; do
    dir=$(module_dir "$module")
    [ -d "$dir" ] || build_module "$module" "$dir"
    link_module "$module" "$dir" "$links"
  done
  exec 8>&-
}

need_go() {
  command -v go >/dev/null || die "Go is missing. Install Go 1.26 or newer (https://go.dev/dl) and put it on the PATH"
  # An older Go fetches the version that a module asks for by itself, unless it is too old for that or told not to.
  local message
  message=$(cd "$MODULES/containerd" && go version 2>&1) || die "this Go cannot build the cluster, 1.26 or newer is needed: $message"
}

module_version() { sed -nE "s#^(require|[[:space:]])[[:space:]]*$2 (v[^ ]+).*#\2#p" "$MODULES/$1/go.mod" | head -n 1; }

# build_flags MODULE: flags of go build; a change of them is a change of the module's directory in the cache.
build_flags() {
  local version minor
  case $1 in
    kubernetes)
      version=$(module_version kubernetes k8s.io/kubernetes)
      minor=${version#v1.}
      printf -- '-s -w -X k8s.io/component-base/version.gitVersion=%s' "$version"
      printf -- ' -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=%s' "${minor%%.*}"
      ;;
    containerd) printf -- '-s -w -X github.com/containerd/containerd/v2/version.Version=%s' "$(module_version containerd github.com/containerd/containerd/v2)" ;;
    crane) printf -- '-s -w -X github.com/google/go-containerregistry/cmd/crane/cmd.Version=%s' "$(module_version crane github.com/google/go-containerregistry)" ;;
    # It says in each list of packages which version wrote it.
    syft) printf -- '-s -w -X main.version=%s' "$(module_version syft github.com/anchore/syft)" ;;
    *) printf -- '-s -w' ;;
  esac
}

# compiler_flags MODULE: coredns has no debugging information, which the linker leaves out of all anyway. The others get the same with their
# next version: a change of flags has everybody build them again.
compiler_flags() { [ "$1" != coredns ] || printf -- '-gcflags=all=-dwarf=false'; }

# package_of MODULE: what is built: the tools that its go.mod names, or a program of its own.
package_of() { if [ -f "$MODULES/$1/main.go" ]; then printf .; else printf tool; fi; }

is_gitops() { [[ " ${GITOPS_MODULES[*]} " == *" $1 "* ]]; }

is_static() { [[ " ${STATIC_MODULES[*]} ${GITOPS_MODULES[*]} " == *" $1 "* ]]; }

module_dir() {
  local hash
  hash=$({
    cat "$MODULES/$1/go.mod" "$MODULES/$1/go.sum"
    [ "$(package_of "$1")" = tool ] || cat "$MODULES/$1/main.go"
    build_flags "$1"
    compiler_flags "$1"
    go env GOARCH
    ! is_static "$1" || echo static
  } | sha256sum)
  printf '%s/bin/%s-%s\n' "$CACHE" "$1" "${hash:0:12}"
}

# build_module MODULE DIR: the directory appears only when the build is whole.
build_module() {
  local new=$2.new
  rm -rf "$new"
  mkdir -p "$new"
  run_go_build "$1" "$new" "$CACHE/bin/$1.log"
  # The main package of etcd lives in a directory called "server".
  [ "$1" != etcd ] || mv "$new/server" "$new/etcd"
  # Two versions of Helm stand side by side.
  [[ "$1" != helm? ]] || mv "$new/helm" "$new/$1"
  mv "$new" "$2"
}

# build_memory: how many MiB each compiler and the linker may use before they collect garbage, which is much of the work for large packages.
# It is a soft limit: half of the free memory for as many compilers as run at once, and at most 2 GiB.
build_memory() {
  local kib=$((4 * 1024 * 1024)) mib
  [ ! -r /proc/meminfo ] || kib=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
  mib=$((kib / 2048 / $(getconf _NPROCESSORS_ONLN)))
  if [ "$mib" -lt 512 ]; then mib=512; elif [ "$mib" -gt 2048 ]; then mib=2048; fi
  printf '%d\n' "$mib"
}

run_go_build() {
  local module=$1 out=$2 log=$3 began=$SECONDS next=$((SECONDS + 10)) cgo='' flags pid last
  ! is_static "$module" || cgo=0
  mapfile -t flags < <(compiler_flags "$module")
  say "Building $module (log: $log)"
  (
    cd "$MODULES/$module" || exit
    [ -z "$cgo" ] || export CGO_ENABLED=$cgo
    ! is_gitops "$module" || export GOFLAGS=-trimpath
    export GOGC=off GOMEMLIMIT="$(build_memory)MiB"
    exec go build -v -mod=readonly "${flags[@]}" -ldflags "$(build_flags "$module")" -o "$out/" "$(package_of "$module")"
  ) >"$log" 2>&1 8>&- 9>&- &
  pid=$!
  # The shell makes background commands deaf to Ctrl-C.
  trap 'kill "$pid"; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.5
    [ "$SECONDS" -ge "$next" ] || continue
    next=$((SECONDS + 10))
    last=$(tail -n 1 "$log")
    say "  $module: $((SECONDS - began)) s, $(grep -vc '^go: ' "$log" || true) packages compiled, now: ${last:-reading the build cache, linking}"
  done
  wait "$pid" || {
    tail -n 15 "$log" >&2
    die "building $module failed after $((SECONDS - began)) s"
  }
  trap - INT TERM
  say "Built $module in $((SECONDS - began)) s"
}

# link_module MODULE DIR LINKS: LINKS always shows the newest build; plugins have a directory of their own, as containerd wants one.
link_module() {
  local file
  if [ "$1" = cni ]; then
    ln -sfn "$2" "$3/cni"
    return
  fi
  for file in "$2"/*; do ln -sfn "$file" "$3/${file##*/}"; done
}
