# Makes the directories that systemd makes when it starts a service: packages leave /run/sshd or /run/redis to their unit.
# See RuntimeDirectory= in systemd.exec(5). Of all units, as nothing here says which of them are enabled; only where nothing is
# yet, and only in writable directories.

make_unit_directories() {
  local path mode user group plain=''
  read_unit_directories | {
    while IFS='	' read -r path mode user group; do
      case $mode:$user:$group in
        0755:-:-) plain="$plain $path" ;; # most of them: one process for all
        *) exists "$path" || make_tmpfile d "$path" "$mode" "$user" "$group" - 2>&1 ;;
      esac
    done
    [ -z "$plain" ] || (umask 022 && mkdir -p $plain 2>/dev/null)
  } | sort -u | while IFS= read -r line; do
    printf 'monoroot: warning: systemd units of %s: %s\n' "$(image)" "$line" >&3
  done
}

# Prints PATH MODE USER GROUP with tabs between them, parents first. Of units of one name that in /etc wins, as with systemd.
# Those of systemd itself are left out: without it they would only look as if it ran.
read_unit_directories() {
  local file name seen=/
  set --
  for file in /etc/systemd/system/*.service /usr/local/lib/systemd/system/*.service /usr/lib/systemd/system/*.service \
    /lib/systemd/system/*.service; do
    name=${file##*/}
    case $seen in *"/$name/"*) continue ;; esac
    [ ! -f "$file" ] && [ ! -c "$file" ] || seen=$seen$name/
    [ ! -f "$file" ] || set -- "$@" "$file"
  done
  [ $# -gt 0 ] || return 0
  # Few have any, and grep is the faster one.
  grep -lE '^(Runtime|State|Cache|Logs)Directory *=' -- "$@" | tr '\n' '\0' | xargs -0 -r awk -v "writable=${MONOROOT_WRITABLE:-}" '
    BEGIN {
      count = split(writable, tops, ":")
      base["Runtime"] = "/run"; base["State"] = "/var/lib"; base["Cache"] = "/var/cache"; base["Logs"] = "/var/log"
      while ((getline line <"/etc/passwd") > 0) { split(line, fields, ":"); gid[fields[1]] = fields[4] }
    }
    function in_overlay(path, i) {
      for (i = 1; i <= count; i++) if (index(path, tops[i] "/") == 1) return 1
      return 0
    }
    # What the unit says that has been read.
    function give(kind, i, n, names, name) {
      for (kind in base) if (!dynamic) {
        n = split(named[kind], names, " ")
        for (i = 1; i <= n; i++) {
          name = names[i]; sub(/:.*/, "", name)
          if (name !~ /^[A-Za-z0-9_][A-Za-z0-9_.@\/-]*$/ || name ~ /(^|\/)\.\.?(\/|$)/ || name ~ /^systemd(\/|$)/) continue
          if (!in_overlay(base[kind] "/" name) || user group ~ /%/) continue
          printf "%s/%s\t%s\t%s\t%s\n", base[kind], name, mode[kind] == "" ? "0755" : mode[kind], \
            user == "" ? "-" : user, group != "" ? group : user in gid ? gid[user] : "-"
        }
      }
      user = group = ""; dynamic = 0
      for (kind in base) named[kind] = mode[kind] = ""
    }
    FNR == 1 { give(); section = "" }
    /^\[/ { section = $0 }
    section !~ /^\[Service\]/ || !match($0, /^[A-Za-z]+[ \t]*=/) { next }
    {
      key = substr($0, 1, RLENGTH - 1); sub(/[ \t]+$/, "", key)
      value = substr($0, RLENGTH + 1); gsub(/^[ \t]+|[ \t\r]+$/, "", value)
    }
    key == "User" { user = value }
    key == "Group" { group = value }
    key == "DynamicUser" { dynamic = value ~ /^(yes|true|on|1)$/ }
    key ~ /^(Runtime|State|Cache|Logs)Directory$/ { sub(/Directory$/, "", key); named[key] = value == "" ? "" : named[key] " " value }
    key ~ /^(Runtime|State|Cache|Logs)DirectoryMode$/ { sub(/DirectoryMode$/, "", key); mode[key] = value }
    END { give() }' | sort -u
}
