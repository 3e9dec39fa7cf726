# Makes the writable directories as new.

# Prints what to remove from a directory, each ending in NUL: everything but mount points and the directories on the
# way to one. One `rm` for all of it: a process for each entry would cost more than all the rest.
removable() {
  local entry
  [ ! -g "$1" ] || chmod g-s "$1" # what is copied into it would inherit that
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if ! exists "$entry" || is_mount "$entry"; then
      continue
    elif holds_mount "$entry"; then
      removable "$entry"
    else
      printf '%s\0' "$entry"
    fi
  done
}

# set_time_zone NAME: the one that spec.timeZone asks for. A TZ of the image or of spec.env is handed on as it is.
set_time_zone() {
  local zone=/usr/share/zoneinfo/$1
  case $1 in
    /* | *..* | *[!A-Za-z0-9_+/-]*) fail InvalidTimeZone "'$1' is not a time zone name: use one like Europe/Berlin" ;;
  esac
  if [ ! -f "$zone" ]; then
    [ "$1" != UTC ] || return 0 # needs no file: it is what there is without one
    fail InvalidTimeZone "$(image) has no time zone '$1': $zone does not exist (package tzdata has the zones)"
  fi
  case :$MONOROOT_WRITABLE: in *:/etc:*) ;; *) return 0 ;; esac
  if ! is_mount /etc/localtime; then
    rm -f /etc/localtime && ln -s "$zone" /etc/localtime
  fi
  if ! is_mount /etc/timezone; then
    rm -f /etc/timezone && printf '%s\n' "$1" >/etc/timezone
  fi
}

# Makes one writable directory as new.
refill_directory() {
  local dir=$1 output defaults=$defaults
  defaults=$(defaults_of "$dir")
  output=$({ removable "$dir" | xargs -0 -r rm -rf --; } 2>&1) ||
    fail DefaultsFailed "$dir could not be cleared" "$(printf '%s' "$output" | tail -n 5)"
  if has_defaults "$dir"; then
    output=$(copy "$dir" 2>&1) || copy_failed "$dir" "$output"
    [ -z "$output" ] || copy_incomplete "$dir" "$output"
  else
    [ "$dir" != /etc ] || printf 'monoroot: warning: %s has no /etc: it begins empty\n' "$(image)" >&3
    chown 0:0 "$dir" && chmod 0755 "$dir"
  fi
  # World-writable whatever the archive says: an emptyDir and a careless tar both lose the sticky bit.
  case $dir in /tmp | /var/tmp) chmod 1777 "$dir" ;; esac
}

# Direct mounts are fresh and have the defaults below them. The top of an overlay is a directory of the scaffold, so it gets
# owner and mode of the image's.
own_overlays() {
  local pair path owner output
  for pair in ${MONOROOT_OVERLAYS:-}; do
    path=${pair%%=*} owner=${pair#*=}
    output=$({ chown "${owner%:*}" "$path" && chmod "${owner##*:}" "$path"; } 2>&1) ||
      fail DefaultsFailed "$path could not be given owner and mode of $(image)" "$(printf '%s' "$output" | tail -n 5)"
  done
  for path; do
    case $path in /tmp | /var/tmp) chmod 1777 "$path" ;; esac
  done
}

# All of the above, in a subshell to keep its variables out of the environment. The directories are separate mounts and
# are filled side by side.
refill() (
  exec 3>&2
  defaults=${MONOROOT_DEFAULTS:-/.monoroot/defaults}
  IFS=:
  set -f
  set -- ${MONOROOT_WRITABLE:-}
  set +f
  unset IFS
  read_mounts
  keep_shared
  fill_links
  moved=''
  for dir; do
    # Without this check a mistake in the Pod would empty a directory of the image or of the customer.
    if [ -L "$dir" ]; then
      place=$(readlink -f "$dir")
      fail DefaultsFailed "$dir of spec.writable is a link to $place in $(image): name that directory instead, or none where it is in an overlay already"
    fi
    is_mount "$dir" || fail DefaultsFailed "$dir is in MONOROOT_WRITABLE but is not a mounted volume"
    step_aside "$dir"
  done
  [ -z "$moved" ] || { read_mounts && keep_shared; }
  if [ "${MONOROOT_DIRECT:-}" = true ]; then
    own_overlays "$@"
    set --
  fi
  jobs=''
  for dir; do
    refill_directory "$dir" &
    jobs="$jobs $!"
  done
  for job in $jobs; do
    wait "$job" || exit
  done
  close_shared
  link_mounts
  # What systemd makes at boot elsewhere: without it no one can take a lock.
  [ ! -L /var/lock ] || [ -e /var/lock ] || mkdir -p -m 1777 /run/lock 2>/dev/null
  make_tmpfiles
  make_unit_directories
  [ -z "${MONOROOT_TIME_ZONE:-}" ] || set_time_zone "$MONOROOT_TIME_ZONE"
)

# Says which volumes of the image are none here: what is written there in Docker can be written nowhere.
name_volumes() (
  IFS=:
  set -f
  for path in ${MONOROOT_VOLUMES:-}; do
    [ ! -d "$path" ] || [ ! -w "$path" ] || continue
    case $path in
      /usr | /usr/*) advice='use /data, as nothing in /usr can be an overlay' ;;
      *) advice='add it to spec.writable where the image has the directory, or use /data' ;;
    esac
    printf 'monoroot: warning: %s is a volume of %s, but cannot be written to here: %s\n' "$path" "$(image)" "$advice" >&2
  done
)
