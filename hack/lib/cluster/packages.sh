# shellcheck shell=bash
# The few programs that come from the distribution.

# command:Debian package
NEEDED=(
  ip:iproute2 nft:nftables conntrack:conntrack runc:runc openssl:openssl busybox:busybox-static
  nsenter:util-linux unshare:util-linux flock:util-linux setsid:util-linux mount:mount sysctl:procps tar:tar sha256sum:coreutils
)

# ensure_packages: installs what is missing where there is apt-get; elsewhere says what to install.
ensure_packages() {
  local pair packages=()
  for pair in "${NEEDED[@]}"; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
  done
  # A busybox with shared libraries cannot run in an image that holds nothing else.
  if command -v busybox >/dev/null && ldd "$(command -v busybox)" >/dev/null 2>&1; then packages+=(busybox-static); fi
  [ ${#packages[@]} -gt 0 ] || return 0
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  command -v apt-get >/dev/null || die "these programs are missing, install them first (Debian's package names): ${packages[*]}"
  say "Installing Debian packages: ${packages[*]}"
  apt_install "${packages[@]}" || { apt-get update -qq && apt_install "${packages[@]}"; } || die "apt-get could not install ${packages[*]}"
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }

# check_kernel: what cannot be installed, with the reason said before anything is half made.
check_kernel() {
  unshare --net true 2>/dev/null || die "this machine does not allow network namespaces (is this an unprivileged container?); a whole machine or VM is needed"
  unshare --mount true 2>/dev/null || die "this machine does not allow mount namespaces (is this an unprivileged container?); a whole machine or VM is needed"
  [ -e /sys/fs/cgroup/cgroup.procs ] || [ -d /sys/fs/cgroup/memory ] || die "no cgroups are mounted at /sys/fs/cgroup"
  nft list tables >/dev/null 2>&1 || die "this kernel has no nftables, which kube-proxy needs"
  # Modules that most distributions load only when asked; built-in ones need nothing.
  modprobe -aq overlay veth bridge nf_tables 2>/dev/null || true
}
