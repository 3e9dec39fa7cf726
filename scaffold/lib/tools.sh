# Programs of GNU that busybox has no equal for. They lie in /.monoroot/tools with a loader and libraries of their own:
# so they need nothing of the image, whatever its C library is.

readonly launch_tools=/.monoroot/tools
launch_loader="$launch_tools/ld.so --library-path $launch_tools --inhibit-cache"

# To start one: $launch_tool NAME $launch_tools/NAME [ARG ...], where a function will not do (xargs). The environment is
# left out, as LD_PRELOAD and its like are meant for the command. With these settings malloc keeps the buffer of cp from
# one file to the next; without, a copy takes a third longer.
launch_malloc=glibc.malloc.mmap_threshold=4194304:glibc.malloc.trim_threshold=16777216
launch_tool="$launch_busybox env -i GLIBC_TUNABLES=$launch_malloc $launch_loader --argv0"

tool() {
  local name=$1
  shift
  $launch_tool "$name" "$launch_tools/$name" "$@"
}
