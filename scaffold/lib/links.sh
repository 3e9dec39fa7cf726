# Symlinks of the image on the way to a mount.
#
# In most images /var/run leads to /run. But when the runtime mounts a service account token at /var/run/secrets/...,
# /var is still empty, so /var/run becomes a directory, and services that know /run and their clients that know /var/run
# would miss each other. A mount moves with the directory that it lies in: so that directory steps aside
# (/var/.run.mounts), /var/run is a symlink again, and /run/secrets leads to the mount. When the container starts again
# in its Pod, the runtime follows these symlinks to the same place.

# step_aside DIRECTORY: moves each directory below it away that the image has as a symlink. Sets moved=yes if there was one.
step_aside() {
  local rest=${mounts#//} point at aside
  while [ -n "$rest" ]; do
    point=${rest%%//*}
    rest=${rest#*//}
    case $point in "$1"/*) ;; *) continue ;; esac
    point=${point#"$1"/}
    at=$1
    while :; do
      case $point in */*) ;; *) break ;; esac
      at=$at/${point%%/*}
      point=${point#*/}
      if [ -L "$defaults$at" ]; then
        aside=${at%/*}/.${at##*/}.mounts
        if [ -d "$at" ] && [ ! -L "$at" ] && ! is_mount "$at" && ! holds_mount "$aside"; then
          rm -rf "$aside" && mv "$at" "$aside" && moved=yes
        fi
        break
      fi
      [ -d "$defaults$at" ] || break
    done
  done
}

# Makes what stepped aside reachable where the symlinks of the image lead to.
link_mounts() {
  local rest=${mounts#//} point aside link entry
  while [ -n "$rest" ]; do
    point=${rest%%//*}
    rest=${rest#*//}
    case $point in */.*.mounts/*) ;; *) continue ;; esac
    aside=${point%%.mounts/*}.mounts
    link=${aside##*/.}
    link=${aside%/*}/${link%.mounts}
    [ -L "$defaults$link" ] && [ -L "$link" ] || continue
    for entry in "$aside"/* "$aside"/.[!.]*; do
      if exists "$entry" && [ ! "$link/${entry##*/}" -ef "$entry" ]; then
        ln -s "$entry" "$link/${entry##*/}" 2>/dev/null || left_out "$link/${entry##*/}"
      fi
    done
  done
}
