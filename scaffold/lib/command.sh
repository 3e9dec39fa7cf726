# Finds the command and becomes it.

# Sets launch_path to the program that the kernel would run.
find_command() {
  local IFS=: dir
  launch_path=''
  case $1 in
    */*) launch_path=$1 ;;
    *)
      set -f
      for dir in $PATH; do
        if [ -f "$dir/$1" ] && [ -x "$dir/$1" ]; then
          launch_path=$dir/$1
          break
        fi
      done
      set +f
      [ -n "$launch_path" ] || fail CommandNotFound "'$1' is not in $(image): looked in $PATH"
      ;;
  esac
  exists "$launch_path" || fail CommandNotFound "'$1' is not in $(image)"
  [ -f "$launch_path" ] && [ -x "$launch_path" ] || fail CommandNotFound "'$1' of $(image) is not an executable file"
}

# Variables that the shell sets, or that it reads and does not hand on.
launch_of_shell='_|IFS|OPTIND|OPTARG|PPID|RANDOM|LINENO|FUNCNAME|EPOCHSECONDS|EPOCHREALTIME'

# execute NAME PATH [ARG ...]: becomes the program PATH, with NAME as its argv[0].
execute() {
  launch_command=$1
  shift
  launch_program=$1
  trap 'execute_failed $?' EXIT
  # The shell drops variables that it cannot name (spring.profiles.active), and has its own idea of some: they are given to env(1).
  launch_odd=''
  if grep -qzE "^([0-9]|[^=]*[^A-Za-z0-9_=]|($launch_of_shell)=)" "/proc/$$/environ"; then
    while IFS= read -r -d '' launch_line; do
      case ${launch_line%%=*} in
        [0-9]* | *[!A-Za-z0-9_]*) launch_odd=yes && set -- "$launch_line" "$@" ;;
        *) case "|$launch_of_shell|" in *"|${launch_line%%=*}|"*) launch_odd=yes && set -- "$launch_line" "$@" ;; esac ;;
      esac
    done <"/proc/$$/environ"
  fi
  unset PWD OLDPWD SHLVL # of this shell, not of the container
  [ -z "$launch_odd" ] || exec "$launch_busybox" env -- "$@"
  exec -a "$launch_command" "$@"
}

execute_failed() {
  case $1 in
    126)
      launch_missing=$(missing_capabilities "$launch_program")
      [ -z "$launch_missing" ] ||
        fail CommandNotFound "'$launch_command' of $(image) has file capabilities that the container lacks: $launch_missing: add them to spec.podTemplate.securityContext.addCapabilities, or remove them in the image (setcap -r)"
      fail CommandNotFound "'$launch_command' of $(image) may not be executed by uid $(id -u)"
      ;;
    *) fail CommandNotFound "'$launch_command' of $(image) did not start: it, its interpreter or its dynamic loader is missing" ;;
  esac
}

# Whether su would make the user that resolve_user found. Not where an earlier entry has the same name, or this one lacks fields.
su_agrees() {
  # It takes `-` for an option.
  [ "$launch_name" != - ] &&
    [ "$("$launch_busybox" id -u -- "$launch_name" 2>/dev/null)" = "$launch_uid" ] &&
    [ "$("$launch_busybox" id -g -- "$launch_name" 2>/dev/null)" = "$launch_gid" ]
}

# become COMMAND [ARG ...]: start as the user that resolve_user found.
# Of busybox's programs two change the user in place as it is needed: su knows supplementary groups but needs an entry in
# /etc/passwd, nsenter needs none and clears them. su goes by the name: two users may share a uid and differ in groups.
become() {
  launch_argv0=$1
  shift
  [ "$launch_uid:$launch_gid" != 0:0 ] || start "$launch_argv0" "$launch_path" "$@"
  set -- sh "$0" --as-user "$launch_argv0" "$launch_path" "$@"
  [ -z "$launch_member" ] || ! su_agrees ||
    execute busybox "$launch_busybox" su -p -s "$launch_busybox" -- "$launch_name" "$@"
  execute busybox "$launch_busybox" nsenter -G "$launch_gid" -S "$launch_uid" "$launch_busybox" "$@"
}
