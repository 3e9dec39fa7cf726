# Debian roots and packages for hack/images and hack/osimages. Sourced, not run.

say() { printf '%s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# quietly COMMAND ...: shows its output only if it fails.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 9>&-; then
    cat "$log" >&2
    rm -f "$log"
    die "this failed: $*"
  fi
  rm -f "$log"
}

# ensure_packages PROGRAM:PACKAGE ...: installs the Debian packages of programs that are missing.
ensure_packages() {
  local pair packages=()
  for pair; do
    # Not `command -v`: that is content with a function of the name, such as buildah in hack/images.
    type -P "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
  done
  [ ${#packages[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "${packages[*]} (names of Debian packages) must be installed first"
  [ "$(id -u)" = 0 ] || die "${packages[*]} must be installed first: sudo apt-get install ${packages[*]}"
  say "Installing ${packages[*]}"
  quietly apt-get update
  DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends "${packages[@]}"
}

is_debian_12() {
  [ -r /etc/os-release ] && (. /etc/os-release && [ "${ID:-}:${VERSION_ID:-}" = debian:12 ])
}

# Prints the files that say where Debian's packages come from: those of this machine if it is Debian 12 too, as it may
# reach no other mirror; else none, which means Debian's own.
debian_source_files() {
  is_debian_12 || return 0
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    ! grep -qsE '^deb .* bookworm .*main' "$file" || printf '%s\n' "$file"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    ! grep -qsE '^Suites:.* bookworm' "$file" || ! grep -qsE '^Components:.* main' "$file" || printf '%s\n' "$file"
  done
}

# Prints the settings without which those sources may not be reached: proxies, certificates, checks.
apt_settings() { apt-config dump | grep -E '^Acquire::(https?|Check-.*|Retries)(::.*)? "[^"]' || true; }

# Prints all that a root depends on besides its recipe.
debian_sources() {
  debian_source_files | xargs -r cat
  apt_settings
}

# debian_bootstrap TARGET [OPTION ...]: makes a small Debian 12 with mmdebstrap, in a directory or a .tar file. It has no
# documentation and no translations, nor will what is installed in it later. (The filter of mmdebstrap itself does the
# same four times slower.)
debian_bootstrap() {
  local target=$1 sources options paths='doc info locale man'
  shift
  mapfile -t sources < <(debian_source_files)
  options=$(mktemp)
  apt_settings >"$options"
  quietly mmdebstrap --mode=root --variant=minbase --aptopt="$options" \
    --essential-hook="for path in $paths; do echo path-exclude=/usr/share/\$path/'*'; done >\"\$1/etc/dpkg/dpkg.cfg.d/no-docs\"" \
    --customize-hook="cd \"\$1/usr/share\" && rm -rf $paths" "$@" bookworm "$target" "${sources[@]}"
  rm -f "$options"
}
