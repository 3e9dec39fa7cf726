# File capabilities of a program. The kernel does not start one that says it must have a capability which the container lacks.

launch_capability_names='CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'

# missing_capabilities PROGRAM: prints those that the program must have and the container lacks.
missing_capabilities() {
  local attribute low high bounding name number=0 missing=''
  # In the header that tar writes for it: struct vfs_cap_data, in little-endian words.
  attribute=$(tool tar --format=posix --xattrs --xattrs-include=security.capability --create --absolute-names --dereference --file=- -- "$1" 2>/dev/null |
    head -c 4096 | od -An -v -tx1 | tr -d ' \n')
  case $attribute in # SCHILY.xattr.security.capability=
    *534348494c59*73656375726974792e6361706162696c6974793d*) ;;
    *) return ;;
  esac
  attribute=${attribute#*73656375726974792e6361706162696c6974793d}
  case $attribute in ?1*) ;; *) return ;; esac # the effective bit: else a capability that is missing does not matter
  low=0x${attribute:14:2}${attribute:12:2}${attribute:10:2}${attribute:8:2}
  high=0x${attribute:30:2}${attribute:28:2}${attribute:26:2}${attribute:24:2}
  bounding=0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
  for name in $launch_capability_names; do
    if [ $((((high << 32 | low) & ~bounding) >> number & 1)) = 1 ]; then
      missing="$missing${missing:+, }$name"
    fi
    number=$((number + 1))
  done
  printf '%s' "$missing"
}
