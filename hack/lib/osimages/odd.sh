# shellcheck shell=bash
# Roots that are not laid out like Debian's. Sourced by hack/osimages.
#
# The package registries give Debian packages only, so these are Debian's programs, put where other systems put them, and
# Debian's source of mini_httpd built with musl. What is odd about each root is real: links, modes, libraries, what is missing.

odd_packages=bash,busybox-static,coreutils,grep,libc-bin,mini-httpd,musl,runit,s6,sed
odd_bundles=(distroless-1 alpine-like-1 rhel-like-1 services-1 services-2)

# odd_source KIT: downloads and builds mini_httpd with musl, as $work/mini_httpd and, static, $work/mini_httpd-static.
odd_source() {
  local kit=$1 parts=$work/sources file source=$work/source options
  mkdir -p "$parts" "$work/lists/partial" "$work/archives/partial" "$source"
  for file in "$kit"/etc/apt/sources.list "$kit"/etc/apt/sources.list.d/*; do
    [ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/;s/^deb /deb-src /' "$file" >"$parts/${file##*/}"
  done
  options=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$parts" -o "Dir::State::Lists=$work/lists"
    -o "Dir::Cache::Archives=$work/archives" -o APT::Sandbox::User=root)
  quietly apt-get "${options[@]}" update
  (cd "$source" && quietly apt-get "${options[@]}" source --download-only mini-httpd)
  tar -xzf "$source"/mini-httpd_*.orig.tar.gz -C "$source" --strip-components=1
  # Debian's musl has no crypt(3): no password is right, and there are none.
  sed -i 's/crypt( authpass, cryp )/""/' "$source/mini_httpd.c"
  quietly make -C "$source" mini_httpd CC=musl-gcc CFLAGS='-O2 -w' CRYPT_LIB=
  mv "$source/mini_httpd" "$work/mini_httpd"
  quietly make -C "$source" mini_httpd CC=musl-gcc CFLAGS='-O2 -w' CRYPT_LIB= LDFLAGS='-s -static'
  mv "$source/mini_httpd" "$work/mini_httpd-static"
}

# odd_root OS VERSION: makes the directories that all have, in $root.
odd_root() {
  root=$work/$1-$2/root
  mkdir -p "$root"/{dev,etc,home,mnt,opt,proc,root,run,srv,sys,tmp,usr/{lib,share/monoroot},var/{lib,log,tmp,www}}
  chmod 1777 "$root/tmp" "$root/var/tmp"
  chmod 700 "$root/root"
  echo "$1:$2" >"$root/usr/share/monoroot/version"
  printf 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/sbin/nologin\n' >"$root/etc/passwd"
  printf 'root:x:0:\nwww-data:x:33:\n' >"$root/etc/group"
}

