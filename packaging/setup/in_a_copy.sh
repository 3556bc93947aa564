#!/bin/sh
# in_a_copy.sh "PACKAGE …" COMMAND … : the command in a copy of this system that has these packages too.
# The copy is an overlay that goes away with the command; only the current folder is the real one. Debian, and root.
set -eu
[ "$(id -u)" = 0 ] || { echo "Only root can make a copy of the system: run it as root, or in a container." >&2; exit 1; }
packages=$1; shift
if [ -z "${COPY_FOLDER:-}" ]; then
    COPY_FOLDER=$(mktemp -d); export COPY_FOLDER
    trap 'rm -rf "$COPY_FOLDER"' EXIT
    unshare --mount --pid --fork --kill-child "$0" "$packages" "$@"
    exit
fi
root=$COPY_FOLDER/root
mount -t tmpfs tmpfs "$COPY_FOLDER"
mkdir "$root" "$COPY_FOLDER/up" "$COPY_FOLDER/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$COPY_FOLDER/up,workdir=$COPY_FOLDER/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root/run/lock"
mount --bind "$PWD" "$root$PWD"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get --quiet=2 install --yes --no-install-recommends $packages
exec chroot "$root" sh -c 'cd "$1"; shift; exec "$@"' sh "$PWD" "$@"
