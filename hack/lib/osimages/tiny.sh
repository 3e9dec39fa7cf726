# shellcheck shell=bash
# A root of busybox alone. Sourced by hack/osimages.

tiny() {
  local version=${1:-} serve=tiny-serve.sh root=$work/root name key json
  [[ $version =~ ^[a-z0-9]([a-z0-9.-]{0,28}[a-z0-9])?$ ]] || wrong_arguments "'$version' is no version of an image: use one like v1"
  case ${2:-} in
    '') ;;
    --broken) serve=tiny-broken.sh ;;
    *) wrong_arguments "there is no option $2" ;;
  esac
  ensure_packages busybox:busybox-static zstd:zstd
  name=tiny-$version
  key=$(recipe_key tiny "$version" "$serve")
  if current "$name" "$key"; then
    say "tiny:$version is up to date"
  else
    # A /bin of its own, that is the layout that Debian does not have.
    mkdir -p "$root"/{bin,etc,home,lib,opt,root,run,sbin,tmp,usr/bin,usr/share/monoroot,var/tmp,var/www}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    chmod 700 "$root/root"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for applet in cat cp cut date df echo env false grep head hostname httpd id kill ln ls mkdir mv nc ps rm sed sh sleep sort stat \
      tail tar touch tr true uname vi wget; do
      ln -s busybox "$root/bin/$applet"
    done
    install -m 755 "$recipes/$serve" "$root/bin/serve"
    printf 'root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\nwww:x:33:\n' >"$root/etc/group"
    echo "tiny:$version" | tee "$root/usr/share/monoroot/version" >"$root/etc/motd"
    json=$(printf '{"os":"tiny","version":"%s","defaults":{"command":["/bin/serve"]}}' "$version")
    pack "$name" "$key" "$root" "$recipes/tiny-mount.sh" "$json" --owner=0 --group=0 --mtime=@0
    say "Made tiny:$version"
  fi
  printf '%s\n' "$out/$name.tar.zst"
}
