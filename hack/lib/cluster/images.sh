# shellcheck shell=bash
# Images that every node has: those that the cluster itself needs, and those that were given to "load". Kept in $STATE/images.

IMAGES=$STATE/images
PAUSE_IMAGE=localhost/monoroot-pause:1
COREDNS_IMAGE=localhost/monoroot-coredns:1
REGISTRY_IMAGE=localhost/monoroot-registry:1

ensure_images() {
  mkdir -p "$IMAGES" "$STATE/registries"
  # The parent of a Pod's processes: waits, reaps, and ends when it is asked to. A shell does all that.
  [ -f "$IMAGES/pause.oci.tar" ] || pack_program pause "$PAUSE_IMAGE" "$(command -v busybox)" \
    '["/busybox", "sh", "-c", "trap \"exit 0\" TERM INT; while :; do /busybox sleep 1000000 & wait $!; done"]'
  ensure_program_image coredns "$COREDNS_IMAGE"
}

ensure_registry_image() {
  mkdir -p "$IMAGES"
  ensure_program_image registry "$REGISTRY_IMAGE"
}

# ensure_program_image PROGRAM IMAGE: packs it when it is another build than the one in the archive. Their times say nothing of that: an archive
# is as new as its last load, and a program as its build.
ensure_program_image() {
  local build
  build=$(readlink -f "$BIN/$1")
  [ ! -f "$IMAGES/$1.oci.tar" ] || [ "$(cat "$IMAGES/.$1.build" 2>/dev/null)" != "$build" ] || return 0
  pack_program "$1" "$2" "$BIN/$1" "[\"/$1\"]"
  printf '%s\n' "$build" >"$IMAGES/.$1.build"
}

# pack_program FILE IMAGE PROGRAM ENTRYPOINT-JSON: an OCI archive of an image that holds one static program.
pack_program() {
  local work layer config manifest
  work=$(mktemp -d)
  mkdir -p "$work/root" "$work/blobs/sha256"
  install -m 755 "$3" "$work/root/$(basename "$3")"
  reproducible_tar "$work/layer" -C "$work/root" .
  layer=$(blob "$work" "$work/layer")
  cat >"$work/config" <<END
{"architecture":"$(go env GOARCH)","os":"linux","config":{"Entrypoint":$4,"Env":["PATH=/"]},"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
END
  config=$(blob "$work" "$work/config")
  cat >"$work/manifest" <<END
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(blob_size "$work" "$config")},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$layer","size":$(blob_size "$work" "$layer")}]}
END
  manifest=$(blob "$work" "$work/manifest")
  cat >"$work/index.json" <<END
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest",
"size":$(blob_size "$work" "$manifest"),"annotations":{"io.containerd.image.name":"$2","org.opencontainers.image.ref.name":"$2"}}]}
END
  printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
  reproducible_tar "$IMAGES/.$1.new" -C "$work" oci-layout index.json blobs
  mv "$IMAGES/.$1.new" "$IMAGES/$1.oci.tar"
  rm -rf "$work"
}

reproducible_tar() {
  local file=$1
  shift
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$file" "$@"
}

# blob WORK FILE: moves the file to its place by content and prints its hash.
blob() {
  local hash
  hash=$(sha256sum "$2")
  hash=${hash%% *}
  mv "$2" "$1/blobs/sha256/$hash"
  printf '%s\n' "$hash"
}

blob_size() { stat -c %s "$1/blobs/sha256/$2"; }

# load_images FILE...: keeps the archives for nodes started later, and imports them into all running nodes at once.
load_images() {
  local file
  mkdir -p "$IMAGES"
  for file in "$@"; do
    [ -f "$file" ] || die "there is no image archive '$file'"
    cp --reflink=auto "$file" "$IMAGES/.new"
    mv "$IMAGES/.new" "$IMAGES/$(basename "$file")"
  done
  import_everywhere
}

import_everywhere() {
  local name pids=()
  for name in $(node_names); do
    running "$name" >/dev/null || continue
    node_exec "$name" bash "$LIB/node-init.sh" import "$name" 9>&- &
    pids+=($!)
  done
  [ ${#pids[@]} -gt 0 ] || say "No node runs; they import it when they start"
  for pid in "${pids[@]}"; do wait "$pid" || die "an import failed, see above"; done
}

# name_by_digest ARCHIVE: an image that is pulled has its digest as a name too, and one that is imported has not.
name_by_digest() {
  local index name digest
  index=$(tar -xOf "$1" index.json)
  digest=$(grep -o 'sha256:[0-9a-f]*' <<<"$index" | head -1)
  name=$(grep -oE '"(io.containerd.image.name|org.opencontainers.image.ref.name)": *"[^"]*"' <<<"$index" | head -1 | cut -d '"' -f 4)
  ctr -n k8s.io images tag --force "$name" "${name%:*}@$digest"
}

# import_new_images NODE: inside the node: imports each archive that has changed since its last import here.
import_new_images() {
  local file stamp seen failed=0
  for file in "$IMAGES"/*; do
    [ -f "$file" ] || continue
    seen=$NODES/$1/imported/${file##*/}
    stamp=$(stat -c '%i %s %Y' "$file")
    [ "$(cat "$seen" 2>/dev/null)" != "$stamp" ] || continue
    # The CRI plugin names an image by its ID, by which image volumes find it, only while this label is not `managed`; and an
    # import over an earlier one keeps labels that it does not set.
    if ctr -n k8s.io images import --local --label io.cri-containerd.image=imported "$file" >"$seen.log" 2>&1; then
      name_by_digest "$file" >>"$seen.log" 2>&1 || true
      printf '%s\n' "$stamp" >"$seen"
      echo "$1: imported ${file##*/}"
    else
      echo "$1: could not import ${file##*/}: $(tail -n 3 "$seen.log")"
      failed=1
    fi
  done
  return $failed
}
