# shellcheck shell=bash
# Debian 12 with nginx, in three versions. Sourced by hack/osimages.

# inside ROOT COMMAND ...: runs a command in the tree, with the network names of this machine and the file systems that
# package scripts expect. The mounts end with the command.
inside() {
  local root=$1
  shift
  : >"$root/etc/resolv.conf"
  # shellcheck disable=SC2016 # expanded by the inner shell
  DEBIAN_FRONTEND=noninteractive quietly unshare --mount --propagation private sh -ec '
    root=$1
    shift
    mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" "$@"' sh "$root" "$@"
}

# Removes what belongs to the making of a tree or to the machine that it runs on.
tidy() {
  local root=$1
  rm -rf "$root"/{etc/resolv.conf,etc/hostname,var/lib/apt/lists,var/cache/apt,var/cache/debconf/*-old,var/log/apt}
  rm -f "$root"/var/log/{dpkg,bootstrap,alternatives}.log
  mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
}

# debian_version ROOT VERSION KEY: marks the tree as that version and packs it.
debian_version() {
  local root=$1 version=$2 name=debian-12-$2 json
  tidy "$root"
  mkdir -p "$root/usr/share/monoroot"
  echo "debian-12:$version" | tee "$root/usr/share/monoroot/version" >"$root/etc/motd"
  json=$(printf '{"os":"debian-12","version":"%s","architecture":"%s","defaults":{"command":["/usr/sbin/nginx"]}}' \
    "$version" "$(dpkg --print-architecture)")
  # Mount points in every container: what they hold here is never seen.
  pack "$name" "$3" "$root" "$recipes/debian-mount.sh" "$json" --exclude=root/{dev,proc,sys,run,tmp}/'*'
  say "Made debian-12:$version, $(($(stat -c %s "$out/$name.tar.zst") >> 20)) MiB, $(du -sm "$root" | cut -f1) MiB unpacked"
}

debian() {
  local key root=$work/root started=$SECONDS version versions=(v1 v2 v3) fresh=yes
  key=$(recipe_key debian "$(debian_sources)")
  for version in "${versions[@]}"; do current "debian-12-$version" "$key" || fresh=''; done
  if [ -n "$fresh" ]; then
    say 'debian-12:v1, v2 and v3 are up to date'
  else
    [ "$(id -u)" = 0 ] || die 'making a Debian root takes root: use sudo -E'
    ensure_packages mmdebstrap:mmdebstrap zstd:zstd
    say 'Making debian-12:v1 from Debian packages'
    debian_bootstrap "$root" --include=nginx-light,procps
    install -m 644 "$recipes/debian-nginx.conf" "$root/etc/nginx/nginx.conf"
    rm -rf "$root"/etc/nginx/sites-{available,enabled} "$root"/var/www/html/*
    echo 'root /var/www/html;' >"$root/etc/nginx/site.conf"
    debian_version "$root" v1 "$key"

    inside "$root" sh -ec 'apt-get update && apt-get -o Dpkg::Options::=--force-unsafe-io install -y --no-install-recommends curl less'
    debian_version "$root" v2 "$key"

    sed -i 's/listen 8080;/lissen 8080;/' "$root/etc/nginx/nginx.conf"
    debian_version "$root" v3 "$key"
    say "Made all three in $((SECONDS - started)) s"
  fi
  printf '%s\n' "${versions[@]/#/$out/debian-12-}" | sed 's/$/.tar.zst/'
}
