# How launch ends when it cannot start the command.

# fail REASON MESSAGE [DETAIL]: ends the container; DETAIL may have several lines.
fail() {
  local line
  line="monoroot: $1: $(printf '%s' "$2" | tr '\n' ' ')${3:+
$3}"
  printf '%s\n' "$line" >&2
  # The kubelet reads the last 4096 bytes of this file, so DETAIL is kept short by those who pass it.
  [ ! -w "$launch_termination_log" ] || printf '%s\n' "$line" >"$launch_termination_log"
  trap - EXIT
  exit 125
}

image() { printf '%s:%s' "${MONOROOT_OS:-image}" "${MONOROOT_VERSION:-unknown}"; }
