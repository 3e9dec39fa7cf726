# shellcheck shell=bash
# Each node, and the control plane, has a cgroup of its own: monoroot-cluster/NAME in every hierarchy of cgroup v1, or in the one of v2.
# It says what belongs to the cluster even when every other record is lost.

CGROUP=monoroot-cluster

cgroup_v2() { [ -f /sys/fs/cgroup/cgroup.controllers ]; }

# cgroup_mounts: the directories at which hierarchies are mounted.
cgroup_mounts() {
  local _ dir type
  while read -r _ dir type _; do
    case $type in cgroup | cgroup2) printf '%s\n' "$dir" ;; esac
  done </proc/self/mounts
}

# make_cgroup NAME: makes it in every hierarchy.
make_cgroup() {
  local mount
  if cgroup_v2; then
    enable_controllers /sys/fs/cgroup
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    enable_controllers "/sys/fs/cgroup/$CGROUP"
    mkdir -p "/sys/fs/cgroup/$CGROUP/$1"
    return
  fi
  for mount in $(cgroup_mounts); do
    mkdir -p "$mount/$CGROUP/$1"
    [ ! -f "$mount/cpuset.cpus" ] || copy_cpuset "$mount" "$CGROUP" "$CGROUP/$1"
  done
}

# enable_controllers DIR: lets the children of a v2 cgroup use all controllers that it has itself.
enable_controllers() {
  local controller
  for controller in $(<"$1/cgroup.controllers"); do
    echo "+$controller" 2>/dev/null >"$1/cgroup.subtree_control" || true
  done
  case " $(<"$1/cgroup.subtree_control") " in
    *' memory '*) ;;
    *) die "cannot delegate the memory controller in $1; inside a container, move its processes out of the root cgroup first" ;;
  esac
}

# copy_cpuset ROOT CHILD...: on v1 a new cpuset is empty, and no process can enter an empty one.
copy_cpuset() {
  local root=$1 child
  shift
  for child in "$@"; do
    cat "$root/cpuset.cpus" >"$root/$child/cpuset.cpus"
    cat "$root/cpuset.mems" >"$root/$child/cpuset.mems"
  done
}

# join_cgroup NAME: moves the calling process.
join_cgroup() {
  local mount
  for mount in $(cgroup_mounts); do echo "$BASHPID" >"$mount/$CGROUP/$1/cgroup.procs"; done
}

# cgroup_processes NAME: everything that still runs in it.
cgroup_processes() {
  local mount
  for mount in $(cgroup_mounts); do
    [ ! -d "$mount/$CGROUP/$1" ] || find "$mount/$CGROUP/$1" -name cgroup.procs -exec cat {} + 2>/dev/null
  done | sort -un
}

# cgroup_memory NAME: bytes of memory in use by processes, without the page cache.
cgroup_memory() {
  local file=/sys/fs/cgroup/memory/$CGROUP/$1/memory.stat key=total_rss
  if cgroup_v2; then file=/sys/fs/cgroup/$CGROUP/$1/memory.stat key=anon; fi
  sed -n "s/^$key //p" "$file" 2>/dev/null
}

# remove_cgroup NAME: kills what is still in it, and removes it.
remove_cgroup() {
  wait_for 15 try_remove_cgroup "$1" || warn "cgroup $CGROUP/$1 could not be removed; processes in it: $(cgroup_processes "$1" | xargs)"
}

try_remove_cgroup() {
  local mount pid left=0
  for pid in $(cgroup_processes "$1"); do kill -KILL "$pid" 2>/dev/null || true; done
  for mount in $(cgroup_mounts); do
    [ -d "$mount/$CGROUP/$1" ] || continue
    find "$mount/$CGROUP/$1" -depth -type d -exec rmdir {} + 2>/dev/null || left=1
  done
  return $left
}

# cgroup_names: the cgroups of the cluster that exist.
cgroup_names() {
  local mount
  for mount in $(cgroup_mounts); do
    [ ! -d "$mount/$CGROUP" ] || find "$mount/$CGROUP" -mindepth 1 -maxdepth 1 -type d -printf '%f\n'
  done | sort -u
}

remove_all_cgroups() {
  local name mount
  for name in $(cgroup_names); do remove_cgroup "$name"; done
  for mount in $(cgroup_mounts); do [ ! -d "$mount/$CGROUP" ] || rmdir "$mount/$CGROUP" || true; done
}

# own_cgroup_view: run inside a node's new cgroup and mount namespaces: mounts the hierarchies afresh, so that the node sees its cgroup as the root.
own_cgroup_view() {
  local line controllers dir views=()
  if cgroup_v2; then
    umount -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    return
  fi
  while IFS=: read -r _ controllers _; do
    # Empty: the v2 hierarchy beside the v1 ones, which has no controllers and would only confuse.
    [ -z "$controllers" ] || views+=("$controllers")
  done </proc/self/cgroup
  umount -l -R /sys/fs/cgroup
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for controllers in "${views[@]}"; do
    dir=/sys/fs/cgroup/${controllers#name=}
    mkdir "$dir"
    case $controllers in name=*) line=none,$controllers ;; *) line=$controllers ;; esac
    mount -t cgroup -o "$line" cgroup "$dir"
    # cpu,cpuacct is looked for under each of its names.
    case $controllers in *,*) for line in ${controllers//,/ }; do ln -s "$controllers" "/sys/fs/cgroup/$line"; done ;; esac
  done
}