# odd_pack OS VERSION MOUNT-SCRIPT [COMMAND ...]
odd_pack() {
  local name=$1-$2 script=$3 json command=''
  json="{\"os\":\"$1\",\"version\":\"$2\",\"architecture\":\"$(dpkg --print-architecture)\""
  shift 3
  [ $# -eq 0 ] || command=$(printf ',"%s"' "$@")
  json="$json${command:+,\"defaults\":{\"command\":[${command#,}]\}}}"
  pack "$name" "$key" "$root" "$recipes/$script" "$json" --owner=0 --group=0 --clamp-mtime --mtime=2024-01-01
  say "Made ${name%-*}:${name##*-}, $(($(stat -c %s "$out/$name.tar.zst") >> 10)) KiB, $(du -sk "$root" | cut -f1) KiB unpacked"
}

# Nothing but one static program: no shell, no C library, /bin empty; the program lies in a directory of its own on top.
odd_distroless() {
  odd_root distroless 1
  mkdir -p "$root"/{app,bin,home/nonroot,lib,sbin,etc/ssl/certs}
  install -m 755 "$work/mini_httpd-static" "$root/app/server"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
  ln -s /run "$root/var/run"
  odd_pack distroless 1 odd-mount.sh /app/server -D -h 0.0.0.0 -p 8080 -d /var/www -u nonroot
}

# As Alpine: directories of its own for /bin, /sbin and /lib, busybox for all tools, musl as C library, no /etc/resolv.conf.
# Its busybox is Debian's, which is static; the service is linked with musl.
odd_alpine_like() {
  local kit=$1 applet libc
  odd_root alpine-like 1
  mkdir -p "$root"/{bin,sbin,lib,media,etc/apk,usr/{bin,sbin,local/bin},var/{cache,empty,spool/cron},lib/apk/db}
  install -m 755 "$kit/bin/busybox" "$root/bin/busybox"
  for applet in $("$kit/bin/busybox" --list-full); do
    [ -e "$root/$applet" ] || [ ! -d "$root/${applet%/*}" ] || ln -s /bin/busybox "$root/$applet"
  done
  libc=$(echo "$kit"/lib/ld-musl-*.so.1)
  cp -L "$libc" "$root/lib/"
  libc=${libc##*/}
  ln -s "$libc" "$root/lib/${libc/ld-/libc.}"
  install -m 755 "$work/mini_httpd" "$root/usr/sbin/mini_httpd"
  printf 'NAME="Alpine-like"\nID=alpine-like\nVERSION_ID=1\n' >"$root/usr/lib/os-release"
  ln -s ../usr/lib/os-release "$root/etc/os-release"
  ln -s ../proc/mounts "$root/etc/mtab"
  ln -s /etc/crontabs "$root/var/spool/cron/crontabs"
  ln -s ../run "$root/var/run"
  ln -s ../run/lock "$root/var/lock"
  odd_pack alpine-like 1 odd-mount.sh /usr/sbin/mini_httpd -D -h 0.0.0.0 -p 8080 -d /var/www -u www-data
}

# As Red Hat's: merged /usr with the libraries in lib64, which Debian's loader finds through /etc/ld.so.cache only;
# directories that their owner may not write; a shadow file that no one may read; links in /etc and /var.
odd_rhel_like() {
  local kit=$1 name
  odd_root rhel-like 1
  mkdir -p "$root"/{afs,boot,media,etc/{dnf,ld.so.conf.d,pki/tls,sysconfig,yum.repos.d},usr/{bin,sbin,lib64,libexec,local,share/zoneinfo},var/{cache/dnf,lib/rpm}}
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
  for name in '[' basename bash cat chmod chown cp cut date df dirname echo env getent grep head id install ln ls mkdir mv od \
    printf pwd readlink rm rmdir sed sha256sum sleep sort stat tail test touch tr true uname wc; do
    cp -a "$kit"/{,usr/}bin/"$name" "$root/usr/bin/" 2>/dev/null || [ -e "$root/usr/bin/$name" ]
  done
  ln -s bash "$root/usr/bin/sh"
  cp -a "$kit/usr/sbin/mini_httpd" "$root/usr/sbin/"
  find "$kit"/{lib,usr/lib}/*-linux-gnu -maxdepth 1 -regex \
    '.*/lib\(acl\|attr\|c\|crypt\|crypto\|gmp\|nss_dns\|nss_files\|pcre2-8\|resolv\|selinux\|ssl\|tinfo\)[.-].*so.*' \
    -exec cp -a -t "$root/usr/lib64" {} +
  # The loader is where all programs look for it: in /lib64, or on arm64 in /lib.
  cp -L "$kit"/lib/*-linux-gnu/ld-linux-*.so.* "$root/usr/lib64/"
  for name in "$root"/usr/lib64/ld-linux-*; do [ -e "$kit/lib64/${name##*/}" ] || mv "$name" "$root/usr/lib/"; done
  printf 'include ld.so.conf.d/*.conf\n' >"$root/etc/ld.so.conf"
  printf '/usr/lib64\n' >"$root/etc/ld.so.conf.d/lib64.conf"
  /sbin/ldconfig -r "$root"
  rm -rf "$root/var/cache/ldconfig"
  printf 'NAME="RHEL-like"\nID=rhel-like\nVERSION_ID=1\n' >"$root/usr/lib/os-release"
  printf 'RHEL-like release 1\n' >"$root/etc/redhat-release"
  printf 'root:*:19000:0:99999:7:::\n' >"$root/etc/shadow"
  ln -s redhat-release "$root/etc/system-release"
  ln -s ../usr/lib/os-release "$root/etc/os-release"
  ln -s ../proc/self/mounts "$root/etc/mtab"
  ln -s ../usr/share/zoneinfo/UTC "$root/etc/localtime"
  ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
  ln -s ../run "$root/var/run"
  ln -s ../run/lock "$root/var/lock"
  chmod 000 "$root/etc/shadow"
  chmod 555 "$root"/usr/{bin,sbin,lib,lib64} "$root"
  chmod 550 "$root/root"
  odd_pack rhel-like 1 odd-mount.sh /usr/sbin/mini_httpd -D -h 0.0.0.0 -p 8080 -d /var/www -u www-data
}

# Debian with runit (version 1) or s6 (version 2), no command: the service is in /data/service, where the mount script puts it.
odd_services() {
  local kit=$1 version=$2 name
  odd_root services "$version"
  cp -a "$kit"/{bin,sbin,lib,lib64,usr} "$root/"
  for name in bin sbin lib lib64; do
    mkdir -p "$root/usr/$name"
    cp -a "$root/$name/." "$root/usr/$name/"
    rm -rf "${root:?}/$name"
    ln -s "usr/$name" "$root/$name"
  done
  rm -rf "$root"/usr/share/{bash-completion,common-licenses,doc,info,lintian,locale,man,perl,perl5} \
    "$root"/usr/lib/*-linux-gnu/{gconv,perl,perl-base} "$root"/usr/lib/*-linux-gnu/libperl* "$root"/usr/lib/*-musl \
    "$root"/usr/lib/ld-musl* "$root"/usr/bin/{perl,cpan}* "$root/usr/bin/busybox"
  ln -s bash "$root/usr/bin/sh"
  case $version in
    1) rm -f "$root"/usr/bin/s6* ;;
    2) rm -f "$root"/usr/bin/{chpst,cpsv,runsv,runsvdir,sv,svlogd} ;;
  esac
  printf 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n' >"$root/usr/lib/os-release"
  ln -s ../usr/lib/os-release "$root/etc/os-release"
  ln -s /run "$root/var/run"
  ln -s /run/lock "$root/var/lock"
  odd_pack services "$version" odd-services-mount.sh
}

odd() {
  local key name kit=$work/kit started=$SECONDS root='' fresh=yes
  key=$(recipe_key odd "$(debian_sources)")
  for name in "${odd_bundles[@]}"; do current "$name" "$key" || fresh=''; done
  if [ -n "$fresh" ]; then
    say 'The odd images are up to date'
  else
    [ "$(id -u)" = 0 ] || die 'making these roots takes root: use sudo -E'
    ensure_packages mmdebstrap:mmdebstrap zstd:zstd make:make musl-gcc:musl-tools
    say 'Making the odd images from Debian packages'
    debian_bootstrap "$kit" --variant=extract --include="$odd_packages"
    odd_source "$kit"
    odd_distroless
    odd_alpine_like "$kit"
    odd_rhel_like "$kit"
    odd_services "$kit" 1
    odd_services "$kit" 2
    say "Made all five in $((SECONDS - started)) s"
  fi
  printf '%s\n' "${odd_bundles[@]/#/$out/}" | sed 's/$/.tar.zst/'
}
