# Does what tmpfiles.d of the image says, as systemd does it at boot: packages leave the making of /run/postgresql, /run/sshd
# or /run/php to it. See tmpfiles.d(5). Only in writable directories, and without the lines of a first boot (!), one of
# which forbids logins until systemd lifts it.

# make_tmpfiles: with the image's systemd-tmpfiles where it has one and that works, and else by the lines that services
# need: d D e q Q v f F L C p z Z.
make_tmpfiles() {
  local lines program IFS
  lines=$(read_tmpfiles)
  [ -n "$lines" ] || return 0
  for program in /usr/bin/systemd-tmpfiles /bin/systemd-tmpfiles; do
    if [ -x "$program" ]; then
      IFS=:
      set -f
      set -- ${MONOROOT_WRITABLE:-}
      set +f
      unset IFS
      ! "$program" --create $(printf -- '--prefix=%s ' "$@") >/dev/null 2>&1 || return 0
      break
    fi
  done
  printf '%s\n' "$lines" | while IFS='	' read -r type path mode user group argument; do
    make_tmpfile "$type" "$path" "$mode" "$user" "$group" "$argument" 2>&1
  done | sort -u | while IFS= read -r line; do
    printf 'monoroot: warning: tmpfiles.d of %s: %s\n' "$(image)" "$line" >&3
  done
}

# Prints the lines that count, parents before children, as TYPE PATH MODE USER GROUP ARGUMENT with tabs between them. Of
# files of one name that in /etc wins, then that in /run; of two lines for a path the first does.
read_tmpfiles() {
  local file
  for file in /etc/tmpfiles.d/*.conf /run/tmpfiles.d/*.conf /usr/local/lib/tmpfiles.d/*.conf /usr/lib/tmpfiles.d/*.conf; do
    [ ! -f "$file" ] && [ ! -c "$file" ] || printf '%s\t%s\n' "${file##*/}" "$file"
  done | awk -F '\t' '!seen[$1]++' | sort | cut -f 2 | xargs -r awk 1 | awk -v "writable=${MONOROOT_WRITABLE:-}" '
    BEGIN { count = split(writable, tops, ":") }
    function filled(text) {
      gsub(/%t/, "/run", text); gsub(/%S/, "/var/lib", text); gsub(/%C/, "/var/cache", text); gsub(/%L/, "/var/log", text)
      gsub(/%T/, "/tmp", text); gsub(/%V/, "/var/tmp", text); gsub(/%%/, "%", text)
      return text
    }
    function in_overlay(path, i) {
      for (i = 1; i <= count; i++) if (path == tops[i] || index(path, tops[i] "/") == 1) return 1
      return 0
    }
    $1 !~ /^[dDeqQvfFLCpzZ][-+=~$?]*$/ { next } # with ^ the content is a credential of systemd
    {
      path = filled($2); gsub(/^"|"$/, "", path); sub(/\/+$/, "", path)
      if (!in_overlay(path) || path ~ /%/) next
      last = substr($1, 1, 1) ~ /[ezZ]/
      if (!last && seen[path]++) next
      for (i = 3; i <= 5; i++) if ($i == "") $i = "-"
      argument = ""
      for (i = 7; i <= NF; i++) argument = argument (i > 7 ? " " : "") $i
      if (argument == "") argument = "-"
      printf "%d%s\t%s\t%s\t%s\t%s\t%s\t%s\n", last, path, $1, path, $3, $4, $5, filled(argument)
    }' | sort -s -t '	' -k 1,1 | cut -f 2-
}

make_tmpfile() {
  local kind=${1%"${1#?}"} more=${1#?} path=$2 mode=${3##*[:~]} user=${4##*:} group=${5##*:} argument=$6 entry
  is_known "$user" /etc/passwd && is_known "$group" /etc/group || return 0
  case $kind in
    d | D | q | Q | v)
      [ -d "$path" ] || { mkdir -p "$path" && chmod 0755 "$path"; } || return
      give "$path"
      ;;
    f | F)
      case $kind$more in F* | *+*) ;; *) ! exists "$path" || { give "$path" && return; } ;; esac
      [ "$argument" != - ] || argument=''
      printf '%b' "$argument" >"$path" && give "$path"
      ;;
    L)
      [ "$argument" != - ] || argument=/usr/share/factory$path
      case $more in *'?'*) [ -e "$argument" ] || return 0 ;; esac
      case $more in *+*) [ "$(readlink "$path")" = "$argument" ] || rm -rf "$path" ;; esac
      exists "$path" || ln -s "$argument" "$path"
      ;;
    C)
      [ "$argument" != - ] || argument=/usr/share/factory$path
      [ -e "$argument" ] && ! exists "$path" || return 0
      cp -a "$argument" "$path" && give "$path"
      ;;
    p) exists "$path" || mkfifo "$path" && give "$path" ;;
    e | z) for entry in $path; do ! [ -e "$entry" ] || give "$entry"; done ;;
    Z)
      for entry in $path; do
        [ -e "$entry" ] || continue
        find "$entry" | while IFS= read -r path; do give "$path"; done
      done
      ;;
  esac
}

# is_known NAME FILE: whether the file has it; systemd leaves lines with others out.
is_known() {
  case $1 in - | [0-9]*) return ;; esac
  grep -q "^$1:" "$2" 2>/dev/null || { echo "$1 is not in $2" && return 1; }
}

# give PATH: the owner and the mode that the line says, if it does.
give() {
  local owner=$user:$group
  case $owner in
    -:-) ;;
    *:-) chown -h "$user" "$1" ;;
    -:*) chown -h ":$group" "$1" ;;
    *) chown -h "$owner" "$1" ;;
  esac
  [ "$mode" = - ] || [ -L "$1" ] || chmod "$mode" "$1"
}
