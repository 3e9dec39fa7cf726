#!/bin/sh
# Pushes the images of this release and their signatures to a registry, with the crane that is beside it.
#   ./load-images.sh --registry registry.internal.example.com/monoroot [--insecure]
# It takes the login of `docker login` on this machine ($DOCKER_CONFIG). --insecure: the registry speaks HTTP, or has a certificate of its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
registry='' insecure=''
while [ $# -gt 0 ]; do
  case $1 in
    --registry) registry=${2:?--registry needs a value} && shift 2 ;;
    --registry=*) registry=${1#*=} && shift ;;
    --insecure) insecure=--insecure && shift ;;
    -h | --help) sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
    *) echo "load-images.sh: there is no option $1; see load-images.sh --help" >&2 && exit 2 ;;
  esac
done
[ -n "$registry" ] || { echo 'load-images.sh: --registry is missing; see load-images.sh --help' >&2; exit 2; }
registry=${registry%/}

case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64 | arm64) architecture=arm64 ;;
  *) architecture=$(uname -m) ;;
esac
crane=$here/bin/crane-linux-$architecture
[ -x "$crane" ] || { echo "load-images.sh: this release has no crane for $architecture: there is no $crane" >&2; exit 1; }

(cd "$here" && sha256sum --check --quiet SHA256SUMS) || { echo 'load-images.sh: files differ from SHA256SUMS; unpack the archive again' >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Each line is registry/name:version@digest.
while IFS= read -r line; do
  digest=${line##*@}
  tagged=${line%@*}
  name=${tagged##*/}
  rm -rf "$work/view"
  mkdir "$work/view"
  cp "$here/oci/oci-layout" "$here/oci/views/${name%:*}/index.json" "$work/view/"
  ln -s "$here/oci/blobs" "$work/view/blobs"
  "$crane" push $insecure "$work/view" "$registry/$name" >/dev/null
  got=$("$crane" digest $insecure "$registry/$name")
  [ "$got" = "$digest" ] || { echo "load-images.sh: $registry/$name is $got and not $digest" >&2; exit 1; }
  echo "$registry/$name@$digest"
done <"$here/images.txt"
for signature in "$here"/signatures/*/*; do
  [ -d "$signature" ] || continue
  name=$(basename "$(dirname "$signature")")
  "$crane" push $insecure "$signature" "$registry/$name:$(basename "$signature")" >/dev/null
done

cat <<END
Install with:
  helm install monoroot $here/monoroot-*.tgz --namespace monoroot-system --create-namespace --set imageRegistry=$registry --wait
END
