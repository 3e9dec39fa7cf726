# shellcheck shell=bash
# What all recipes of OS images need: when a bundle must be made again, and how it is packed. Sourced by hack/osimages.

# recipe_key PREFIX WORD ...: a hash of all that goes into an image whose files begin with PREFIX.
recipe_key() { { printf '%s\n' "$@" && cat "$recipes/bundle.sh" hack/lib/debian.sh "$recipes/$1"*; } | sha256sum | cut -c1-16; }

# current NAME KEY: whether the bundle was made from this recipe.
current() { [ -f "$out/$1.tar.zst" ] && [ "$(cat "$out/$1.key" 2>/dev/null)" = "$2" ]; }

# pack NAME KEY ROOT MOUNT-SCRIPT BUNDLE-JSON [TAR-OPTION ...]: makes the bundle whole or not at all. ROOT ends in /root.
pack() {
  local name=$1 key=$2 root=$3 script=$4 json=$5 file=$out/$1.tar.zst bundle
  shift 5
  bundle=$(mktemp -d "$work/bundle.XXXX")
  printf '%s\n' "$json" >"$bundle/bundle.json"
  install -m 755 "$script" "$bundle/mount.sh"
  rm -f "$out/$name.key"
  # The times that a kernel keeps for itself would make two packs of one tree differ.
  tar --create --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
    --xattrs --acls --numeric-owner --sort=name "$@" \
    -C "$bundle" bundle.json mount.sh -C "${root%/root}" root | zstd -q -T0 >"$file.new"
  mv "$file.new" "$file"
  (cd "$out" && sha256sum "${file##*/}" >"${file##*/}.sha256")
  printf '%s\n' "$key" >"$out/$name.key"
}
