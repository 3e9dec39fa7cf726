# What is mounted where.
#
# The kubelet mounts its own files inside the writable directories (/etc/hosts, a volume at /var/lib/db, a service
# account token), which must be neither removed nor written to. A device number does not tell them apart (a bind mount
# keeps it), so the mount table is the authority.

# Sets `mounts` to every mount point, as //PATH//PATH//: a path never holds //, so a match is exact whatever else it holds.
read_mounts() {
  local point
  mounts=//
  # The kernel writes blanks and backslashes as octal escapes, so a point is one word. (`read` takes a system call for
  # every byte, which is too slow here.)
  set -f
  for point in $(cut -d ' ' -f 5 /proc/self/mountinfo); do
    case $point in
      *\\*)
        point=$(printf '%bx' "$point")
        point=${point%x}
        ;;
    esac
    mounts=$mounts$point//
  done
  set +f
}

is_mount() { case $mounts in *"//$1//"*) ;; *) return 1 ;; esac; }
holds_mount() { case $mounts in *"//$1/"[!/]*) ;; *) return 1 ;; esac; }
exists() { [ -e "$1" ] || [ -L "$1" ]; }

# left_out PATH: says on file descriptor 3, the container's stderr, that a default is not there.
left_out() {
  printf 'monoroot: %s of %s is left out: something is mounted below that path\n' "$1" "$(image)" >&3
}
