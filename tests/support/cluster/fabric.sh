# Part of init.sh at level `node`: the network, the mounts and the control groups that the nodes live in.
# Set before: nodes (how many), cgroup (the name of the control group that all nodes share).
#
# Everything below happens in the network and mount namespaces of the cluster and ends with them, except for the control
# groups, which supervise.sh removes.
set -e

# What the parts write outside their own folder: sockets and namespaces (/run), caches of CNI (/var/lib), links to pod
# logs (/var/log).
mount --make-rshared /
mount -t proc proc /proc
for place in /run /var/lib /var/log; do
    mount -t tmpfs tmpfs $place
done
mkdir -p /run/netns /run/lock /run/mounts /var/lib/kubelet

# The kubelet sets these for the whole machine. It shall set copies.
mkdir -p sysctl
for key in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys \
    kernel/keys/root_maxbytes; do
    copy=sysctl/$(echo $key | tr / _)
    cat /proc/sys/$key >$copy
    mount --bind $copy /proc/sys/$key
done

# The fabric: a bridge to which every node has a cable. The control plane sits on the bridge itself.
ip link set lo up
ip link add fabric type bridge
ip address add 10.200.0.1/24 dev fabric
ip link set fabric up
echo 1 >/proc/sys/net/ipv4/ip_forward

for n in $(seq $nodes); do
    ip netns add node$n
    ip link add cable$n type veth peer name eth0 netns node$n
    ip link set cable$n master fabric up
    ip -n node$n link set lo up
    ip -n node$n address add 10.200.0.1$n/24 dev eth0
    ip -n node$n link set eth0 up
    ip -n node$n route add default via 10.200.0.1
    nsenter --net=/run/netns/node$n sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    # The pods of one node reach those of another, and the control plane reaches all.
    ip route add 10.244.$n.0/24 via 10.200.0.1$n
    for m in $(seq $nodes); do
        [ $m = $n ] || ip -n node$n route add 10.244.$m.0/24 via 10.200.0.1$m
    done
done

# The mounts of each node are its own, as those of a machine are. What Kubernetes and plugins of the network write at fixed
# places of a machine (/etc/cni, /opt/cni, the sockets of device plugins, the namespaces of pods) they write there. A
# process holds the namespace: on some kernels a namespace of mounts cannot always be kept by a file.
for n in $(seq $nodes); do
    unshare --mount --propagation private sh -e -c '
        for place in etc opt; do
            mkdir -p "$1/$place-work"
            mount -t overlay -o "lowerdir=/$place,upperdir=$1/$place,workdir=$1/$place-work" overlay "/$place"
        done
        mount -t tmpfs tmpfs /var/lib/kubelet
        mount -t tmpfs tmpfs /run/netns
        mount --make-rshared /
        ln -s "/proc/$$/ns/mnt" "/run/mounts/$2"
        exec sleep infinity
    ' node.sh "$PWD/node$n" node$n &
    holder=$!
    until [ -L /run/mounts/node$n ]; do
        kill -0 $holder
        sleep 0.02
    done
done

# A control group for each node, in every hierarchy (version 1) or in the one there is (version 2).
copy_cpuset() {
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$1/$file" ] || cat "$(dirname "$1")/$file" >"$1/$file"
    done
}
delegate() {
    for controller in $(cat "$1/cgroup.controllers"); do
        echo "+$controller" >"$1/cgroup.subtree_control" || true
    done
}
make_groups() {
    mkdir -p "$1/$cgroup"
    [ $2 = 1 ] && copy_cpuset "$1/$cgroup" || delegate "$1"
    [ $2 = 1 ] || delegate "$1/$cgroup"
    for n in $(seq $nodes); do
        mkdir -p "$1/$cgroup/node$n"
        [ $2 = 1 ] && copy_cpuset "$1/$cgroup/node$n" || delegate "$1/$cgroup/node$n"
    done
}
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    make_groups /sys/fs/cgroup 2
else
    for hierarchy in /sys/fs/cgroup/*; do
        # A version 2 tree may be mounted beside those of version 1; it holds no controllers then.
        [ -e "$hierarchy/cgroup.controllers" ] || [ -L "$hierarchy" ] || make_groups "$hierarchy" 1
    done
fi
set +e
