#!/usr/bin/env bash
#
# Cuts the power under real file systems while a database is written to, and checks what is left:
# tests/crash/run_power_loss.c tells how. Needs root, loop devices, and the tools of the file
# systems; takes a GiB below TMPDIR.
#
#     power_loss.sh PROGRAM_DIRECTORY DATABASES [FILE_SYSTEM...]     (ext4 xfs btrfs)
#     power_loss.sh go-on DIRECTORY        used by the program: mounts what is left after a cut
#
# Each file system also gets a run of crash_sigkill.
set -euo pipefail

mount_disk() {
    mount -o loop "$1/outer/device.img" "$1/disk"
}

if [[ $1 == go-on ]]; then
    umount "$2/disk"
    mv "$2/outer/after.img" "$2/outer/device.img"
    mount_disk "$2"
    exit 0
fi

programs=$1
databases=$2
shift 2
systems=("$@")
if [[ ${#systems[@]} == 0 ]]; then
    systems=(ext4 xfs btrfs)
fi
if [[ $(id -u) != 0 || ! -e /dev/loop-control ]]; then
    echo "power loss: needs root and loop devices" >&2
    exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/armdb-power-XXXXXX")
clean_up() {
    umount -q "$work/disk" || true
    umount -q "$work/outer" || true
    rm -rf "$work"
}
trap clean_up EXIT
mkdir "$work/outer" "$work/disk"
truncate -s 4G "$work/outer.img"
mkfs.xfs -q -m reflink=1 "$work/outer.img"
mount -o loop "$work/outer.img" "$work/outer"

script=$(realpath "$0")
for system in "${systems[@]}"; do
    truncate -s 640M "$work/outer/device.img"
    case $system in
    ext4) mkfs.ext4 -q "$work/outer/device.img" ;;
    xfs) mkfs.xfs -q "$work/outer/device.img" ;;
    btrfs) mkfs.btrfs -q "$work/outer/device.img" >/dev/null ;;
    *)
        echo "power loss: $system: ext4, xfs or btrfs are known" >&2
        exit 2
        ;;
    esac
    mount_disk "$work"
    echo "== $system"
    "$programs/run_power_loss" "$work" "$databases" "$script"
    TMPDIR="$work/disk" "$programs/crash_sigkill"
    umount "$work/disk"
    rm "$work/outer/device.img"
done
