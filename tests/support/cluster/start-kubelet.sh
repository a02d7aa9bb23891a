# Starts the kubelet of one node once its containerd answers and has the image of the pods' first container.
# usage: start-kubelet.sh SOCKET IMAGE KUBELET [argument]...
socket=$1
image=$2
shift 2
until ctr --address "$socket" version >/dev/null 2>&1; do
    sleep 0.1
done
ctr --address "$socket" --namespace k8s.io images import "$image" || exit 1
# Each kubelet empties /var/lib/kubelet/device-plugins as it starts and listens there. Two that share the folder can delete
# and take each other's socket, and the loser exits. So the folder is the kubelet's own; all other mounts (the volumes of
# pods) still reach the containerd outside.
mkdir -p /var/lib/kubelet
exec unshare --mount --propagation unchanged sh -c '
    mount --make-private /var/lib && mount -t tmpfs tmpfs /var/lib/kubelet || exit 1
    exec "$@"
' own-folder.sh "$@"
