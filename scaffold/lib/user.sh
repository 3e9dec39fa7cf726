# Who the command runs as.

is_number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; }

# What busybox can change to. Longer ones would not fit the arithmetic of the shell either.
is_id() { is_number "$1" && [ ${#1} -le 10 ] && [ "$1" -le 2147483647 ]; }

# Sets launch_uid, launch_gid, launch_home, launch_name and launch_member (whether /etc/group gives more groups).
# As with Docker: a number needs no entry, a group that is asked for is the only one, the default group of an unknown uid is 0.
resolve_user() {
  local user=${1%%:*} group='' name uid gid home
  user=${user:-0}
  case $1 in *:*) group=${1#*:} ;; esac
  launch_uid='' launch_gid=0 launch_home=/ launch_name='' launch_member=''
  if [ -r /etc/passwd ]; then
    while IFS=: read -r name _ uid gid _ home _ || [ -n "$name" ]; do
      [ "$name" = "$user" ] || [ "$uid" = "$user" ] || continue
      launch_uid=$uid launch_gid=$gid launch_home=${home:-/} launch_name=$name launch_member=yes
      break
    done </etc/passwd
  fi
  if [ -z "$launch_uid" ]; then
    is_number "$user" || fail UnknownUser "user '$user' is not in /etc/passwd of $(image)"
    launch_uid=$user
  fi
  is_id "$launch_uid" || fail UnknownUser "uid '$launch_uid' of user '$user' of $(image) is no number from 0 to 2147483647"
  if [ -z "$group" ]; then
    is_id "$launch_gid" || fail UnknownUser "gid '$launch_gid' of user '$user' of $(image) is no number from 0 to 2147483647"
    return 0
  fi
  launch_gid='' launch_member=''
  if is_number "$group"; then
    launch_gid=$group
  elif [ -r /etc/group ]; then
    while IFS=: read -r name _ gid _ || [ -n "$name" ]; do
      [ "$name" != "$group" ] || { launch_gid=$gid && break; }
    done </etc/group
  fi
  [ -n "$launch_gid" ] || fail UnknownUser "group '$group' is not in /etc/group of $(image)"
  is_id "$launch_gid" || fail UnknownUser "gid '$launch_gid' of group '$group' of $(image) is no number from 0 to 2147483647"
}

# What the environment already says wins, but for the HOME of root that the container runtime sets.
set_user_environment() {
  case ${HOME:-/} in / | /root) HOME=$launch_home ;; esac
  : "${USER:=$launch_name}" "${LOGNAME:=$launch_name}"
  export HOME
  [ -z "$USER" ] || export USER
  [ -z "$LOGNAME" ] || export LOGNAME
}
