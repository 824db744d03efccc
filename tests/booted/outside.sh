#!/bin/bash
# Start a machine: outside.sh STATE. A copy of this system as an overlay, with a real systemd as its first process, in
# name spaces of its own; the network alone is shared. Ends when the machine does, and takes its control group away.
set -euo pipefail
state=$1
here=$(cd "$(dirname "$0")" && pwd)

# A control group of our own, as the root of the machine's: its systemd sees and moves no process but its own.
mkdir -p "$state/groups"
mount --make-rprivate /
mount -t cgroup2 none "$state/groups"
group=$(mktemp -d "$state/groups/hotfolder-XXXXXXXX")
echo "${group##*/}" > "$state/group"
machine=
tidy() {
    [ -z "$machine" ] || kill -KILL "$machine" 2>/dev/null || true
    for _ in $(seq 100); do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
        [ -d "$group" ] || break
        sleep 0.05
    done
}
trap tidy EXIT
trap 'exit 1' TERM INT

(
    echo "$BASHPID" > "$group/cgroup.procs"
    exec setpriv --pdeathsig KILL unshare --cgroup --mount --propagation private --uts --ipc --pid --fork --kill-child \
        bash "$here/inside.sh" "$state"
) &
machine=$!
wait "$machine" || true
machine=
