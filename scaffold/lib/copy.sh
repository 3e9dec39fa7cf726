# Copies the defaults with all that they have: owners, modes, times to the nanosecond, links, special files, extended
# attributes, ACLs and file capabilities. The functions take paths relative to the directory `parent`, of which the
# defaults' equal is the working directory.

# Prints what to copy, each path ending in NUL: a directory as a whole, or if something is mounted below it, what it
# holds but for mount points. One `cp` for all of it, so that hard links stay what they are.
copyable() {
  local entry
  if ! holds_mount "$parent/$1"; then
    printf '%s\0' "$1"
    return
  fi
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if ! exists "$entry" || is_mount "$parent/$entry"; then
      continue
    elif [ -d "$entry" ] && [ ! -L "$entry" ]; then
      copyable "$entry"
    elif holds_mount "$parent/$entry"; then
      left_out "$parent/$entry"
    else
      printf '%s\0' "$entry"
    fi
  done
}

# Prints the directories that are there already because something is mounted below them.
on_the_way() {
  local entry
  printf '%s\0' "$1"
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -d "$entry" ] && [ ! -L "$entry" ] && holds_mount "$parent/$entry" && ! is_mount "$parent/$entry" || continue
    on_the_way "$entry"
  done
}

# copy DIRECTORY: fills it from the defaults. Attributes that could not be kept are only complained about.
copy() {
  local dir=$1 parent=${1%/*} name=${1##*/}
  cd "$defaults$parent" || return
  set -- -dR --preserve=all --reflink=never --parents -t "$parent/" --
  if ! holds_mount "$dir"; then
    tool cp "$@" "$name"
    return
  fi
  # Without a size, xargs would call cp again after 20 KiB.
  copyable "$name" | xargs -0 -r -s 1000000 $launch_tool cp "$launch_tools/cp" "$@" || return
  # cp has no way to give a directory that exists the attributes of another without its content; tar has.
  set -- --format=posix --xattrs --xattrs-include='*' --acls --numeric-owner
  on_the_way "$name" | tool tar "$@" --create --null --no-recursion --files-from=- |
    tool tar "$@" --extract --same-owner --preserve-permissions -C "$parent/"
}

# has_defaults DIRECTORY: whether the image has it, as a directory that no symlink leads to.
has_defaults() {
  local at=$defaults rest=${1#/}/
  while [ -n "$rest" ]; do
    at=$at/${rest%%/*}
    rest=${rest#*/}
    [ -d "$at" ] && [ ! -L "$at" ] || return 1
  done
}

# kib_used PATH and kib_size PATH, in KiB.
kib_used() { set -- $(du -sk "$1"); echo "$1"; }
kib_size() { set -- $(df -Pk "$1" | tail -n 1); echo "$2"; }

copy_failed() {
  case $2 in
    *'No space left on device'*)
      local used size advice="give $1 a larger size in spec.writable"
      used=$(kib_used "$defaults$1") size=$(kib_size "$1")
      [ "$used" -le 204800 ] || advice="an overlay holds 204800 KiB at most: keep large files of $1 out of the image, in /data or in a directory that is no overlay (/usr, /opt)"
      fail DefaultsTooLarge "$1: the defaults of $(image) take $used KiB, but the writable directory holds $size KiB: $advice"
      ;;
  esac
  fail DefaultsFailed "$1 could not be filled from the defaults of $(image)" "$(printf '%s' "$2" | tail -n 5)"
}

# A file without its capabilities is worth a warning, not the start of the container.
copy_incomplete() {
  printf 'monoroot: warning: %s lacks attributes that the defaults of %s have (file capabilities take the capability SETFCAP): %s\n' \
    "$1" "$(image)" "$(printf '%s' "$2" | head -n 3 | tr '\n' ';')" >&2
}
