# shellcheck shell=bash
# What Pods take on this node; run inside it with their uids as arguments. Prints three numbers of bytes: pages of their files
# in the page cache, pages of files that their processes have mapped, memory of their own. Processes come and go meanwhile.
# The processes of these Pods: the uid is in the name of their cgroup.
pids=$(for uid; do printf 'pod%s\n' "$uid"; done | grep --fixed-strings --files-with-matches --file=- /proc/[0-9]*/cgroup 2>/dev/null |
  cut --delimiter=/ --fields=3 | sort --numeric-sort || true)
# One process for each container: that with the lowest number in each mount namespace which has a /usr of its own.
mains=$(for pid in $pids; do
  [ ! -e "/proc/$pid/root/usr/sbin/nginx" ] || echo "$(readlink "/proc/$pid/ns/mnt") $pid"
done | sort --unique --key=1,1 | cut --delimiter=' ' --fields=2)
[ "$(wc --words <<<"$mains")" = $# ] || { echo "found $(wc --words <<<"$mains") containers of $#" >&2; exit 1; }
for pid in $mains; do find "/proc/$pid/root/usr" -xdev -type f -exec cat {} + >/dev/null; done

# The directories that the containers' files really are in: layers of overlays, and what is mounted from the store.
backing=$(for pid in $mains; do
  grep ' / / ' "/proc/$pid/mountinfo" | grep --only-matching --extended-regexp '/var/lib/containerd/[^:,]*/fs' || true
  usr=$(stat --format=%d:%i "/proc/$pid/root/usr")
  for root in /var/lib/monoroot/store/*/*/root; do
    [ "$(stat --format=%d:%i "$root/usr" 2>/dev/null)" != "$usr" ] || echo "$root"
  done
done | sort --unique)
[ -n "$backing" ] || { echo 'found no files of the containers' >&2; exit 1; }
cached=$(xargs -d '\n' sh -c 'find "$@" -xdev -type f -size +0 -printf "%i %p\0"' sh <<<"$backing" |
  sort --zero-terminated --unique --key=1,1 | cut --zero-terminated --delimiter=' ' --fields=2- |
  xargs -0 fincore --bytes --raw --noheadings --output RES | awk '{ sum += $1 } END { printf "%d", sum }')

shares=$(for pid in $pids; do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done |
  awk '/^Pss_File:/ { file += $2 } /^Pss_Anon:/ { anon += $2 } END { printf "%d %d", file * 1024, anon * 1024 }')
overlays=$(for pid in $mains; do
  awk '$0 ~ / - tmpfs / && $5 !~ "^/(dev|proc|sys)" { print $5 }' "/proc/$pid/mountinfo" |
    while read -r path; do df --block-size=1 --output=used "/proc/$pid/root$path" | tail --lines=1; done
done | awk '{ sum += $1 } END { printf "%d", sum }')
echo "$cached ${shares% *} $((${shares#* } + overlays))"
