# Links on top of the image. The container's root is read-only and made before the image is known, so they cannot be links
# there: see docs/adr/0027-any-layout-of-the-top.md. What needs no help of launch is mounted by the Pod.

# Fills the directories that stand for links which lead into a directory of the image: each gets a link to every entry of
# that directory. A relative link in there starts from where it lies, as it must.
fill_links() {
  local pair name target output
  [ -n "${MONOROOT_LINKS:-}" ] || return 0
  chmod 0755 /.monoroot/links
  set -f
  IFS=:
  set -- $MONOROOT_LINKS
  unset IFS
  set +f
  for pair; do
    name=${pair%%=*} target=${pair#*=}
    output=$({
      cd "/.monoroot/links/$name" && chmod 0755 . &&
        find . -mindepth 1 -maxdepth 1 -print0 | xargs -0 -r rm -rf -- &&
        find "$target" -mindepth 1 -maxdepth 1 -print0 | xargs -0 -r sh -c 'exec ln -s -- "$@" .' sh
    } 2>&1) || fail DefaultsFailed "/$name, a link to $target in $(image), could not be made" "$(printf '%s' "$output" | tail -n 5)"
  done
}

# Directories of an overlay that are mounted on top by another name too must stay the same directories when the overlay is
# cleared: they count as if something were mounted in them.
keep_shared() {
  local path
  set -f
  IFS=:
  for path in ${MONOROOT_SHARED:-}; do
    mounts=$mounts$path/.monoroot//
  done
  unset IFS
  set +f
}

# What the kubelet made of them is open to all.
close_shared() {
  local path
  set -f
  IFS=:
  set -- ${MONOROOT_SHARED:-}
  unset IFS
  set +f
  for path; do
    has_defaults "$path" || { mkdir -p "$path" && chown 0:0 "$path" && chmod 0755 "$path"; }
  done
}

# defaults_of DIRECTORY: prints where its defaults are taken from: what its path comes after.
defaults_of() {
  local pair IFS=:
  set -f
  for pair in ${MONOROOT_DEFAULTS_FROM:-}; do
    [ "${pair%%=*}" != "$1" ] || { pair=${pair#*=} && printf '%s' "${pair%/*}" && return; }
  done
  printf '%s' "$defaults"
}
