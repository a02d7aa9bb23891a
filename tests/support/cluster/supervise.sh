#!/bin/sh
# Runs the parts of a test cluster until standard input ends, then removes what they leave behind.
#
# usage: supervise.sh DIR CGROUP [option of unshare]...
#
# Standard input is a pipe whose other end only the test process holds: however that process ends, the pipe ends too.
# The parts run in a PID namespace whose first process is init.sh; when that one ends, the kernel kills all others.
dir=$1
cgroup=$2
shift 2

# Handled rather than ignored, so that the parts get the default again and the removal below still happens.
trap : INT TERM HUP

unshare --fork --kill-child --pid "$@" sh "$dir/init.sh"
echo "init ended with status $?" >>"$dir/ended"
# If that was not because the test ended, the test now reads the logs.
cat >/dev/null

if [ "$cgroup" != none ]; then
    # Deepest first; a group whose processes are still being reaped is busy for a moment.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find /sys/fs/cgroup/*/"$cgroup" /sys/fs/cgroup/"$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
        ls -d /sys/fs/cgroup/*/"$cgroup" /sys/fs/cgroup/"$cgroup" >/dev/null 2>&1 || break
        sleep 0.1
    done
fi
if [ ! -e "$dir/keep" ]; then
    rm -rf "$dir"
fi
