#!/bin/bash
# The first process of a machine, until systemd takes its place: inside.sh STATE. Lays the overlay, hides what belongs
# to the system around it, and turns into systemd. What is written lies in STATE/disk and outlives the machine.
set -euo pipefail
state=$1
root=$state/root
mkdir -p "$state/disk/upper" "$state/disk/work" "$root"
first=; [ -e "$state/disk/upper/etc/hotfolder-machine" ] || first=yes
mount -t overlay overlay -o "lowerdir=/,upperdir=$state/disk/upper,workdir=$state/disk/work" "$root"

mount -t proc -o nosuid,noexec,nodev proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro,nosuid,noexec,nodev sysfs "$root/sys"
mount -t cgroup2 -o nosuid,noexec,nodev cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : > "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"; ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"

units=$root/etc/systemd/system
if [ -n "$first" ]; then
    rm -rf "$units"/*.wants "$units"/hotfolder*
    rm -rf "$root/opt/hotfolder" "$root/etc/hotfolder" "$root/var/lib/hotfolder" "$root/srv/hotfolder"
fi
mkdir -p "$units" "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d" "$root/etc/tmpfiles.d"
# What belongs to hardware, to a console, or to the system around.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service systemd-timesyncd.service \
    systemd-resolved.service systemd-logind.service getty@.service console-getty.service systemd-firstboot.service \
    systemd-random-seed.service systemd-remount-fs.service systemd-update-utmp.service systemd-sysctl.service \
    systemd-binfmt.service systemd-modules-load.service systemd-journald-audit.socket systemd-tmpfiles-clean.timer \
    dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
    ln -sf /dev/null "$units/$unit"
done
ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf"      # else the boot empties /tmp, where a checkout may lie
: > "$root/etc/fstab"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
: > "$root/etc/hotfolder-machine"
printf '[Journal]\nStorage=volatile\nAudit=no\nRateLimitIntervalSec=0\n' > "$root/etc/systemd/journald.conf.d/machine.conf"
printf '[Manager]\nShowStatus=no\nDefaultTimeoutStopSec=60s\n' > "$root/etc/systemd/system.conf.d/machine.conf"
hostname hotfolder-machine
if [ -x "$state/before-boot" ]; then "$state/before-boot" "$root"; fi

cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old 2>/dev/null || true
mount --make-rshared /        # LoadCredential= hands nothing over otherwise
exec env -i container=hotfolder LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=multi-user.target
